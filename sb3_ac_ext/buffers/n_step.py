"""Rows of a replay buffer with their n-step returns, for any kind of observation.

A row is a step of a worker: the k-th step of worker w is row k n_envs + w.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.buffers import DictReplayBuffer
from stable_baselines3.common.type_aliases import DictReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Return:
    """Every array but ``last`` has shape (n, 1).

    :param rewards: discounted sums up to the end of the episode or n steps
    :param dones: whether the episode is over then, time limits aside
    :param discounts: of the value that follows, gamma to the number of steps; ``None`` for one step
    :param last: row of the last reward, shape (n,)
    """

    rewards: Floats
    dones: Floats
    discounts: Floats | None
    last: Rows


class DictNStepReplayBuffer(DictReplayBuffer):
    """``NStepReplayBuffer`` for observations that are dictionaries, which SB3 refuses.

    :param n_steps: of the return, at least 1
    :param gamma: discount factor, the algorithm's
    :raises ValueError: for fewer steps
    """

    def __init__(self, *args: Any, n_steps: int = 3, gamma: float = 0.99, **kwargs: Any) -> None:
        if n_steps < 1:
            raise ValueError(f"n_steps={n_steps!r} is not accepted: give at least 1")
        super().__init__(*args, **kwargs)
        self.n_steps, self.gamma = n_steps, gamma

    def _get_samples(  # type: ignore[override]
        self, batch_inds: Rows, env: VecNormalize | None = None
    ) -> DictReplayBufferSamples:
        workers = np.random.randint(0, self.n_envs, size=batch_inds.shape)  # noqa: NPY002
        rows = batch_inds * self.n_envs + workers
        return DictReplayBufferSamples(*columns(self, rows, env))


def columns(buffer: Any, rows: Rows, env: VecNormalize | None) -> tuple[Any, ...]:
    """What ``ReplayBufferSamples`` holds, in its order.

    :param buffer: with ``n_steps`` and ``gamma``
    :param rows: shape (n,)
    :param env: normalises observations and rewards
    """
    found = one_step(buffer, rows, env) if buffer.n_steps == 1 else n_step(buffer, rows, env)
    return (
        gathered(buffer, buffer.observations, rows, env),
        buffer.to_torch(taken(buffer.actions, rows)),
        gathered(buffer, buffer.next_observations, found.last, env),
        buffer.to_torch(found.dones),
        buffer.to_torch(found.rewards),
        None if found.discounts is None else buffer.to_torch(found.discounts),
    )


def gathered(buffer: Any, stored: Any, rows: Rows, env: VecNormalize | None) -> Any:
    """Normalised observations as tensors.

    :param stored: array of shape (size, n_envs, ...), or a dictionary of such
    """
    if not isinstance(stored, dict):
        return buffer.to_torch(buffer._normalize_obs(taken(stored, rows), env))
    parts = buffer._normalize_obs({key: taken(part, rows) for key, part in stored.items()}, env)
    return {key: buffer.to_torch(part) for key, part in parts.items()}


def taken(stored: npt.NDArray[Any], rows: Rows) -> npt.NDArray[Any]:
    """
    :param stored: shape (size, n_envs, ...)
    :param rows: of any shape
    """
    return stored.reshape(-1, *stored.shape[2:]).take(rows, axis=0)


def one_step(buffer: Any, rows: Rows, env: VecNormalize | None) -> Return:
    """What :func:`n_step` gives for one step.

    :param rows: shape (n,)
    :param env: normalises rewards
    """
    rewards = rewards_at(buffer, rows, env)[:, None]
    return Return(rewards, _over(buffer, rows), None, rows)


def n_step(buffer: Any, rows: Rows, env: VecNormalize | None) -> Return:
    """As ``NStepReplayBuffer`` computes them.

    A return ends with its episode, and with the newest step that the buffer holds.

    :param buffer: with ``n_steps`` and ``gamma``
    :param rows: shape (n,)
    :param env: normalises rewards
    """
    at, workers = np.divmod(rows, buffer.n_envs)
    steps = np.arange(buffer.n_steps)
    path = (at[:, None] + steps) % buffer.buffer_size
    following = path * buffer.n_envs + workers[:, None]
    ends = (taken(buffer.dones, following) > 0) | (taken(buffer.timeouts, following) > 0)
    ends |= path == (buffer.pos - 1) % buffer.buffer_size
    ends[:, -1] = True
    count = ends.argmax(axis=1)
    rewards = rewards_at(buffer, following, env)
    discounts = buffer.gamma ** steps.astype(np.float32) * (steps <= count[:, None])
    last = following[np.arange(len(rows)), count]
    return Return(
        rewards=(rewards * discounts).sum(axis=1, keepdims=True).astype(np.float32),
        dones=_over(buffer, last),
        discounts=(buffer.gamma ** (count + 1.0))[:, None].astype(np.float32),
        last=last,
    )


def rewards_at(buffer: Any, rows: Rows, env: VecNormalize | None) -> Floats:
    """Rewards as they are learned from.

    :param buffer: its ``normalized_rewards`` may know better than ``env``
    :param rows: of any shape
    :param env: normalises rewards
    """
    own = getattr(buffer, "normalized_rewards", None)
    found: Floats = (
        buffer._normalize_reward(taken(buffer.rewards, rows), env) if own is None else own(rows)
    )
    return found


def _over(buffer: Any, rows: Rows) -> Floats:
    """Whether the episode ended there, and not by a time limit; shape (n, 1)."""
    over = taken(buffer.dones, rows) * (1.0 - taken(buffer.timeouts, rows))
    return over[:, None].astype(np.float32)
