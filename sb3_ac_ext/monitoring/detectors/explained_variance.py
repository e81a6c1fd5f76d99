"""A critic that explains nothing, or no longer what it used to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sb3_ac_ext.monitoring.detectors.base import Detector, fresh, require
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.learning import at_ceiling, near_best
from sb3_ac_ext.monitoring.records import Finding, Severity

_SERIES = "value/explained_variance"


@dataclass(frozen=True)
class LowExplainedVariance(Detector):
    """Explained variance negative late in training, or fallen from good to none.

    Judged after ``after`` of the budget on the last ``needed`` + 2 snapshots: ``needed`` of them
    below ``low``; or a fall from above 0.5 (median of ten snapshots) to below 0.1. Passed over:
    returns that hardly vary (standard deviation below 5 % of their mean's magnitude), and runs
    that do as well as they ever did: where a time limit ends every episode, no critic that sees
    the state alone can tell the returns apart.

    :param low: explained variance, at most 0
    :param after: share of the budget before which nothing is said
    :param needed: snapshots, at least 1
    :raises ValueError: for values out of range
    """

    low: float = -0.3
    after: float = 0.2
    needed: int = 5

    name = "low_explained_variance"
    causes = {  # noqa: RUF012
        "critic_not_learning": 0.6,
        "reward_scale": 0.5,
        "learning_rate_too_high": 0.3,
    }
    advice = (
        "normalise rewards (VecNormalize(norm_reward=True)), raise vf_coef or the critic's size, "
        "check that clip_range_vf is None"
    )

    def __post_init__(self) -> None:
        require(self.low <= 0.0, "low", self.low, "at most 0")
        require(0.0 <= self.after < 1.0, "after", self.after, "a share in [0, 1)")
        require(self.needed >= 1, "needed", self.needed, "at least 1")

    def check(self, history: History) -> Finding | None:
        progress = history.progress
        if not fresh(history, _SERIES) or (progress is not None and progress < self.after):
            return None
        found = self._low(history) or self._fallen(history)
        if found is None or not _returns_vary(history):
            return None
        return None if near_best(history) or at_ceiling(history) else found

    def _low(self, history: History) -> Finding | None:
        series = history.series(_SERIES, last=self.needed + 2)
        below = series.values < self.low
        if len(series) < self.needed or below.sum() < self.needed or not below[-1]:
            return None
        since = int(series.steps[below][0])
        what = "explains less than a constant would"
        return self._found(history, series.values[-1], self.low, since, what)

    def _fallen(self, history: History) -> Finding | None:
        series = history.series(_SERIES, last=25)
        if len(series) < 25:
            return None
        before, now = np.median(series.values[:10]), series.values[-5:]
        if before <= 0.5 or (now >= 0.1).any():
            return None
        what = f"explained {before:.0%} of the variance before and no longer does"
        return self._found(history, now[-1], 0.1, int(series.steps[-5]), what)

    def _found(
        self, history: History, value: float, bound: float, since: int, what: str
    ) -> Finding:
        return self.finding(
            history,
            Severity.WARNING,
            f"the critic {what}: explained variance {value:.2f}",
            value,
            bound,
            (_SERIES, "value/mc_explained_variance"),
            since=since,
        )


def _returns_vary(history: History) -> bool:
    spread = history.series("returns/std", last=1).values
    centre = history.series("returns/mean", last=1).values
    if not len(spread) or not len(centre):
        return True
    return bool(spread[-1] > 0.05 * abs(centre[-1]))
