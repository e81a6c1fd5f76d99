"""What every cause is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cause:
    """One thing that can be wrong with a run.

    What supports a cause stands with the detectors, each of which names causes with weights.

    :param certainty: how directly its evidence shows it: 1 a trend or a setting, 2 a comparison
        or a bound, 3 exact
    :param explains: causes that this one, when found, makes a mere consequence
    :param against: observations of :mod:`sb3_ac_ext.monitoring.contrary` that speak against it
    """

    title: str
    remedy: str
    certainty: int = 1
    explains: tuple[str, ...] = ()
    against: tuple[str, ...] = ()


DYNAMICS = (
    "reward_scale",
    "learning_rate_too_high",
    "learning_rate_too_low",
    "critic_not_learning",
    "policy_collapse",
    "reward_outliers",
    "q_overestimation",
    "too_many_epochs",
    "entropy_bonus_too_low",
    "entropy_bonus_too_high",
    "exploration_too_low",
    "exploration_masks_policy",
    "deterministic_mode_collapse",
    "no_learning_signal",
    "hard_task",
    "network_saturated",
)
"""What goes wrong downstream of any broken part."""
