"""Rewards and observations on a scale that networks do not cope with."""

from __future__ import annotations

from dataclasses import dataclass

from sb3_ac_ext.monitoring.detectors.base import Detector, fresh, require
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Finding, Severity


@dataclass(frozen=True)
class ObservationScale(Detector):
    """Observations, as the networks receive them, far from unit scale.

    The 99th percentile of magnitude above ``largest``, or the scales of two dimensions further
    apart than ``ratio``, in each of the last ``needed`` snapshots. Only large observations are
    warned of: small ones slow learning, large ones saturate. Where they were below a tenth of it
    at first, the policy has driven them there: only noted.

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
        grown = history.series(name).values[0] < 0.1 * bound
        severity = Severity.INFO if grown else Severity.WARNING
        return self.finding(history, severity, text, value, bound, (name,), since=since)
