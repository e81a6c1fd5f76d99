"""Too much noise in the actions, or too little."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sb3_ac_ext.monitoring.detectors.base import Detector, fresh, require
from sb3_ac_ext.monitoring.history import Floats, History
from sb3_ac_ext.monitoring.learning import improved
from sb3_ac_ext.monitoring.records import Finding, Severity


@dataclass(frozen=True)
class NoisyActions(Detector):
    """A Gaussian so wide that most actions are clipped at a bound.

    log_std above ``log_std`` and more than ``saturation`` of the executed actions at a bound, in
    each of the last ``needed`` snapshots.

    :param log_std: largest over dimensions
    :param saturation: share, in (0, 1)
    :param needed: snapshots running, at least 1
    :raises ValueError: for values out of range
    """

    log_std: float = 1.0
    saturation: float = 0.5
    needed: int = 3

    name = "noisy_actions"
    causes = {"exploration_too_high": 0.85, "action_bounds": 0.4}  # noqa: RUF012
    advice = "log_std_init=0, a lower ent_coef; rescale actions to [-1, 1] (RescaleAction)"

    def __post_init__(self) -> None:
        require(0.0 < self.saturation < 1.0, "saturation", self.saturation, "a share in (0, 1)")
        require(self.needed >= 1, "needed", self.needed, "at least 1")

    def check(self, history: History) -> Finding | None:
        wide = history.series("policy/log_std_max", last=self.needed)
        cut = history.series("actions/saturation", last=self.needed)
        if history.info.family != "on-policy" or not fresh(history, "policy/log_std_max"):
            return None
        if len(wide) < self.needed or (wide.values < self.log_std).any():
            return None
        if (cut.values < self.saturation).any():
            return None
        return self.finding(
            history,
            Severity.WARNING,
            f"log_std is {wide.values[-1]:.2f} and {cut.values[-1]:.0%} of the actions are clipped",
            wide.values[-1],
            self.log_std,
            ("policy/log_std_max", "actions/saturation"),
            since=int(wide.steps[0]),
        )


@dataclass(frozen=True)
class ClippedActions(Detector):
    """Nearly all actions of a Gaussian policy are clipped at the bounds, from the beginning on.

    A bang-bang policy may come to it; one that begins so was given bounds that are too narrow for
    its unit noise.

    :param saturation: share of the actions in every snapshot so far, in (0, 1)
    :param needed: snapshots, at least 2
    :raises ValueError: for values out of range
    """

    saturation: float = 0.95
    needed: int = 5

    name = "clipped_actions"
    causes = {"action_bounds": 0.85, "exploration_too_high": 0.3}  # noqa: RUF012
    advice = "rescale actions to [-1, 1] (RescaleAction), or state the true bounds"

    def __post_init__(self) -> None:
        require(0.0 < self.saturation < 1.0, "saturation", self.saturation, "a share in (0, 1)")
        require(self.needed >= 2, "needed", self.needed, "at least 2")

    def check(self, history: History) -> Finding | None:
        series = history.series("actions/saturation")
        if history.info.family != "on-policy" or not fresh(history, "actions/saturation"):
            return None
        if len(series) < self.needed or (series.values < self.saturation).any():
            return None
        return self.finding(
            history,
            Severity.WARNING,
            f"{series.values.min():.0%} and more of the actions are at a bound in every snapshot",
            series.values[-1],
            self.saturation,
            ("actions/saturation", "policy/log_std_max"),
            since=int(series.steps[0]),
        )


@dataclass(frozen=True)
class NarrowPolicy(Detector):
    """A Gaussian that hardly varies before anything has been learnt.

    log_std of every dimension below ``log_std``, in each of the last ``needed`` snapshots, while
    returns have not risen. A converged policy may be as narrow.

    :param log_std: largest over dimensions
    :param needed: snapshots running, at least 1
    :raises ValueError: for fewer
    """

    log_std: float = -3.0
    needed: int = 5

    name = "narrow_policy"
    causes = {"exploration_too_low": 0.85, "entropy_bonus_too_low": 0.5}  # noqa: RUF012
    advice = "log_std_init=0, ent_coef of 0.001 to 0.01, or use_sde=True"

    def __post_init__(self) -> None:
        require(self.needed >= 1, "needed", self.needed, "at least 1")

    def check(self, history: History) -> Finding | None:
        series = history.series("policy/log_std_max", last=self.needed)
        if not fresh(history, "policy/log_std_max") or len(series) < self.needed:
            return None
        if (series.values > self.log_std).any() or improved(history):
            return None
        return self.finding(
            history,
            Severity.WARNING,
            f"log_std is {series.values[-1]:.2f} and returns have not risen",
            series.values[-1],
            self.log_std,
            ("policy/log_std_max", "episodes/return_mean"),
            since=int(series.steps[0]),
        )


@dataclass(frozen=True)
class EntropyDominates(Detector):
    """SAC's entropy bonus outweighs what the task pays, and goes on doing so.

    In each of the last ``needed`` snapshots after ``after`` of the budget, while the coefficient
    does not fall: the bonus of one step is above ``share`` of the mean |Q|; or it is above
    ``times`` the mean |reward|, and the policy acts uniformly at random, its entropy within 0.1 of
    its largest, ln 2, in every dimension.

    :param share: of the mean |Q|, positive
    :param times: the mean |reward|, positive
    :param after: share of the budget, in [0, 1)
    :param needed: snapshots running, at least 1
    :raises ValueError: for values out of range
    """

    share: float = 1.0
    times: float = 5.0
    after: float = 0.3
    needed: int = 4

    name = "entropy_dominates"
    causes = {"entropy_bonus_too_high": 0.8, "reward_scale": 0.5}  # noqa: RUF012
    advice = "ent_coef='auto' with target_entropy='auto'; rewards of the order of 1"

    def __post_init__(self) -> None:
        require(self.share > 0.0, "share", self.share, "a positive number")
        require(self.times > 0.0, "times", self.times, "a positive number")
        require(0.0 <= self.after < 1.0, "after", self.after, "a share in [0, 1)")
        require(self.needed >= 1, "needed", self.needed, "at least 1")

    def check(self, history: History) -> Finding | None:
        progress = history.progress
        series = history.series("q/entropy_share", last=self.needed)
        if not fresh(history, "q/entropy_share") or len(series) < self.needed:
            return None
        if progress is None or progress < self.after:
            return None
        alpha = history.series("hyper/ent_coef", last=self.needed).values
        if len(alpha) < self.needed or alpha[-1] < 0.98 * alpha[0]:  # it is on its way down
            return None
        if (series.values >= self.share).all():
            over, value, bound = "Q-value", series.values[-1], self.share
        else:
            over, value, bound = "reward", self._over_rewards(history, alpha), self.times
            if value < bound:
                return None
        return self.finding(
            history,
            Severity.WARNING,
            f"the entropy bonus of one step is {value:.2g} times the mean {over}",
            value,
            bound,
            ("q/entropy_share", "hyper/ent_coef", "policy/entropy"),
            since=int(series.steps[0]),
        )

    def _over_rewards(self, history: History, alpha: Floats) -> float:
        """The least of the last snapshots' ratios, 0 where the policy is not uniform."""
        entropy = history.series("policy/entropy", last=self.needed).values
        paid = history.rows("rewards/worker_abs_mean", self.needed)
        size = history.info.action_size
        if size is None or min(len(entropy), len(paid)) < self.needed:
            return 0.0
        if (entropy < size * (np.log(2.0) - 0.1)).any():
            return 0.0
        rewards = np.array([np.mean(row) for _, row in paid])
        return float(np.min(alpha * entropy / np.maximum(rewards, 1e-12)))


