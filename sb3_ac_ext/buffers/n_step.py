"""n-step returns of rows of a replay buffer, for any kind of observation."""

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
class NStep:
    """Every array but ``last`` has shape (n, 1).

    :param rewards: discounted sums up to the end of the episode or n steps
    :param dones: whether the episode is over then, time limits aside
    :param discounts: of the value that follows, gamma to the number of steps
    :param last: step of the last reward, shape (n,)
    """

    rewards: Floats
    dones: Floats
    discounts: Floats
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
        found = n_step(self, batch_inds, workers, env)
        return DictReplayBufferSamples(
            gathered(self, self.observations, batch_inds, workers, env),
            self.to_torch(self.actions[batch_inds, workers]),
            gathered(self, self.next_observations, found.last, workers, env),
            self.to_torch(found.dones),
            self.to_torch(found.rewards),
            self.to_torch(found.discounts),
        )


def gathered(buffer: Any, stored: Any, at: Rows, workers: Rows, env: VecNormalize | None) -> Any:
    """Normalised observations as tensors.

    :param stored: array of shape (size, n_envs, ...), or a dictionary of such
    """
    if not isinstance(stored, dict):
        return buffer.to_torch(buffer._normalize_obs(stored[at, workers], env))
    parts = buffer._normalize_obs({key: part[at, workers] for key, part in stored.items()}, env)
    return {key: buffer.to_torch(part) for key, part in parts.items()}


def n_step(buffer: Any, at: Rows, workers: Rows, env: VecNormalize | None) -> NStep:
    """As ``NStepReplayBuffer`` computes them, one step included.

    A return ends with its episode, and with the newest step that the buffer holds.

    :param buffer: with ``n_steps`` and ``gamma``
    :param at: steps, shape (n,)
    :param workers: shape (n,)
    :param env: normalises rewards
    """
    steps = np.arange(buffer.n_steps)
    taken = (at[:, None] + steps) % buffer.buffer_size
    column = workers[:, None]
    newest = (buffer.pos - 1) % buffer.buffer_size
    ends = (buffer.dones[taken, column] > 0) | (buffer.timeouts[taken, column] > 0)
    ends |= taken == newest
    ends[:, -1] = True
    count = ends.argmax(axis=1)
    rewards = buffer._normalize_reward(buffer.rewards[taken, column], env)
    discounts = buffer.gamma ** steps.astype(np.float32)
    within = steps <= count[:, None]
    last = taken[np.arange(len(at)), count]
    over = buffer.dones[last, workers] * (1.0 - buffer.timeouts[last, workers])
    return NStep(
        rewards=(rewards * discounts * within).sum(axis=1, keepdims=True).astype(np.float32),
        dones=over[:, None].astype(np.float32),
        discounts=(buffer.gamma ** (count + 1.0))[:, None].astype(np.float32),
        last=last,
    )
