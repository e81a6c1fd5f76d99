"""A policy that stops exploring before it learnt, or never stops."""

from __future__ import annotations

from dataclasses import dataclass

from sb3_ac_ext.monitoring.detectors.base import Detector, fresh, require
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.learning import at_ceiling, improved
from sb3_ac_ext.monitoring.records import Finding, Severity

_SERIES = "policy/entropy_relative"


@dataclass(frozen=True)
class EntropyCollapse(Detector):
    """Entropy below a small share of its maximum although returns have not risen.

    A converged policy has low entropy too; what harms is determinism before learning. Discrete
    actions only: a Gaussian's entropy has no maximum.

    :param floor: share of the maximum entropy, in (0, 1)
    :param needed: snapshots in a row
    :raises ValueError: for values out of range
    """

    floor: float = 0.05
    needed: int = 5

    name = "entropy_collapse"
    causes = {  # noqa: RUF012
        "entropy_bonus_too_low": 0.7,
        "learning_rate_too_high": 0.5,
        "policy_collapse": 0.4,
    }
    advice = "raise ent_coef (0.001 to 0.01), lower learning_rate; retrain from before the collapse"

    def __post_init__(self) -> None:
        require(0.0 < self.floor < 1.0, "floor", self.floor, "a share in (0, 1)")
        require(self.needed >= 1, "needed", self.needed, "at least 1")

    def check(self, history: History) -> Finding | None:
        series = history.series(_SERIES, last=self.needed)
        if not fresh(history, _SERIES) or len(series) < self.needed:
            return None
        if (series.values >= self.floor).any() or improved(history) is not False:
            return None
        if at_ceiling(history):
            return None
        return self.finding(
            history,
            Severity.CRITICAL,
            f"policy entropy is {series.values[-1]:.1%} of its maximum and returns have not risen",
            series.values[-1],
            self.floor,
            (_SERIES, "episodes/return_mean"),
            since=int(series.steps[0]),
        )


@dataclass(frozen=True)
class EntropyStuck(Detector):
    """Entropy still at its maximum late in training and returns have not risen: the policy is
    random.

    :param ceiling: share of the maximum entropy, in (0, 1)
    :param after: share of the budget before which nothing is said
    :raises ValueError: for values out of range
    """

    ceiling: float = 0.98
    after: float = 0.4

    name = "entropy_stuck"
    causes = {  # noqa: RUF012
        "entropy_bonus_too_high": 0.6,
        "learning_rate_too_low": 0.6,
        "no_learning_signal": 0.5,
    }
    advice = "lower ent_coef, raise learning_rate; check that good episodes earn more than bad ones"

    def __post_init__(self) -> None:
        require(0.0 < self.ceiling < 1.0, "ceiling", self.ceiling, "a share in (0, 1)")
        require(0.0 <= self.after < 1.0, "after", self.after, "a share in [0, 1)")

    def check(self, history: History) -> Finding | None:
        progress = history.progress
        series = history.series(_SERIES, last=5)
        if progress is None or progress < self.after or len(series) < 5:
            return None
        if not fresh(history, _SERIES) or (series.values <= self.ceiling).any():
            return None
        if improved(history) is not False:
            return None
        return self.finding(
            history,
            Severity.WARNING,
            f"policy entropy is still {series.values[-1]:.1%} of its maximum after {progress:.0%} "
            "of the budget and returns have not risen",
            series.values[-1],
            self.ceiling,
            (_SERIES, "episodes/return_mean"),
            since=int(series.steps[0]),
        )
