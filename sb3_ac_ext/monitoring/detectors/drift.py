"""The environment does not stay what it was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sb3_ac_ext.monitoring.detectors.base import Detector, fresh, require
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Finding, Severity


@dataclass(frozen=True)
class EnvironmentShift(Detector):
    """The environment is no longer the one that training began in.

    Three signs that no policy has a say in: the newest resets return observations ``shift``
    standard deviations from the first ones; what resets return tells when they took place, at
    ``alpha``, twice running; or the effect of actions on observations has turned round once and
    stayed so: its cosine with the snapshot before was below ``turned`` once, and above
    ``steady`` in the ``needed`` snapshots before and since.

    :param shift: in standard deviations, positive
    :param alpha: p-value, in (0, 1)
    :param turned: cosine, in [-1, 0]
    :param steady: cosine, in (0, 1]
    :param needed: earlier snapshots, at least 1
    :raises ValueError: for values out of range
    """

    shift: float = 2.0
    alpha: float = 1e-4
    turned: float = -0.5
    steady: float = 0.7
    needed: int = 3

    name = "environment_shift"
    causes = {"environment_drift": 0.95}  # noqa: RUF012
    advice = "see what changed in the environment at this step: versions, wrappers, parameters"

    def __post_init__(self) -> None:
        require(self.shift > 0.0, "shift", self.shift, "a positive number")
        require(0.0 < self.alpha < 1.0, "alpha", self.alpha, "a p-value in (0, 1)")
        require(-1.0 <= self.turned <= 0.0, "turned", self.turned, "a cosine in [-1, 0]")
        require(0.0 < self.steady <= 1.0, "steady", self.steady, "a cosine in (0, 1]")
        require(self.needed >= 1, "needed", self.needed, "at least 1")

    def check(self, history: History) -> Finding | None:
        return self._resets(history) or self._trend(history) or self._effects(history)

    def _resets(self, history: History) -> Finding | None:
        series = history.series("probe/reset_shift", last=2)
        if not fresh(history, "probe/reset_shift") or len(series) < 2:
            return None
        if (series.values < self.shift).any():
            return None
        return self.finding(
            history,
            Severity.WARNING,
            f"episodes begin {series.values[-1]:.1f} standard deviations from where they began at "
            "first",
            series.values[-1],
            self.shift,
            ("probe/reset_shift",),
            since=int(series.steps[0]),
        )

    def _trend(self, history: History) -> Finding | None:
        series = history.series("probe/reset_trend_p", last=2)
        if not fresh(history, "probe/reset_trend_p") or len(series) < 2:
            return None
        if (series.values > self.alpha).any():
            return None
        return self.finding(
            history,
            Severity.WARNING,
            "first observations of episodes tell when the episode began (p "
            f"{series.values[-1]:.1g}): they drift",
            series.values[-1],
            self.alpha,
            ("probe/reset_trend_p",),
            since=int(series.steps[0]),
        )

    def _effects(self, history: History) -> Finding | None:
        series = history.series("probe/action_effect")
        if not fresh(history, "probe/action_effect") or len(series) <= self.needed + 1:
            return None
        before, turn, now = series.values[:-2], series.values[-2], series.values[-1]
        if turn > self.turned or now < self.steady or before.min() < self.turned:
            return None
        if before[-self.needed :].min() < self.steady:
            return None
        return self.finding(
            history,
            Severity.WARNING,
            f"actions have come to do the opposite (cosine {turn:.2f} with their effect before)",
            turn,
            self.turned,
            ("probe/action_effect",),
            since=int(series.steps[-3]),
        )


@dataclass(frozen=True)
class WaveringActions(Detector):
    """Actions do now this and now the opposite.

    The cosine of their effects with those of the snapshot before was below ``turned`` at least
    twice, and above ``steady`` on the median. Its least in healthy runs is -0.47.

    :param turned: cosine, in [-1, 0)
    :param steady: cosine, in (0, 1)
    """

    turned: float = -0.7
    steady: float = 0.9

    name = "wavering_actions"
    causes = {"action_path": 0.95, "environment_drift": 0.3}  # noqa: RUF012
    advice = "follow the action through the wrappers: what do they change from episode to episode?"

    def __post_init__(self) -> None:
        require(-1.0 <= self.turned < 0.0, "turned", self.turned, "a cosine in [-1, 0)")
        require(0.0 < self.steady < 1.0, "steady", self.steady, "a cosine in (0, 1)")

    def check(self, history: History) -> Finding | None:
        series = history.series("probe/action_effect")
        turns = series.values < self.turned
        if not fresh(history, "probe/action_effect") or turns.sum() < 2:
            return None
        if np.median(series.values) < self.steady:
            return None
        return self.finding(
            history,
            Severity.WARNING,
            f"actions have come to do the opposite {turns.sum()} times (cosine "
            f"{series.values.min():.2f} with their effect before)",
            float(series.values.min()),
            self.turned,
            ("probe/action_effect",),
            since=int(series.steps[turns][0]),
        )
