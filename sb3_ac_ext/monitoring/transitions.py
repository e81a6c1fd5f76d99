"""The newest transitions as plain arrays, from the rollout or the replay buffer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from sb3_ac_ext.monitoring import replay

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

    @property
    def after_another(self) -> npt.NDArray[np.bool_]:
        """Shape (T, n_envs): the step before belongs to the same episode and is here too."""
        first = np.zeros_like(self.inside[:1])
        return np.concatenate([first, self.inside[:-1]])


def from_rollout(model: Any) -> Transitions | None:
    """Of the rollout buffer before ``get()`` flattens it; ``None`` for images."""
    buffer = model.rollout_buffer
    n = _n_steps(buffer.pos, buffer.n_envs)
    last = slice(buffer.pos - n, buffer.pos)
    observations = _vectors(buffer.observations, last, model.observation_space)
    if observations is None or n < 3:
        return None
    return Transitions(
        observations=observations[:-1],
        actions=_actions(buffer.actions[last][:-1], model.action_space),
        next_observations=observations[1:],
        rewards=buffer.rewards[last][:-1].astype(np.float64),
        inside=~buffer.episode_starts[last][1:].astype(bool),
    )


def from_replay(model: Any, n_steps: int) -> Transitions | None:
    """Of the replay buffer's newest rows; ``None`` for images and unknown buffers.

    :param n_steps: at most this many per worker
    """
    if replay.unreadable(model) is not None:
        return None
    buffer = model.replay_buffer
    available = min(n_steps, buffer.size() - 1)
    found = replay.recent(model, _n_steps(available, buffer.n_envs))
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
        actions=_actions(buffer.actions[found.rows], model.action_space),
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


def _actions(stored: Any, space: spaces.Space[Any]) -> Floats:
    if isinstance(space, spaces.Discrete):
        return np.asarray(np.eye(int(space.n))[stored[..., 0].astype(int)][..., 1:])
    return np.asarray(stored.reshape(*stored.shape[:2], -1), dtype=np.float64)