@dataclass(frozen=True)
class TemperatureRuns(Detector):
    """SAC's entropy coefficient rises steadily: its target entropy cannot be reached.

    Over the last ``needed`` snapshots it rises at every one, ``factor``-fold in all.

    :param factor: above 1
    :param needed: snapshots, at least 3
    :raises ValueError: for values out of range
    """

    factor: float = 4.0
    needed: int = 10

    name = "temperature_runs"
    causes = {"entropy_bonus_too_high": 0.8}  # noqa: RUF012
    advice = "target_entropy='auto' (minus the number of actions)"

    def __post_init__(self) -> None:
        require(self.factor > 1.0, "factor", self.factor, "more than 1")
        require(self.needed >= 3, "needed", self.needed, "at least 3")

    def check(self, history: History) -> Finding | None:
        if history.info.family != "off-policy" or not fresh(history, "hyper/ent_coef"):
            return None
        series = history.series("hyper/ent_coef", last=self.needed)
        values = series.values
        if len(values) < self.needed or (values[1:] <= values[:-1]).any():
            return None
        if values[-1] < self.factor * values[0]:
            return None
        return self.finding(
            history,
            Severity.WARNING,
            f"the entropy coefficient rises and rises, from {values[0]:.3g} to {values[-1]:.3g}",
            values[-1],
            self.factor * values[0],
            ("hyper/ent_coef", "policy/entropy"),
            since=int(series.steps[0]),
        )
