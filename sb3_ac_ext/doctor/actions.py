"""Checks of what actions do: the same start is played again with other actions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from scipy.stats import norm

from sb3_ac_ext.doctor.deadline import Deadline
from sb3_ac_ext.doctor.records import Check, Status
from sb3_ac_ext.doctor.replays import Play, Replays

_MUCH_CLIPPED, _MOST_CLIPPED = 0.5, 0.8
_LITTLE_USED, _LEAST_USED = 0.2, 0.05


def effect(replays: Replays, deadline: Deadline) -> Check:
    """Whether an action shows in what follows, and how soon.

    :param replays: of a deterministic environment
    :param deadline: when to stop
    """
    name = "actions matter"
    space = replays.env.action_space
    pairs = [
        pair for one, other in _contrasts(space) for pair in replays.pairs(one, other, deadline)
    ]
    if not pairs:
        return Check(name, Status.SKIPPED, "no state could be reached twice in the time")
    differing = [pair for pair in pairs if pair[0].differs(pair[1])]
    message = f"{len(differing)} of {len(pairs)} pairs of unlike actions lead to unlike steps"
    if not differing:
        message = f"{message}: neither observation nor reward depends on the action"
        return Check(name, Status.FAIL, message, "apply the action in step()")
    delays = [delay for one, other in pairs if (delay := one.delay(other)) is not None]
    if delays and min(delays) > 0:
        message = f"{message}, but observations show it only {min(delays)} later"
        remedy = "a delay hides causes: observe the present state, or stack observations"
        return Check(name, Status.NOTE, message, remedy)
    return Check(name, Status.OK, message)


def unused(replays: Replays, deadline: Deadline) -> Check:
    """Dimensions of a continuous action that change nothing, and bounds that are not reached.

    :param replays: of a deterministic environment
    :param deadline: when to stop
    """
    name = "action bounds used"
    space = replays.env.action_space
    if not isinstance(space, spaces.Box) or not space.is_bounded():
        return Check(name, Status.SKIPPED, "actions are not continuous, or have no bounds")
    middle = (space.low + space.high) / 2.0
    dead, flat = [], []
    for index in np.ndindex(space.shape):
        low, high = (_replaced(middle, index, bound[index]) for bound in (space.low, space.high))
        if not _any_differ(replays.pairs(low, high, deadline)):
            dead.append(index)
        elif not any(
            _any_differ(replays.pairs(end, (middle + end) / 2.0, deadline)) for end in (low, high)
        ):
            flat.append(index)
        if deadline.over():
            return Check(name, Status.SKIPPED, "the time is up")
    if dead:
        message = f"dimension {_listed(dead)} of the action changes nothing"
        return Check(name, Status.WARNING, message, "leave it out, or apply it in step()")
    if flat:
        message = f"dimension {_listed(flat)} does the same at half its bounds as at its bounds"
        remedy = "set the bounds of the space to what the environment uses"
        return Check(name, Status.NOTE, message, remedy)
    message = f"all of {int(np.prod(space.shape))} dimensions act differently at bounds and halfway"
    return Check(name, Status.OK, message)


def alike(replays: Replays, deadline: Deadline) -> Check:
    """Discrete actions that always do the same.

    :param replays: of a deterministic environment
    :param deadline: when to stop
    """
    name = "actions differ"
    space = replays.env.action_space
    if not isinstance(space, spaces.Discrete) or space.n > 20:
        return Check(name, Status.SKIPPED, "actions are not discrete, or very many")
    actions = range(int(space.start), int(space.start + space.n))
    same = [
        (one, other)
        for one in actions
        for other in actions
        if one < other and not _any_differ(replays.pairs(one, other, deadline))
    ]
    if deadline.over():
        return Check(name, Status.SKIPPED, "the time is up")
    if not same:
        return Check(name, Status.OK, f"no two of {space.n} actions always do the same")
    message = f"{len(same)} pairs of actions did the same in all states tried, {same[0]} first"
    return Check(name, Status.NOTE, message, "leave out actions that do nothing of their own")


def bounds(space: spaces.Space[Any], rescaled: bool | None) -> Check:
    """Whether actions near 0 with deviation 1, where policies begin, fit the space.

    :param space: action space
    :param rescaled: whether the algorithm scales actions to the bounds itself, ``None`` if unknown
    """
    name = "action space"
    if not isinstance(space, spaces.Box):
        return Check(name, Status.OK, str(space))
    text = f"Box from {space.low.min():.3g} to {space.high.max():.3g}, shape {space.shape}"
    remedy = "gymnasium.wrappers.RescaleAction(env, -1, 1)"
    if not space.is_bounded():
        message = f"{text} has infinite bounds"
        return Check(name, Status.WARNING, message, "declare finite bounds; SAC and TD3 need them")
    if rescaled:
        return Check(name, Status.OK, f"{text}, to which the algorithm scales its actions")
    clipped = float(np.max(norm.cdf(space.low) + norm.sf(space.high)))
    used = float(np.min(2.0 * 1.96 / (space.high - space.low)))
    message = f"{text}: a new Gaussian policy is clipped in {clipped:.0%} of its actions"
    if used < 1.0:
        message = f"{message} and uses {used:.0%} of the range"
    if clipped <= _MUCH_CLIPPED and used >= _LITTLE_USED:
        return Check(name, Status.OK, message)
    grave = rescaled is False and (clipped > _MOST_CLIPPED or used < _LEAST_USED)
    return Check(name, Status.WARNING if grave else Status.NOTE, message, remedy)


def _contrasts(space: spaces.Space[Any]) -> Sequence[tuple[Any, Any]]:
    """Pairs of actions as unlike as can be."""
    if isinstance(space, spaces.Box) and space.is_bounded():
        return [(space.low, space.high), ((space.low + space.high) / 2.0, space.high)]
    if isinstance(space, spaces.Discrete):
        first, last = int(space.start), int(space.start + space.n) - 1
        return [(first, other) for other in range(last, max(first, last - 3), -1)]
    return [(space.sample(), space.sample()) for _ in range(3)]


def _replaced(action: np.ndarray, index: tuple[int, ...], value: float) -> np.ndarray:
    changed: np.ndarray = action.copy()
    changed[index] = value
    return changed


def _any_differ(pairs: list[tuple[Play, Play]]) -> bool:
    return any(one.differs(other) for one, other in pairs)


def _listed(indices: Sequence[tuple[int, ...]]) -> str:
    return ", ".join(str(index[0]) if len(index) == 1 else str(index) for index in indices)
