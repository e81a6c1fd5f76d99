"""The newest transitions as plain arrays, from the rollout or the replay buffer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecNormalize, unwrap_vec_normalize

from sb3_ac_ext.monitoring import replay
from sb3_ac_ext.monitoring.recorder import Step

MAX_STEPS, MAX_ROWS, MAX_DIMS = 512, 1024, 64
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Transitions:
    """Consecutive steps of all workers, as the buffer holds them.

    :param observations: shape (T, n_envs, d), vectors only
    :param actions: shape (T, n_envs, a), one-hot where they are discrete
    :param next_observations: shape (T, n_envs, d)
    :param rewards: shape (T, n_envs)
    :param inside: shape (T, n_envs), false where the next observation belongs to another episode
    """

    observations: Floats
    actions: Floats
    next_observations: Floats
    rewards: Floats
    inside: npt.NDArray[np.bool_]

    def newest(self, n: int) -> Transitions:
        """:param n: steps"""
        start = max(0, len(self.rewards) - n)
        parts = (getattr(self, field.name)[start:] for field in fields(self))
        return Transitions(*parts)

    @property
    def after_another(self) -> npt.NDArray[np.bool_]:
        """Shape (T, n_envs): the step before belongs to the same episode and is here too."""
        first = np.zeros_like(self.inside[:1])
        return np.concatenate([first, self.inside[:-1]])


def from_rollout(model: Any, recent: Sequence[Step]) -> Transitions | None:
    """Of the rollout buffer before ``get()`` flattens it; ``None`` for images.

    :param recent: the newest steps, taken in place of a rollout that is shorter
    """
    buffer = model.rollout_buffer
    if buffer.pos < len(recent):
        return _from_steps(model, recent)
    n = _n_steps(buffer.pos, buffer.n_envs)
    last = slice(buffer.pos - n, buffer.pos)
    observations = _vectors(buffer.observations, last, model.observation_space)
    if observations is None or n < 3:
        return None
    return Transitions(
        observations=observations[:-1],
        actions=encoded_actions(buffer.actions[last][:-1], model.action_space),
        next_observations=observations[1:],
        rewards=buffer.rewards[last][:-1].astype(np.float64),
        inside=~buffer.episode_starts[last][1:].astype(bool),
    )


def _from_steps(model: Any, steps: Sequence[Step]) -> Transitions | None:
    space = model.observation_space
    observations = _vectors(_stacked([step.obs for step in steps]), slice(None), space)
    following = _vectors(_stacked([step.new_obs for step in steps]), slice(None), space)
    if observations is None or following is None:
        return None
    actions = _stacked([step.actions for step in steps])
    return Transitions(
        observations=observations,
        actions=encoded_actions(actions.reshape(*actions.shape[:2], -1), model.action_space),
        next_observations=following,
        rewards=_stacked([step.rewards for step in steps]).astype(np.float64),
        inside=~_stacked([step.dones for step in steps]).astype(bool),
    )


def _stacked(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], dict):
        return {key: np.stack([part[key] for part in parts]) for key in parts[0]}
    return np.stack(parts)


def from_replay(model: Any) -> Transitions | None:
    """Of the replay buffer's newest rows; ``None`` for images and unknown buffers."""
    if replay.unreadable(model) is not None:
        return None
    buffer = model.replay_buffer
    found = replay.recent(model, _n_steps(buffer.size() - 1, buffer.n_envs))
    if found is None or len(found.rows) < 3:
        return None
    observations = _vectors(buffer.observations, found.rows, model.observation_space)
    if observations is None:
        return None
    if getattr(buffer, "optimize_memory_usage", False):
        following = _vectors(
            buffer.observations, (found.rows + 1) % buffer.buffer_size, model.observation_space
        )
    else:
        following = _vectors(buffer.next_observations, found.rows, model.observation_space)
    assert following is not None
    return Transitions(
        observations=observations,
        actions=encoded_actions(buffer.actions[found.rows], model.action_space),
        next_observations=following,
        rewards=buffer.rewards[found.rows].astype(np.float64),
        inside=~(found.terminations | found.truncations),
    )


def _n_steps(available: int, n_envs: int) -> int:
    return max(0, min(available, MAX_STEPS, max(8, MAX_ROWS // n_envs)))


def _vectors(stored: Any, rows: Any, space: spaces.Space[Any]) -> Floats | None:
    if isinstance(stored, dict):
        assert isinstance(space, spaces.Dict)
        parts = [_vectors(stored[key], rows, space[key]) for key in sorted(stored)]
        known = [part for part in parts if part is not None]
        return np.concatenate(known, axis=2)[:, :, :MAX_DIMS] if known else None
    if not isinstance(space, spaces.Box) or stored.ndim != 3:
        return None
    return np.asarray(stored[rows][:, :, :MAX_DIMS], dtype=np.float64)


def encoded_actions(stored: Any, space: spaces.Space[Any]) -> Floats:
    """Shape (T, n_envs, a): a choice one-hot without the first, other actions as they are.

    :param stored: shape (T, n_envs, ...)
    """
    if isinstance(space, spaces.Discrete):
        chosen = stored[..., 0].astype(int) - int(space.start)
        return np.asarray(np.eye(int(space.n))[chosen][..., 1:])
    return np.asarray(stored.reshape(*stored.shape[:2], -1), dtype=np.float64)


def normaliser_of(model: Any) -> VecNormalize | None:
    """What normalised the observations in a model's buffer: replay buffers hold them raw."""
    if not isinstance(model, OnPolicyAlgorithm):
        return None
    assert model.env is not None
    normaliser = unwrap_vec_normalize(model.env)
    return None if normaliser is None or not normaliser.norm_obs else normaliser


def executed(model: Any, steps: Transitions) -> Transitions:
    """Steps of a model's buffer with Box actions in half ranges, as they were executed: replay
    buffers hold them so, rollout buffers as they were sampled.
    """
    if not isinstance(model, OnPolicyAlgorithm) or model.policy.squash_output:
        return steps
    return replace(steps, actions=in_half_ranges(steps.actions, model.action_space))


def in_half_ranges(actions: npt.NDArray[Any], space: spaces.Space[Any]) -> npt.NDArray[Any]:
    """Box actions in [-1, 1], as they are executed; those without bounds, and others, as given.

    :param actions: shape (..., a)
    """
    if not isinstance(space, spaces.Box):
        return actions
    low, high = space.low.ravel(), space.high.ravel()
    bounded = np.isfinite(low) & np.isfinite(high)
    low, high = np.where(bounded, low, -1.0), np.where(bounded, high, 1.0)
    unit = (actions - (high + low) / 2.0) / ((high - low) / 2.0)
    return np.where(bounded, np.clip(unit, -1.0, 1.0), unit)
