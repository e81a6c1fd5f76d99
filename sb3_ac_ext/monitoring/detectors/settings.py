"""Settings that no tuned run has: weak evidence each, but there before training begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from sb3_ac_ext.monitoring.detectors.base import Detector
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Finding, RunInfo, Severity


@dataclass(frozen=True)
class Settings:
    """What a run was set up with.

    :param info: facts about the run
    :param now: values in force, after schedules, by series
    """

    info: RunInfo
    now: Mapping[str, float]

    def number(self, name: str) -> float | None:
        """A hyperparameter as a number, ``None`` where it is absent or no number."""
        value = self.info.hyperparameters.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value)

    @property
    def off_policy(self) -> bool:
        return self.info.family == "off-policy"

    @property
    def total(self) -> int:
        return self.info.total_timesteps or 0


@dataclass(frozen=True)
class Odd:
    """What is odd about a setting: in words, its value and the bound it breaks."""

    text: str
    value: float
    bound: float


Judge = Callable[[Settings], Odd | None]


@dataclass(frozen=True)
class Rule:
    """One setting and the range outside of which it is odd.

    :param cause: what it would cause
    :param weight: how strongly it points there, in (0, 1]
    :param judge: what is odd, or ``None``
    :param early: judged in the first half of the budget only, because schedules go there in the end
    """

    name: str
    cause: str
    weight: float
    judge: Judge
    severity: Severity = Severity.WARNING
    early: bool = False


def _range(name: str, low: float | None, high: float | None, series: str | None = None) -> Judge:
    """Odd below ``low`` or above ``high``; of the value in force where there is a series of it."""

    def judge(settings: Settings) -> Odd | None:
        value = settings.now.get(series) if series else settings.number(name)
        if value is None:
            return None
        if low is not None and value < low:
            return Odd(f"{name}={value:g} is below {low:g}", value, low)
        if high is not None and value > high:
            return Odd(f"{name}={value:g} is above {high:g}", value, high)
        return None

    return judge


def _rollout(settings: Settings) -> Odd | None:
    steps, epochs = settings.number("n_steps"), settings.number("n_epochs")
    if steps is None or settings.off_policy or settings.info.n_envs is None:
        return None
    size, least = steps * settings.info.n_envs, 8 if epochs else 4
    if size >= least:
        return None
    return Odd(f"a rollout has {size:.0f} steps (n_steps x n_envs)", size, least)


def _horizon(settings: Settings) -> Odd | None:
    gamma = settings.info.gamma
    if gamma is None or gamma >= 0.85:
        return None
    return Odd(f"gamma={gamma:g} looks {1.0 / (1.0 - gamma):.1f} steps ahead", gamma, 0.85)


def _undiscounted(settings: Settings) -> Odd | None:
    gamma = settings.info.gamma
    if gamma is None or gamma < 1.0:
        return None
    return Odd(f"gamma={gamma:g} discounts nothing", gamma, 1.0)


def _tau(settings: Settings) -> Odd | None:
    tau = settings.number("tau")
    if tau is None or not settings.off_policy or settings.info.n_actions is not None:
        return None  # DQN copies its target now and then, with tau=1
    if settings.info.algo == "CrossQ":
        return None  # it has no target
    if tau <= 0.0:
        return Odd(f"tau={tau:g} never moves the target networks", tau, 0.0)
    if tau <= 0.2 or (settings.number("target_update_interval") or 1.0) > 1.0:
        return None
    return Odd(f"tau={tau:g} lets the targets follow within steps", tau, 0.2)


def _replay(settings: Settings) -> Odd | None:
    size, batch = settings.number("buffer_size"), settings.number("batch_size")
    if size is None or batch is None:
        return None
    least = max(10.0 * batch, 2.0 * (settings.info.max_episode_steps or 0))
    least = max(least, min(5000.0, 0.05 * settings.total))
    if size >= least:
        return None
    return Odd(f"buffer_size={size:g} holds less than {least:g} transitions", size, least)


def _late_start(settings: Settings) -> Odd | None:
    start = settings.number("learning_starts")
    if start is None or not settings.total or start < 0.6 * settings.total:
        return None
    text = f"learning_starts={start:g} of {settings.total:,} steps"
    return Odd(text, start, 0.6 * settings.total)


def _target_entropy(settings: Settings) -> Odd | None:
    target, size = settings.number("target_entropy"), settings.info.action_size
    if target is None or size is None or target < 0.6 * size:
        return None
    text = f"target_entropy={target:g} cannot be reached by {size} actions in [-1, 1]"
    return Odd(text, target, 0.6 * size)


def _optimizer(settings: Settings) -> Odd | None:
    name = settings.info.hyperparameters.get("optimizer_class")
    rate = settings.now.get("hyper/learning_rate")
    if name != "SGD" or rate is None or rate > 0.01:
        return None
    return Odd(f"SGD with learning_rate={rate:g}", rate, 0.01)


def _value_clip(settings: Settings) -> Odd | None:
    clip, spread = settings.now.get("hyper/clip_range_vf"), settings.now.get("returns/std")
    if clip is None or spread is None or clip >= 0.05 * spread:
        return None
    text = f"clip_range_vf={clip:g} where returns spread by {spread:.3g}"
    return Odd(text, clip, 0.05 * spread)


def _early_stop(settings: Settings) -> Odd | None:
    share = settings.now.get("gradients/steps_share")
    if share is None or share >= 0.1:
        return None
    target = settings.number("target_kl")
    text = f"target_kl={target} ends updates after {share:.1%} of their steps"
    return Odd(text, share, 0.1)


RULES: tuple[Rule, ...] = (
    Rule("learning_rate_high", "learning_rate_too_high", 0.7,
         _range("learning_rate", None, 8e-3, "hyper/learning_rate")),
    Rule("learning_rate_negative", "learning_rate_too_low", 0.3,
         _range("learning_rate", 0.0, None, "hyper/learning_rate"), Severity.INFO),
    Rule("optimizer_learning_rate_high", "learning_rate_too_high", 0.9,
         _range("learning rate over the schedule's", None, 10.0, "probe/learning_rate_ratio")),
    Rule("optimizer_learning_rate_low", "learning_rate_too_low", 0.9,
         _range("learning rate over the schedule's", 0.1, None, "probe/learning_rate_ratio")),
    Rule("target_kl", "update_frequency", 0.9, _early_stop),
    Rule("n_epochs", "too_many_epochs", 0.85, _range("n_epochs", None, 45.0)),
    Rule("batch_size", "batch_too_small", 0.85, _range("batch_size", 8.0, None)),
    Rule("rollout", "rollout_too_short", 0.7, _rollout),
    Rule("clip_range_low", "clip_range", 0.85,
         _range("clip_range", 0.02, None, "hyper/clip_range"), early=True),
    Rule("clip_range_high", "clip_range", 0.85,
         _range("clip_range", None, 0.9, "hyper/clip_range")),
    Rule("max_grad_norm", "gradient_clipping", 0.9, _range("max_grad_norm", 5e-3, None)),
    Rule("clip_range_vf", "value_clipping", 0.85, _value_clip, early=True),
    Rule("vf_coef_low", "value_coefficient", 0.9, _range("vf_coef", 0.01, None)),
    Rule("vf_coef_high", "value_coefficient", 0.85, _range("vf_coef", None, 20.0)),
    Rule("optimizer", "optimizer", 0.9, _optimizer),
    Rule("gamma_low", "gamma_too_low", 0.8, _horizon),
    Rule("gamma_one", "gamma_too_high", 0.75, _undiscounted),
    Rule("gae_lambda", "gae_lambda", 0.8, _range("gae_lambda", 0.5, None)),
    Rule("ent_coef_negative", "entropy_bonus_negative", 0.95,
         _range("ent_coef", 0.0, None, "hyper/ent_coef"), Severity.CRITICAL),
    Rule("tau", "target_network", 0.95, _tau),
    Rule("buffer_size", "replay_too_small", 0.85, _replay),
    Rule("learning_starts", "learning_starts", 0.9, _late_start),
    Rule("policy_delay", "update_frequency", 0.9, _range("policy_delay", None, 50.0)),
    Rule("action_noise", "exploration_too_high", 0.85, _range("action_noise_sigma", None, 0.8)),
    Rule("target_entropy", "entropy_bonus_too_high", 0.9, _target_entropy),
)  # fmt: skip
"""All rules; every tuned setting of the RL Zoo passes all of them."""


@dataclass(frozen=True)
class OddSetting(Detector):
    """A setting outside of what any tuned run uses.

    :param rule: which setting, and what is odd about it
    """

    rule: Rule

    causes = {}  # noqa: RUF012
    advice = "compare with the RL Zoo's settings for this environment, or SB3's defaults"

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"setting_{self.rule.name}"

    def check(self, history: History) -> Finding | None:
        last = history.last
        if last is None or (self.rule.early and (history.progress or 0.0) > 0.5):
            return None
        odd = self.rule.judge(Settings(history.info, last.values))
        if odd is None:
            return None
        return self.finding(
            history,
            self.rule.severity,
            odd.text,
            odd.value,
            odd.bound,
            (),
            since=self._since(history),
            causes={self.rule.cause: self.rule.weight},
        )

    def _since(self, history: History) -> int:
        """First step of the unbroken stretch in which the setting is odd."""
        since = history.step
        for snapshot in reversed(list(history)):
            if self.rule.judge(Settings(history.info, snapshot.values)) is None:
                return since
            since = snapshot.step
        return 0


def settings_detectors() -> Iterator[OddSetting]:
    """One per rule."""
    return (OddSetting(rule) for rule in RULES)
