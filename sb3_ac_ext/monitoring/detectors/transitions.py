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


@dataclass(frozen=True)
class LateAction(Detector):
    """The action of the step before explains as much of the next observation as the present one.

    Medians over all of at least ``needed`` snapshots: the earlier action adds at least ``gain`` to
    R2, and at least ``share`` of what the present one adds. Nothing is said where actions hardly
    vary. Where the present one adds nothing, actions act
    late or observations are one step old; where both add, actions are held or repeated.

    :param gain: in R2, in (0, 1)
    :param share: of the present action's gain, positive
    :param needed: snapshots, at least 1
    :raises ValueError: for values out of range
    """

    gain: float = 0.005
    share: float = 1.0
    needed: int = 6

    name = "late_action"
    causes = {"action_path": 0.85, "observation_stale": 0.4}  # noqa: RUF012
    advice = "apply the action of this step in this step, and return what it did"

    def __post_init__(self) -> None:
        require(0.0 < self.gain < 1.0, "gain", self.gain, "a share in (0, 1)")
        require(self.share > 0.0, "share", self.share, "a positive number")
        require(self.needed >= 1, "needed", self.needed, "at least 1")

    def check(self, history: History) -> Finding | None:
        late = history.series("probe/late_action_gain")
        now = history.series("probe/action_gain")
        if not fresh(history, "probe/action_gain") or len(late) < self.needed:
            return None
        if _uniform(history):
            return None
        before, present = float(np.median(late.values)), float(np.median(now.values))
        if before < self.gain or before < self.share * present:
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
    snapshots, is below ``gain``, although a linear model explains some of the rest. Where
    observations are as rough as white noise (von Neumann ratio above ``rough``), noise hides the
    effect; where they are smooth, the action does not arrive. Environments whose observations
    answer only steps later look the same: worth a look, no proof.

    :param gain: in R2, in (0, 1)
    :param rough: von Neumann ratio, positive
    :param needed: snapshots, at least 3
    :raises ValueError: for values out of range
    """

    gain: float = 2e-3
    rough: float = 1.0
    needed: int = 6

    name = "dead_action"
    causes = {"action_path": 0.8, "observation_noise": 0.8}  # noqa: RUF012
    advice = "see whether the action that the policy chose reaches the simulator"

    def __post_init__(self) -> None:
        require(0.0 < self.gain < 1.0, "gain", self.gain, "a share in (0, 1)")
        require(self.rough > 0.0, "rough", self.rough, "a positive number")
        require(self.needed >= 3, "needed", self.needed, "at least 3")

    def check(self, history: History) -> Finding | None:
        now = history.series("probe/action_gain").values
        late = history.series("probe/late_action_gain").values
        if not fresh(history, "probe/action_gain") or len(now) < self.needed:
            return None
        if _uniform(history):
            return None
        explained = float(np.median(history.series("probe/transition_r2").values))
        rough = history.series("observations/roughness").values
        noisy = len(rough) > 0 and float(np.median(rough)) > self.rough
        bound = self.gain if noisy else 0.1 * self.gain
        if max(np.median(now), np.median(late)) > bound or explained < 0.05:
            return None
        cause = {"observation_noise": 0.85} if noisy else {"action_path": 0.8}
        return self.finding(
            history,
            Severity.WARNING,
            f"actions explain nothing of the next observation (R2 +{max(np.median(now), 0.0):.1g}) "
            f"in {len(now)} snapshots"
            + (f", which jumps like noise ({np.median(rough):.1f})" if noisy else ""),
            float(np.median(now)),
            self.gain,
            ("probe/action_gain", "probe/late_action_gain", "probe/transition_r2"),
            since=0,
            causes=cause,
        )


@dataclass(frozen=True)
class EnvironmentShift(Detector):
    """The environment is no longer the one that training began in.

    Two signs that no policy has a say in: the newest resets return observations ``shift`` standard
    deviations from the first ones; or the effect of actions on observations has turned round, its
    cosine with the snapshot before below ``turned`` after at least ``needed`` above it.

    :param shift: in standard deviations, positive
    :param turned: cosine, in [-1, 0]
    :param needed: earlier snapshots, at least 1
    :raises ValueError: for values out of range
    """

    shift: float = 1.5
    turned: float = -0.5
    needed: int = 2

    name = "environment_shift"
    causes = {"environment_drift": 0.95}  # noqa: RUF012
    advice = "see what changed in the environment at this step: versions, wrappers, parameters"

    def __post_init__(self) -> None:
        require(self.shift > 0.0, "shift", self.shift, "a positive number")
        require(-1.0 <= self.turned <= 0.0, "turned", self.turned, "a cosine in [-1, 0]")
        require(self.needed >= 1, "needed", self.needed, "at least 1")

    def check(self, history: History) -> Finding | None:
        return self._resets(history) or self._effects(history)

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

    def _effects(self, history: History) -> Finding | None:
        series = history.series("probe/action_effect")
        if not fresh(history, "probe/action_effect") or len(series) <= self.needed:
            return None
        before, now = series.values[:-1], series.values[-1]
        if now > self.turned or (before < -self.turned).any():
            return None
        return self.finding(
            history,
            Severity.WARNING,
            f"actions have come to do the opposite (cosine {now:.2f} with their effect before)",
            now,
            self.turned,
            ("probe/action_effect",),
            since=int(series.steps[-2]),
        )


@dataclass(frozen=True)
class LateReward(Detector):
    """Rewards are explained by an earlier step better than by the one that they came with.

    Medians over at least ``needed`` snapshots: the best of the 8 steps before explains ``margin``
    more of the variance of rewards.

    :param margin: in R2, in (0, 1)
    :param needed: snapshots, at least 1
    :raises ValueError: for values out of range
    """

    margin: float = 0.05
    needed: int = 6

    name = "late_reward"
    causes = {"reward_delay": 0.9}  # noqa: RUF012
    advice = "return the reward of the action that was just taken"

    def __post_init__(self) -> None:
        require(0.0 < self.margin < 1.0, "margin", self.margin, "a share in (0, 1)")
        require(self.needed >= 1, "needed", self.needed, "at least 1")

    def check(self, history: History) -> Finding | None:
        late = history.series("probe/late_reward_r2", last=12)
        now = history.series("probe/reward_r2", last=12)
        if not fresh(history, "probe/late_reward_r2") or len(late) < self.needed:
            return None
        gap = float(np.median(late.values - now.values))
        if gap < self.margin:
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
