"""Q-values that cannot be, or that run away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sb3_ac_ext.monitoring.detectors.base import Detector, fresh, require
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Finding, Severity


@dataclass(frozen=True)
class QBound(Detector):
    """A Q-value above what the largest reward seen, paid at every step for ever, could give.

    Hard bound max|r| / (1 - gamma), with SAC's entropy bonus added; no correct critic exceeds it
    for long. Fires on two snapshots running, and only when the ratio has risen by half since
    the first: where rewards are tiny, a critic may start above its bound and comes down.

    :param slack: ratio to the bound, at least 1
    :raises ValueError: for less
    """

    slack: float = 1.1

    name = "q_bound"
    causes = {  # noqa: RUF012
        "q_overestimation": 0.8,
        "target_network": 0.4,
        "learning_rate_too_high": 0.4,
        "time_limit_handling": 0.2,
    }
    advice = "lower learning_rate and tau (0.005), use twin critics (TD3 or SAC instead of DDPG)"

    def __post_init__(self) -> None:
        require(self.slack >= 1.0, "slack", self.slack, "at least 1")

    def check(self, history: History) -> Finding | None:
        series = history.series("q/bound_ratio", last=2)
        if not fresh(history, "q/bound_ratio") or len(series) < 2:
            return None
        first = history.series("q/bound_ratio").values[0]
        if (series.values <= max(self.slack, 1.5 * first)).any():
            return None
        return self.finding(
            history,
            Severity.CRITICAL,
            f"Q-values reach {series.values[-1]:.2f} times what the rewards allow",
            series.values[-1],
            self.slack,
            ("q/bound_ratio", "q/max", "q/bound"),
            since=int(series.steps[0]),
        )


@dataclass(frozen=True)
class TiedCritics(Detector):
    """Both critics are one: they answer alike to the last bit, so their minimum protects from
    nothing.

    Exact, in each of the last ``needed`` snapshots.

    :param needed: snapshots running, at least 1
    :raises ValueError: for fewer
    """

    needed: int = 2

    name = "tied_critics"
    causes = {"q_overestimation": 0.9}  # noqa: RUF012
    advice = "initialise the critics apart, and let each have its own parameters"

    def __post_init__(self) -> None:
        require(self.needed >= 1, "needed", self.needed, "at least 1")

    def check(self, history: History) -> Finding | None:
        gaps = history.series("q/twin_gap", last=self.needed)
        if not fresh(history, "q/twin_gap") or len(gaps) < self.needed or gaps.values.any():
            return None
        if not history.series("q/std", last=1).values.any():
            return None
        return self.finding(
            history,
            Severity.WARNING,
            "both critics give the same value to every state and action",
            0.0,
            0.0,
            ("q/twin_gap",),
            since=int(gaps.steps[0]),
        )


@dataclass(frozen=True)
class QGrowth(Detector):
    """Q-values grow without the returns: tenfold over ten snapshots, steadily, and ever further
    above Monte Carlo.

    A critic that begins near zero grows like that, too, while it learns: then its bias falls.

    :param factor: growth of the spread of Q over ten snapshots, above 1
    :param bias: overestimation in robust deviations of the Monte-Carlo returns, positive
    :raises ValueError: for values out of range
    """

    factor: float = 10.0
    bias: float = 5.0

    name = "q_growth"
    causes = {  # noqa: RUF012
        "q_overestimation": 0.8,
        "learning_rate_too_high": 0.5,
        "target_network": 0.4,
    }
    advice = "lower learning_rate, lower tau, use twin critics; check the scale of rewards"

    def __post_init__(self) -> None:
        require(self.factor > 1.0, "factor", self.factor, "more than 1")
        require(self.bias > 0.0, "bias", self.bias, "a positive number")

    def check(self, history: History) -> Finding | None:
        if not fresh(history, "q/max") or not fresh(history, "q/bias_relative"):
            return None
        high = history.series("q/max", last=11)
        low = history.series("q/min", last=11)
        relative = history.series("q/bias_relative", last=1).values[-1]
        if len(high) < 11 or relative < self.bias:
            return None
        measured = history.series("q/bias").finite()
        bias = measured.values[measured.steps >= high.steps[0]]
        if not len(bias) or bias[-1] <= bias[0]:
            return None
        size = np.maximum(np.abs(high.values), np.abs(low.values))
        growing = np.mean(np.diff(size) > 0.0) >= 0.8
        if not growing or size[0] <= 0.0 or size[-1] < self.factor * size[0]:
            return None
        return self.finding(
            history,
            Severity.CRITICAL,
            f"Q-values grew {size[-1] / size[0]:.0f}-fold over ten snapshots, to {relative:.1f} "
            "deviations above the Monte-Carlo returns",
            size[-1] / size[0],
            self.factor,
            ("q/max", "q/bias_relative"),
            since=int(high.steps[0]),
        )
