"""Networks whose units say nothing any more."""

from __future__ import annotations

from dataclasses import dataclass

from sb3_ac_ext.monitoring.detectors.base import Detector, fresh, require
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Finding, Severity

_KINDS = (("weights/dormant_share", "dead"), ("weights/saturated_share", "saturated"))


@dataclass(frozen=True)
class NetworkState(Detector):
    """Most units of the policy network are dead, or at the bounds of their activation.

    In each of the last ``needed`` snapshots, over 256 observed states. A saturated unit passes no
    gradient, a dead one no information.

    :param dead: share of units, in (0, 1)
    :param saturated: share of outputs, in (0, 1)
    :param needed: snapshots running, at least 1
    :raises ValueError: for values out of range
    """

    dead: float = 0.9
    saturated: float = 0.75
    needed: int = 2

    name = "network_state"
    causes = {"network_saturated": 0.85, "observation_scale": 0.2}  # noqa: RUF012
    advice = "normalise observations (VecNormalize), keep SB3's initialisation, lower learning_rate"

    def __post_init__(self) -> None:
        require(0.0 < self.dead < 1.0, "dead", self.dead, "a share in (0, 1)")
        require(0.0 < self.saturated < 1.0, "saturated", self.saturated, "a share in (0, 1)")
        require(self.needed >= 1, "needed", self.needed, "at least 1")

    def check(self, history: History) -> Finding | None:
        for (name, word), bound in zip(_KINDS, (self.dead, self.saturated), strict=True):
            series = history.series(name, last=self.needed)
            if not fresh(history, name) or len(series) < self.needed:
                continue
            if (series.values >= bound).all():
                return self.finding(
                    history,
                    Severity.WARNING,
                    f"{series.values[-1]:.0%} of the policy network's units are {word}",
                    series.values[-1],
                    bound,
                    (name,),
                    since=int(series.steps[0]),
                )
        return None
