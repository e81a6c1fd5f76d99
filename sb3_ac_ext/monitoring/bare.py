"""The registered environment without training's wrappers, under random actions, for comparison."""

from __future__ import annotations

import time
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from sb3_ac_ext.monitoring.effects import weights_of_actions
from sb3_ac_ext.monitoring.functional import (
    explained_by,
    roughness,
)
from sb3_ac_ext.monitoring.transitions import (
    MAX_DIMS,
    Transitions,
    encoded_actions,
    executed,
    in_half_ranges,
    normaliser_of,
)
from sb3_ac_ext.monitoring.view import View

Floats = npt.NDArray[np.float64]
_STEPS, _STARTS, _MOST_SECONDS = 512, 20, 1.0
_LEAST_ROWS, _LEAST_STARTS, _LEAST_GAIN, _LEAST_SPREAD = 64, 8, 0.01, 0.05


@dataclass(frozen=True)
class Bare:
    """How the bare environment answers.

    :param effects: shape (a, d), change of an observation entry per half range of an action, or by
        a choice over the first; ``None`` where actions explain less than a hundredth of the change
    :param spread: shape (d,), standard deviation of the changes
    :param starts: first observations of episodes, shape (n, d)
    :param roughness: of its observations, as ``observations/roughness``; ``None`` for still ones
    :param still: observation entries that change in fewer than half of the steps, as contacts do
    """

    effects: Floats | None
    spread: Floats
    starts: Floats
    roughness: float | None
    still: int


def play_bare(train_env: Any, only_gymnasium: bool = False) -> Bare | None:
    """Random actions in ``gym.make(spec.id)``.

    :param only_gymnasium: make no environment of another package: one may be all that there can be
    :return: ``None`` without a registered spec, for observations that are no vectors, where nothing
        moves, where the environment does not take random actions, and where it is too slow
    """
    space = train_env.observation_space
    if not isinstance(space, spaces.Box) or len(space.shape) != 1 or space.shape[0] > MAX_DIMS:
        return None
    try:
        spec = deepcopy(train_env.get_attr("spec", 0)[0])
        if only_gymnasium and not str(spec.entry_point).startswith("gymnasium."):
            return None
        spec.additional_wrappers = ()
        spec.kwargs.pop("render_mode", None)
        env = gym.make(spec)
        try:
            played = _played(env, time.monotonic() + _MOST_SECONDS)
        finally:
            env.close()
        return None if played is None else _summary(*played)
    except Exception:  # whatever a foreign environment does: there is nothing to compare with then
        return None


def _played(env: gym.Env[Any, Any], deadline: float) -> tuple[Transitions, Floats] | None:
    starts = [env.reset(seed=seed)[0] for seed in range(_STARTS)]
    env.action_space.seed(0)
    obs, rows = starts[-1], []
    for _ in range(_STEPS):
        if time.monotonic() > deadline:
            return None
        action = env.action_space.sample()
        following, reward, terminated, truncated, _ = env.step(action)
        done = terminated or truncated
        rows.append((obs, action, following, float(reward), not done))
        obs = env.reset()[0] if done else following
    columns = zip(*rows, strict=True)
    before, actions, after, rewards, inside = (np.asarray(column) for column in columns)
    unit = in_half_ranges(actions.reshape(len(rows), 1, -1), env.action_space)
    steps = Transitions(
        before[:, None].astype(np.float64),
        encoded_actions(unit, env.action_space),
        after[:, None].astype(np.float64),
        rewards[:, None],
        inside[:, None],
    )
    return steps, np.asarray(starts, dtype=np.float64)


def _summary(steps: Transitions, starts: Floats) -> Bare | None:
    keep = steps.inside
    change = (steps.next_observations - steps.observations)[keep]
    alive = change.std(axis=0) > 1e-9
    if keep.sum() < _LEAST_ROWS or not alive.any() or not np.isfinite(change).all():
        return None
    actions, state = steps.actions[keep], steps.observations[keep]
    target = change[:, alive] / change[:, alive].std(axis=0)
    gain = explained_by(target, state, actions) - explained_by(target, state)
    return Bare(
        effects=weights_of_actions(state, actions, change) if gain >= _LEAST_GAIN else None,
        spread=change.std(axis=0),
        starts=starts,
        roughness=roughness(state, change),
        still=int(np.sum((change != 0.0).mean(axis=0) < 0.5)),
    )


def action_effect(view: View, bare: Bare) -> float | None:
    """How far actions move the observations in training, over how far in the bare environment.

    Observations that were scaled on the way are scaled back by the spread of first observations;
    entries with which all episodes begin alike are left out. Since other starts change that spread
    too, the larger of the ratios with and without it counts. What VecNormalize did to a rollout is
    undone first, with the deviations that it has now.

    :return: ``None`` while there are too few steps or episodes, where some action hardly varies,
        and where no entry can be compared
    """
    if bare.effects is None:
        return None
    steps, resets = view.transitions, view.window.boundaries.first_starts
    if steps is None or len(resets) < _LEAST_STARTS:
        return None
    keep = steps.inside
    if steps.observations.shape[2:] != bare.spread.shape or keep.sum() < _LEAST_ROWS:
        return None
    actions = executed(view.model, steps).actions[keep]
    if actions.std(axis=0).min() < _LEAST_SPREAD or actions.shape[1] != len(bare.effects):
        return None
    here, there = resets.std(axis=0), bare.starts.std(axis=0)
    known = (here > 1e-9) & (there > 1e-9) & (bare.spread > 1e-9)
    expected = np.linalg.norm(bare.effects[:, known] / bare.spread[known])
    if expected == 0.0:
        return None
    change = (steps.next_observations - steps.observations)[keep] * _unit(view.model)
    change = change[:, known]
    moved = weights_of_actions(steps.observations[keep], actions, change) / bare.spread[known]
    scaled_back = moved * (there / here)[known]
    return float(max(np.linalg.norm(moved), np.linalg.norm(scaled_back)) / expected)


def _unit(model: Any) -> Floats | float:
    """How much an entry of the buffer's observations is in raw observations: shape (d,), or 1."""
    normaliser = normaliser_of(model)
    if normaliser is None:
        return 1.0
    known: Any = normaliser.obs_rms  # one, since observations are vectors
    return np.asarray(np.sqrt(known.var + normaliser.epsilon))
