"""Policy updates that are too large."""

from __future__ import annotations

from dataclasses import dataclass

from sb3_ac_ext.monitoring.detectors.base import Detector, fresh, require
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Finding, Severity

_CLIPS_NOTHING = 0.9


@dataclass(frozen=True)
class LargeKL(Detector):
    """KL(old, new) of whole updates stays above a bound: the surrogate objective is no longer
    valid.

    Fires when at least ``needed`` of the last five measurements exceed the threshold. The often
    quoted 0.02 is passed by healthy tuned runs; it is a target for ``target_kl``, not a sign of
    harm. Raising ``clip_range`` would raise KL further. Where several epochs go over a rollout of
    fewer than ``rows`` steps, ``clip_range`` clips nothing, or every log_std has been below
    ``narrow`` throughout, that is the likelier cause: KL grows with the inverse of the variance.

    :param warning: in nats
    :param critical: in nats
    :param needed: of the last five, between 1 and 5
    :param rows: n_steps x n_envs, at least 1
    :param narrow: largest log_std over dimensions
    :raises ValueError: for bounds that are not positive and increasing
    """

    warning: float = 0.15
    critical: float = 1.0
    needed: int = 3
    rows: int = 32
    narrow: float = -3.0

    name = "large_kl"
    causes = {"learning_rate_too_high": 0.8, "too_many_epochs": 0.4}  # noqa: RUF012
    advice = "set target_kl=0.02, and lower what makes updates large: see the likeliest cause"

    def __post_init__(self) -> None:
        require(self.warning > 0.0, "warning", self.warning, "a positive KL in nats")
        require(self.warning < self.critical, "critical", self.critical, "more than warning")
        require(1 <= self.needed <= 5, "needed", self.needed, "1 to 5")
        require(self.rows >= 1, "rows", self.rows, "at least 1")

    def check(self, history: History) -> Finding | None:
        if not fresh(history, "policy/kl"):
            return None
        series = history.series("policy/kl", last=5)
        above = series.values > self.warning
        if above.sum() < self.needed or not above[-1]:
            return None
        critical = (series.values > self.critical).sum() >= self.needed
        value = series.values[-1]
        return self.finding(
            history,
            Severity.CRITICAL if critical else Severity.WARNING,
            f"KL between old and new policy was above {self.warning:g} in {above.sum()} of the "
            f"last {len(series)} updates, now {value:.3g}",
            value,
            self.critical if critical else self.warning,
            ("policy/kl",),
            since=int(series.steps[above][0]),
            causes=self._likelier(history),
        )

    def _likelier(self, history: History) -> dict[str, float]:
        """The causes, that of a setting first where one is out of the range of tuned runs."""
        clip = history.series("hyper/clip_range", last=1).values
        if (clip > _CLIPS_NOTHING).any():
            return {"clip_range": 0.9, "learning_rate_too_high": 0.6, "too_many_epochs": 0.4}
        if self._short(history):
            return {"rollout_too_short": 0.9, "learning_rate_too_high": 0.6, "too_many_epochs": 0.4}
        log_std = history.series("policy/log_std_max").values  # from the first: it may also follow
        if len(log_std) and log_std.max() < self.narrow:
            return {**self.causes, "exploration_too_low": 0.9, "learning_rate_too_high": 0.6}
        return dict(self.causes)

    def _short(self, history: History) -> bool:
        """Whether several epochs go over a handful of steps."""
        facts = history.info.hyperparameters
        size, epochs = facts.get("n_steps"), facts.get("n_epochs")
        if not isinstance(size, int) or not isinstance(epochs, int):
            return False
        return epochs > 1 and size * (history.info.n_envs or 1) < self.rows
