"""How the environment answers: late, or no longer as before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sb3_ac_ext.monitoring.detectors.base import Detector, fresh, require
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Finding, Severity


def _uniform(history: History) -> bool:
    """Whether the actions taken hardly vary, so that nothing can depend on them."""
    values = history.last.values if history.last else {}
    return values.get("actions/std", 1.0) < 0.1 or values.get("actions/entropy", 1.0) < 0.1


def _follow(history: History) -> bool:
    """Whether actions follow from the observation, as without exploration or within one draw of
    gSDE's noise: what they do cannot be told from what the observation does."""
    free = history.series("probe/action_freedom").values
    return bool(len(free)) and float(np.median(free)) < 0.1


def _rough(history: History) -> bool:
    rough = history.series("observations/roughness").values
    return bool(len(rough)) and float(np.median(rough)) > 0.8


@dataclass(frozen=True)
class LateAction(Detector):
    """The action of the step before explains as much of the next observation as the present one.

    Medians over all of at least ``needed`` snapshots: the earlier action adds at least ``gain`` to
    R2, and at least ``share`` times what the present one adds: a model of a curved world
    credits it with as much at times. All three must explain at least ``explained`` of the change.
    Nothing is said where actions hardly vary, or follow from the observation. Where the present one
    adds nothing, actions act late or observations are one step old; where both add, actions are
    held or repeated.

    :param gain: in R2, in (0, 1)
    :param share: times the present action's gain, positive
    :param explained: R2, in (0, 1)
    :param needed: snapshots, at least 1
    :raises ValueError: for values out of range
    """

    gain: float = 0.02
    share: float = 2.0
    explained: float = 0.5
    needed: int = 6

    name = "late_action"
    causes = {"action_path": 0.85, "observation_stale": 0.4}  # noqa: RUF012
    advice = "apply the action of this step in this step, and return what it did"

    def __post_init__(self) -> None:
        require(0.0 < self.gain < 1.0, "gain", self.gain, "a share in (0, 1)")
        require(self.share > 0.0, "share", self.share, "a positive number")
        require(0.0 < self.explained < 1.0, "explained", self.explained, "a share in (0, 1)")
        require(self.needed >= 1, "needed", self.needed, "at least 1")

    def check(self, history: History) -> Finding | None:
        late = history.series("probe/late_action_gain")
        now = history.series("probe/action_gain")
        if not fresh(history, "probe/action_gain") or len(late) < self.needed:
            return None
        if _uniform(history) or _follow(history):
            return None
        before, present = float(np.median(late.values)), float(np.median(now.values))
        if before < self.gain or before < self.share * present:
            return None
        if np.median(history.series("probe/transition_r2").values) < self.explained:
            return None
        return self.finding(
            history,
            Severity.WARNING,
            f"the action of the step before explains the next observation (R2 +{before:.3f}), "
            f"the present one little (+{max(present, 0.0):.3f})",
            before,
            self.gain,
            ("probe/late_action_gain", "probe/action_gain"),
            since=int(late.steps[0]),
        )


@dataclass(frozen=True)
class DeadAction(Detector):
    """No action explains anything of the next observation, over the whole run so far.

    The median of ``probe/action_gain`` and of the earlier action's, over at least ``needed``
    snapshots, is below ``gain``, although a linear model explains some of the rest. Environments
    whose observations answer only steps later look the same: worth a look, no proof. Nothing is
    said where actions hardly vary or follow from the observation, or where observations jump like
    noise, which hides what actions do, or where those of the bare environment were compared and do
    as much.

    :param gain: in R2, in (0, 1)
    :param needed: snapshots, at least 3
    :raises ValueError: for values out of range
    """

    gain: float = 2e-4
    needed: int = 6

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
        if _uniform(history) or _follow(history) or _rough(history):
            return None
        if (history.series("parity/action_effect", last=1).values > 0.5).any():
            return None
        explained = float(np.median(history.series("probe/transition_r2").values))
        if max(np.median(now), np.median(late)) > self.gain or explained < 0.05:
            return None
        return self.finding(
            history,
            Severity.WARNING,
            f"actions explain nothing of the next observation (R2 +{max(np.median(now), 0.0):.1g}) "
            f"in {len(now)} snapshots",
            float(np.median(now)),
            self.gain,
            ("probe/action_gain", "probe/late_action_gain", "probe/transition_r2"),
            since=0,
        )


