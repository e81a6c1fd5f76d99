"""How the environment answers: late, or no longer as before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sb3_ac_ext.monitoring.detectors.base import Detector, fresh, require
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Finding, Severity


@dataclass(frozen=True)
class LateAction(Detector):
    """The action of the step before explains the next observation, the present one does not.

    In each of the last ``needed`` snapshots the earlier action adds at least ``gain`` to R2 and the
    present one less than a tenth of that: actions act late, or observations are one step old.

    :param gain: in R2, in (0, 1)
    :param needed: snapshots, at least 1
    :raises ValueError: for values out of range
    """

    gain: float = 0.01
    needed: int = 3

    name = "late_action"
    causes = {"action_path": 0.85, "observation_stale": 0.5}  # noqa: RUF012
    advice = "apply the action of this step in this step, and return what it did"

    def __post_init__(self) -> None:
        require(0.0 < self.gain < 1.0, "gain", self.gain, "a share in (0, 1)")
        require(self.needed >= 1, "needed", self.needed, "at least 1")

    def check(self, history: History) -> Finding | None:
        late = history.series("probe/late_action_gain", last=self.needed)
        now = history.series("probe/action_gain", last=self.needed)
        if not fresh(history, "probe/action_gain") or len(late) < self.needed:
            return None
        if (late.values < self.gain).any() or (now.values > 0.1 * late.values).any():
            return None
        return self.finding(
            history,
            Severity.WARNING,
            f"the next observation depends on the action before (R2 +{late.values[-1]:.2f}) and "
            f"not on the present one (+{now.values[-1]:.3f})",
            late.values[-1],
            self.gain,
            ("probe/late_action_gain", "probe/action_gain"),
            since=int(late.steps[0]),
        )


@dataclass(frozen=True)
class DeadAction(Detector):
    """No action explains anything of the next observation, over the whole run so far.

    The median of ``probe/action_gain`` and of the earlier action's, over at least ``needed``
    snapshots, is below ``gain``, although a linear model explains some of the rest. Environments
    whose observations answer only steps later look the same: worth a look, no proof.

    :param gain: in R2, in (0, 1)
    :param needed: snapshots, at least 3
    :raises ValueError: for values out of range
    """

    gain: float = 2e-4
    needed: int = 8

    name = "dead_action"
    causes = {"action_path": 0.8}  # noqa: RUF012
    advice = "see whether the action that the policy chose reaches the simulator"

    def __post_init__(self) -> None:
        require(0.0 < self.gain < 1.0, "gain", self.gain, "a share in (0, 1)")
        require(self.needed >= 3, "needed", self.needed, "at least 3")

    def check(self, history: History) -> Finding | None:
        now = history.series("probe/action_gain").values
        late = history.series("probe/late_action_gain").values
        if not fresh(history, "probe/action_gain") or len(now) < self.needed:
            return None
        explained = float(np.median(history.series("probe/transition_r2").values))
        if max(np.median(now), np.median(late)) > self.gain or explained < 0.05:
            return None
        return self.finding(
            history,
            Severity.WARNING,
            f"actions explain nothing of the next observation (R2 +{np.median(now):.1g}) in "
            f"{len(now)} snapshots",
            float(np.median(now)),
            self.gain,
            ("probe/action_gain", "probe/late_action_gain", "probe/transition_r2"),
            since=0,
        )


@dataclass(frozen=True)
class TransitionShift(Detector):
    """The model of transitions that held until the last snapshot no longer holds.

    Its error on new steps in states that it knows is at least ``factor`` times a new model's, and
    ``apart`` times the largest such ratio seen before, of which there must be ``needed``.

    :param factor: above 1
    :param apart: above 1
    :param needed: earlier snapshots, at least 2
    :raises ValueError: for values out of range
    """

    factor: float = 5.0
    apart: float = 3.0
    needed: int = 3

    name = "transition_shift"
    causes = {"environment_drift": 0.9}  # noqa: RUF012
    advice = "see what changed in the environment at this step: versions, wrappers, parameters"

    def __post_init__(self) -> None:
        require(self.factor > 1.0, "factor", self.factor, "more than 1")
        require(self.apart > 1.0, "apart", self.apart, "more than 1")
        require(self.needed >= 2, "needed", self.needed, "at least 2")

    def check(self, history: History) -> Finding | None:
        series = history.series("probe/transition_shift")
        if not fresh(history, "probe/transition_shift") or len(series) <= self.needed:
            return None
        before, now = series.values[:-1], series.values[-1]
        if now < self.factor or now < self.apart * before.max():
            return None
        return self.finding(
            history,
            Severity.WARNING,
            f"transitions changed: the model of them that held before is {now:.3g} times as wrong "
            "as a new one",
            now,
            self.factor,
            ("probe/transition_shift", "episodes/return_mean"),
            since=int(series.steps[-2]),
        )
