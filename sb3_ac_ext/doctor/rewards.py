"""Checks of what a random policy was paid."""

from __future__ import annotations

import numpy as np

from sb3_ac_ext.doctor.exploration import Experience
from sb3_ac_ext.doctor.records import Check, Status

_LARGE, _HUGE = 100.0, 10_000.0
_SMALL, _TINY = 1e-2, 1e-4
_OUTLYING = 100.0


def finite(experience: Experience) -> Check:
    """NaN or infinity in a reward.

    :param experience: of a random policy
    """
    name = "finite rewards"
    bad = ~np.isfinite(experience.rewards)
    if not bad.any():
        return Check(name, Status.OK, f"all of {len(bad):,} rewards")
    message = f"{int(bad.sum()):,} of {len(bad):,} are not finite"
    return Check(
        name, Status.FAIL, message, "find the division or overflow; VecCheckNan stops at it"
    )


def constant(experience: Experience) -> Check:
    """A reward that is always the same teaches only through the lengths of episodes.

    :param experience: of a random policy
    """
    name = "reward varies"
    rewards = experience.rewards
    if np.ptp(rewards) > 0.0 or not np.isfinite(rewards).all():
        message = f"{len(np.unique(rewards)):,} different rewards in {len(rewards):,} steps"
        return Check(name, Status.OK, message)
    value, lengths = float(rewards[0]), experience.lengths
    message = f"every one of {len(rewards):,} steps pays {value:g}"
    if value == 0.0:
        remedy = "a sparse task needs exploration or shaping; any other is not paying its rewards"
        return Check(name, Status.WARNING, message, remedy)
    if any(e.terminated for e in experience.ended) and len(set(lengths)) > 1:
        return Check(name, Status.OK, f"{message}: the return is the episode's length")
    if value < 0.0:
        message = f"{message}, and no episode reached a goal: a cost per step until the goal"
        return Check(name, Status.NOTE, message, "expect that exploration takes long")
    message = f"{message}, whatever the agent does: {len(lengths)} episodes ended, none early"
    return Check(name, Status.WARNING, message, "let the reward depend on what the agent does")


def scale(experience: Experience, gamma: float, normalized: str = "") -> Check:
    """Value networks learn targets of order 1 fastest.

    :param experience: of a random policy
    :param gamma: discount factor
    :param normalized: by what rewards are normalised before the agent sees them, if at all
    """
    name = "reward scale"
    if not np.isfinite(experience.rewards).all() or not experience.rewards.any():
        return Check(name, Status.SKIPPED, "rewards are all zero, or not finite")
    returns = np.concatenate([_discounted(e.rewards, gamma) for e in experience.episodes])
    size = float(np.quantile(np.abs(returns), 0.99))
    message = (
        f"discounted returns up to {size:.3g} (gamma {gamma:g}), rewards from "
        f"{experience.rewards.min():.3g} to {experience.rewards.max():.3g}"
    )
    if normalized:
        return Check(name, Status.OK, f"{message}; normalised by {normalized}")
    if _SMALL <= size <= _LARGE:
        return Check(name, Status.OK, message)
    grave = not _TINY <= size <= _HUGE
    remedy = "scale rewards, or VecNormalize(env, norm_reward=True), in YAML normalize: true"
    return Check(name, Status.WARNING if grave else Status.NOTE, message, remedy)


def outliers(experience: Experience) -> Check:
    """A rare reward far beyond all others dominates the value loss whenever it comes.

    A reward at a termination is left out: it is the outcome of the task.

    :param experience: of a random policy
    """
    name = "reward outliers"
    parts = [e.rewards[: e.length - 1] if e.terminated else e.rewards for e in experience.episodes]
    rewards = np.concatenate(parts)
    rewards = rewards[np.isfinite(rewards)]
    distances = np.abs(rewards - np.median(rewards)) if len(rewards) else np.zeros(1)
    usual = float(np.quantile(distances, 0.99))
    if len(rewards):
        usual = max(usual, float(np.median(np.abs(rewards))))
    if usual == 0.0:
        return Check(name, Status.OK, f"{int((rewards != 0).sum()):,} of {len(rewards):,} pay")
    ratio = float(distances.max()) / usual
    message = f"the farthest of {len(rewards):,} is {ratio:.3g} times as far out as 99 % of them"
    if ratio <= _OUTLYING:
        return Check(name, Status.OK, message)
    extreme = float(rewards[np.argmax(distances)])
    remedy = "find where it comes from; clip rewards if it is meant"
    return Check(name, Status.WARNING, f"{message}: {extreme:g}", remedy)


def _discounted(rewards: np.ndarray, gamma: float) -> np.ndarray:
    returns = np.zeros(len(rewards))
    following = 0.0
    for step in range(len(rewards) - 1, -1, -1):
        following = rewards[step] + gamma * following
        returns[step] = following
    return returns