@dataclass(frozen=True)
class NoisyObservations(Detector):
    """Observations jump like white noise, though those of the bare environment do not.

    Medians over at least ``needed`` snapshots: von Neumann ratio above ``rough`` (2 for white
    noise), and a model of observation and action explains less than ``explained`` of the change
    (half of it for white noise, which returns to its mean). A pole that is balanced jumps as much,
    but its jumps follow from the actions. Worlds of independent draws, and grids, look like that by
    nature: where the bare environment is not twice as smooth, or not known, it is only noted.

    :param rough: von Neumann ratio, positive
    :param explained: R2, in (0, 1)
    :param needed: snapshots, at least 3
    :raises ValueError: for values out of range
    """

    rough: float = 0.8
    explained: float = 0.6
    needed: int = 6

    name = "noisy_observations"
    causes = {"observation_noise": 0.85}  # noqa: RUF012
    advice = "look at consecutive observations of one episode: lost frames, noise, units"

    def __post_init__(self) -> None:
        require(self.rough > 0.0, "rough", self.rough, "a positive number")
        require(0.0 < self.explained < 1.0, "explained", self.explained, "a share in (0, 1)")
        require(self.needed >= 3, "needed", self.needed, "at least 3")

    def check(self, history: History) -> Finding | None:
        rough = history.series("observations/roughness").values
        explained = history.series("probe/transition_r2").values
        if (
            not fresh(history, "probe/transition_r2")
            or min(map(len, (rough, explained))) < self.needed
        ):
            return None
        if np.median(rough) <= self.rough or np.median(explained) >= self.explained:
            return None
        bare = history.series("parity/bare_roughness", last=1).values
        added = bool((2.0 * bare < np.median(rough)).any())
        return self.finding(
            history,
            Severity.WARNING if added else Severity.INFO,
            f"observations jump like noise (von Neumann ratio {np.median(rough):.2g}), and "
            f"observation and action explain only {np.median(explained):.0%} of the jumps",
            float(np.median(rough)),
            self.rough,
            ("observations/roughness", "probe/transition_r2"),
            since=0,
        )


@dataclass(frozen=True)
class LateReward(Detector):
    """Rewards are explained by an earlier step better than by the one that they came with.

    Medians over at least ``needed`` snapshots: the best of the 8 steps before explains at least
    ``explained`` of the variance of rewards, and ``margin`` more than their own step.

    :param margin: in R2, in (0, 1)
    :param explained: R2, in (0, 1)
    :param needed: snapshots, at least 1
    :raises ValueError: for values out of range
    """

    margin: float = 0.05
    explained: float = 0.2
    needed: int = 6

    name = "late_reward"
    causes = {"reward_delay": 0.9}  # noqa: RUF012
    advice = "return the reward of the action that was just taken"

    def __post_init__(self) -> None:
        require(0.0 < self.margin < 1.0, "margin", self.margin, "a share in (0, 1)")
        require(0.0 < self.explained < 1.0, "explained", self.explained, "a share in (0, 1)")
        require(self.needed >= 1, "needed", self.needed, "at least 1")

    def check(self, history: History) -> Finding | None:
        late = history.series("probe/late_reward_r2", last=12)
        now = history.series("probe/reward_r2", last=12)
        if not fresh(history, "probe/late_reward_r2") or len(late) < self.needed:
            return None
        gap = float(np.median(late.values - now.values))
        if not gap >= self.margin or not np.median(late.values) >= self.explained:
            return None
        return self.finding(
            history,
            Severity.WARNING,
            f"an earlier step explains {np.median(late.values):.0%} of the rewards, their own "
            f"{max(0.0, float(np.median(now.values))):.0%}",
            gap,
            self.margin,
            ("probe/late_reward_r2", "probe/reward_r2"),
            since=int(late.steps[0]),
        )
