"""Observations that networks cannot learn from: on a scale too large, or dead."""

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


@dataclass(frozen=True)
class DeadObservations(Detector):
    """Entries of the observation never change, though they do in the registered environment.

    More entries are constant in every snapshot so far than rarely change under random actions in
    the bare environment of as many entries; or all are, whatever there is to compare with.

    :param needed: snapshots, at least 2
    :raises ValueError: for fewer
    """

    needed: int = 6

    name = "dead_observations"
    causes = {"observation_dead": 0.95}  # noqa: RUF012
    advice = "look at the observations of one episode: sensors, wrappers, what fills these entries"

    def __post_init__(self) -> None:
        require(self.needed >= 2, "needed", self.needed, "at least 2")

    def check(self, history: History) -> Finding | None:
        dead = history.series("observations/constant_dims")
        size = history.series("observations/dims", last=1).values
        if not fresh(history, "observations/constant_dims") or len(dead) < self.needed:
            return None
        least, everything = float(dead.values.min()), bool(dead.values.min() == size[0])
        bare = history.series("parity/bare_still_dims", last=1).values
        if not least or not (everything or (bare < least).any()):
            return None
        return self.finding(
            history,
            Severity.CRITICAL if everything else Severity.WARNING,
            f"{least:.0f} of {size[0]:.0f} observation entries have never changed"
            + (f"; {bare[0]:.0f} rarely do in the bare environment" if len(bare) else ""),
            least,
            float(bare[0]) if len(bare) else size[0],
            ("observations/constant_dims", "parity/bare_still_dims"),
            since=int(dead.steps[0]),
        )
