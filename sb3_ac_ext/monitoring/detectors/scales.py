"""Rewards and observations on a scale that networks do not cope with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sb3_ac_ext.monitoring.detectors.base import Detector, fresh, require
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Finding, Severity

_LEAST_UPDATES = 100.0


@dataclass(frozen=True)
class ObservationScale(Detector):
    """Observations, as the networks receive them, far from unit scale.

    The 99th percentile of magnitude above ``largest``, or the scales of two dimensions further
    apart than ``ratio``, in each of the last ``needed`` snapshots. Only large observations are
    warned of: small ones slow learning, large ones saturate.

    :param largest: magnitude, positive
    :param ratio: of standard deviations, above 1
    :param needed: snapshots running, at least 1
    :raises ValueError: for values out of range
    """

    largest: float = 100.0
    ratio: float = 3000.0
    needed: int = 3

    name = "observation_scale"
    causes = {"observation_scale": 0.8}  # noqa: RUF012
    advice = "VecNormalize(env, norm_obs=True)"

    def __post_init__(self) -> None:
        require(self.largest > 0.0, "largest", self.largest, "a positive number")
        require(self.ratio > 1.0, "ratio", self.ratio, "more than 1")
        require(self.needed >= 1, "needed", self.needed, "at least 1")

    def check(self, history: History) -> Finding | None:
        sizes = history.series("observations/p99_abs", last=self.needed)
        if fresh(history, "observations/p99_abs") and len(sizes) == self.needed:
            if (sizes.values > self.largest).all():
                text = f"one in a hundred observation entries is beyond {sizes.values[-1]:.3g}"
                name = "observations/p99_abs"
                return self._found(history, text, sizes.values[-1], self.largest, name)
            ratios = history.series("observations/scale_ratio", last=self.needed)
            large = (sizes.values > 0.1 * self.largest).all()
            if len(ratios) == self.needed and large and (ratios.values > self.ratio).all():
                text = f"one observation entry spreads {ratios.values[-1]:.3g} times another"
                name = "observations/scale_ratio"
                return self._found(history, text, ratios.values[-1], self.ratio, name)
        return None

    def _found(self, history: History, text: str, value: float, bound: float, name: str) -> Finding:
        since = int(history.series(name, last=self.needed).steps[0])
        return self.finding(history, Severity.WARNING, text, value, bound, (name,), since=since)


@dataclass(frozen=True)
class CriticReach(Detector):
    """The critic's values do not reach the returns: they are too large for its learning rate.

    The mean value is below ``reach`` of the mean return in each of the last ``needed`` snapshots
    after ``after`` of the budget, while returns are clearly away from zero (twice their standard
    deviation, or explained variance below ``explained``).

    :param reach: share, in (0, 1)
    :param after: share of the budget, in [0, 1)
    :param needed: snapshots running, at least 1
    :raises ValueError: for values out of range
    """

    reach: float = 0.2
    after: float = 0.3
    needed: int = 4

    name = "critic_reach"
    causes = {"reward_scale": 0.75, "critic_not_learning": 0.4, "value_coefficient": 0.3}  # noqa: RUF012
    advice = "VecNormalize(norm_reward=True), or rewards of the order of 1"

    def __post_init__(self) -> None:
        require(0.0 < self.reach < 1.0, "reach", self.reach, "a share in (0, 1)")
        require(0.0 <= self.after < 1.0, "after", self.after, "a share in [0, 1)")
        require(self.needed >= 1, "needed", self.needed, "at least 1")

    def check(self, history: History) -> Finding | None:
        progress = history.progress
        series = history.series("value/reach", last=self.needed)
        if progress is None or progress < self.after or not fresh(history, "value/reach"):
            return None
        if len(series) < self.needed or (series.values >= self.reach).any():
            return None
        if history.last is None or history.last.values.get("probe/updates", 0.0) < _LEAST_UPDATES:
            return None
        centre = np.abs(history.series("returns/mean", last=self.needed).values)
        spread = history.series("returns/std", last=self.needed).values
        if len(centre) != len(spread) or (centre < spread).any():
            return None
        return self.finding(
            history,
            Severity.WARNING,
            f"the critic's values are {series.values[-1]:.1%} of the returns it should predict",
            series.values[-1],
            self.reach,
            ("value/reach", "returns/mean"),
            since=int(series.steps[0]),
        )
