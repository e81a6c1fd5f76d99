"""Training against evaluation, step by step: do both pay and show the same?"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from sb3_ac_ext.monitoring.effects import action_effects, agreement
from sb3_ac_ext.monitoring.functional import (
    compare_samples,
    largest_shift,
    largest_spread_ratio,
    ridge,
)
from sb3_ac_ext.monitoring.play import Play
from sb3_ac_ext.monitoring.transitions import executed
from sb3_ac_ext.monitoring.view import View

Floats = npt.NDArray[np.float64]
_LEAST, _LEAST_REWARDS = 50, 20
_LEAST_EPISODES, _LEAST_STARTS = 5, 8


@dataclass(frozen=True)
class Taken:
    """What the workers did in training, newest last.

    :param rewards: shape (T, n_envs), before any normaliser
    :param actions: shape (T, n_envs, ...)
    :param dones: shape (T, n_envs)
    """

    rewards: Floats
    actions: npt.NDArray[Any]
    dones: npt.NDArray[np.bool_]

    @classmethod
    def joined(cls, parts: Sequence[Taken]) -> Taken:
        """:param parts: at least one"""
        return cls(
            np.concatenate([part.rewards for part in parts]),
            np.concatenate([part.actions for part in parts]),
            np.concatenate([part.dones for part in parts]),
        )


def forget(parts: deque[Taken], steps: float) -> None:
    """Drop the oldest parts as long as the others hold so many steps."""
    held = sum(len(part.rewards) for part in parts)
    while len(parts) > 1 and held - len(parts[0].rewards) >= steps:
        held -= len(parts.popleft().rewards)


def parity(
    view: View, taken: Taken, played: Play, returns: Floats, lengths: Floats
) -> dict[str, float]:
    """The training environment over the evaluation environment, under nearly the same policy.

    Ratios of ``parity/reward_scale``: mean magnitudes of rewards, ``parity/reward_median``: median
    magnitudes, ``parity/reward_level``: means, ``parity/reward_std``: standard deviations,
    ``parity/reward_max``: largest magnitudes, training's without the last step of episodes, which
    a goal pays for. Rewards are those of before any normaliser.
    ``parity/return_sign``: how many standard errors the mean returns of both are away from zero,
    the smaller one; negative where they lie on different sides.
    ``parity/reward_transfer``: where actions and their squares explain at least half of training's
    rewards (their outermost percents aside), the error of that model on the evaluation's rewards,
    over the least error such a model can have there or in training: about 1 where only the actions
    differ, as with a cost of actions.
    ``parity/reward_zeros``: share of zero rewards, training minus evaluation;
    ``parity/first_reward_zeros``: the same of the first steps of episodes.
    ``parity/start_shift``: largest difference of the mean first observation of episodes, in
    standard deviations of the evaluation's; ``parity/start_spread``: ratio of their deviations,
    the one furthest from 1: no policy has a say in either.
    ``parity/action_agreement``: cosine of what actions do to observations in both, where they do
    something in both, and whole episodes are known of both; -1 where each does the opposite.
    ``parity/distinct_starts``: different first observations of the evaluation's workers.
    ``parity/length_ratio``, ``parity/length_p``: ratio of mean episode lengths, with a Mann-Whitney
    p-value. Quantities that cannot be compared are left out.

    :param view: this moment of training
    :param taken: in training, the newest episode and a half where so much is known
    :param played: the policy that trains, in the evaluation environment
    :param returns: of recent training episodes
    :param lengths: of the same
    """
    values: dict[str, float] = {"parity/distinct_starts": float(played.distinct_starts)}
    _rewards(taken.rewards.ravel(), played.rewards.ravel(), values, ~taken.dones.ravel())
    first = taken.rewards[1:][taken.dones[:-1]]
    if len(first) and len(played.rewards):
        zeros = np.mean(first == 0.0) - np.mean(played.rewards[0] == 0.0)
        values["parity/first_reward_zeros"] = float(zeros)
    if isinstance(view.model.action_space, spaces.Box):
        _by_action(taken, played, values)
    alike = _agreement(view, played, lengths)
    if alike is not None:
        values["parity/action_agreement"] = alike
    starts = view.window.boundaries.first_starts
    if played.starts is not None and min(len(starts), len(played.starts)) >= _LEAST_STARTS:
        values["parity/start_shift"] = largest_shift(played.starts, starts)
        values["parity/start_spread"] = largest_spread_ratio(starts, played.starts)
    if len(lengths) >= _LEAST_EPISODES:
        values["parity/length_ratio"] = float(lengths.mean() / played.lengths.mean())
        values["parity/length_p"] = compare_samples(lengths, played.lengths)[0]
        a, b = _errors_from_zero(returns), _errors_from_zero(played.returns)
        values["parity/return_sign"] = float(np.sign(a * b) * min(abs(a), abs(b)))
    return values


def _rewards(
    train: Floats, evaluated: Floats, values: dict[str, float], within: npt.NDArray[np.bool_]
) -> None:
    """:param within: shape of ``train``, whether the episode goes on after this step"""
    evaluated, within = evaluated[np.isfinite(evaluated)], within[np.isfinite(train)]
    train = train[np.isfinite(train)]
    if min(len(train), len(evaluated)) < _LEAST_REWARDS:
        return
    values["parity/reward_zeros"] = float(np.mean(train == 0.0) - np.mean(evaluated == 0.0))
    pairs = {
        "scale": (float(np.abs(train).mean()), float(np.abs(evaluated).mean())),
        "median": (float(np.median(np.abs(train))), float(np.median(np.abs(evaluated)))),
        "level": (float(train.mean()), float(evaluated.mean())),
        "std": (float(train.std()), float(evaluated.std())),
        "max": (float(np.abs(train[within]).max(initial=0.0)), float(np.abs(evaluated).max())),
    }
    for name, (a, b) in pairs.items():
        if b != 0.0:
            values[f"parity/reward_{name}"] = a / b


def _agreement(view: View, played: Play, lengths: Floats) -> float | None:
    """What actions do may depend on the part of an episode: whole ones must be there."""
    steps, other = view.transitions, played.transitions
    if steps is None or other is None or not len(lengths):
        return None
    if len(steps.inside) < lengths.mean() or len(other.inside) < min(
        played.lengths.mean(), len(played.rewards) - 1
    ):
        return None
    discrete = isinstance(view.model.action_space, spaces.Discrete)
    mine = action_effects(executed(view.model, steps), discrete)
    return agreement(mine, action_effects(other, discrete))


def _by_action(taken: Taken, played: Play, values: dict[str, float]) -> None:
    train = _action_terms(taken.actions, taken.rewards)
    evaluated = _action_terms(played.actions, played.rewards)
    if train is None or evaluated is None:
        return
    weights, error = _fitted(*train)
    spread = float(train[1].std())
    if error**2 < 0.5 * spread**2:
        inputs, paid = evaluated
        off = float(np.sqrt(np.mean((paid - inputs @ weights) ** 2)))
        least = min(error, _fitted(inputs, paid)[1])
        values["parity/reward_transfer"] = off / max(least, 1e-3 * spread)


def _fitted(inputs: Floats, rewards: Floats) -> tuple[Floats, float]:
    """Weights of a linear model, and the root of its mean squared error."""
    size = np.maximum(np.abs(inputs).max(axis=0), 1e-12)
    weights = ridge(inputs / size, rewards[:, None], 1e-12)[:, 0] / size
    return weights, float(np.sqrt(np.mean((rewards - inputs @ weights) ** 2)))


def _action_terms(actions: npt.NDArray[Any], rewards: Floats) -> tuple[Floats, Floats] | None:
    """Actions, their squares and a constant; rewards. Without the outermost percents of these."""
    if rewards.size < _LEAST:
        return None
    taken = actions.reshape(rewards.size, -1).astype(np.float64)
    paid = rewards.ravel()
    good = np.isfinite(paid) & np.isfinite(taken).all(axis=1)
    if good.sum() < _LEAST:
        return None
    low, high = np.percentile(paid[good], (1, 99))
    good &= (paid >= low) & (paid <= high)
    taken = taken[good]
    return np.column_stack([taken, taken**2, np.ones(len(taken))]), paid[good]


def _errors_from_zero(returns: Floats) -> float:
    spread = max(float(returns.std()), 1e-3 * float(np.abs(returns).max()), 1e-12)
    return float(returns.mean() / spread * np.sqrt(len(returns)))
