"""Off-policy data: a batch as the update sees it, and the newest transitions in order of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import ReplayBuffer

BATCH = 256
"""Transitions that Q-values, actions and features are measured on."""

KNOWN_PACKAGES = ("stable_baselines3", "sb3_contrib", "sb3_ac_ext")


def unreadable(model: BaseAlgorithm) -> str | None:
    """Why the model's replay buffer cannot be read without side effects, ``None`` when it can."""
    buffer = getattr(model, "replay_buffer", None)
    if buffer is None:
        return "the algorithm has no replay buffer"
    if not isinstance(buffer, ReplayBuffer):
        return f"{type(buffer).__name__} is not a ReplayBuffer"
    if type(buffer).__module__.split(".")[0] not in KNOWN_PACKAGES:
        return f"sampling {type(buffer).__name__} might change its state"
    return None


def sample_batch(model: BaseAlgorithm) -> Any | None:
    """A batch with normalised observations and rewards, as in ``train()``.

    :return: ``ReplayBufferSamples``, or ``None`` while the buffer cannot be sampled yet
    """
    buffer: Any = model.replay_buffer  # type: ignore[attr-defined]
    if buffer.size() == 0:
        return None
    try:
        return buffer.sample(BATCH, env=model._vec_normalize_env)
    except RuntimeError:  # hindsight replay cannot sample before the first episode ended
        return None


def largest_reward(model: BaseAlgorithm) -> float:
    """Largest magnitude of the rewards that the buffer holds, normalised as the targets are."""
    buffer: Any = model.replay_buffer  # type: ignore[attr-defined]
    if buffer.size() == 0:
        return 0.0
    stored = buffer._normalize_reward(buffer.rewards[: buffer.size()], model._vec_normalize_env)
    return float(np.nanmax(np.abs(stored)))


@dataclass(frozen=True)
class Recent:
    """The newest transitions of the replay buffer; first axis is time, second the worker.

    :param rows: shape (T,), indices into the buffer
    :param rewards: shape (T, n_envs), normalised as the critic's targets are
    :param terminations: episode ended for good
    :param truncations: episode ended by a time limit
    """

    rows: npt.NDArray[np.int64]
    rewards: npt.NDArray[np.float64]
    terminations: npt.NDArray[np.bool_]
    truncations: npt.NDArray[np.bool_]


def recent(model: BaseAlgorithm, n_steps: int) -> Recent | None:
    """
    :param n_steps: at most this many steps per worker, without the very last
    """
    buffer: Any = model.replay_buffer  # type: ignore[attr-defined]
    n = min(n_steps, buffer.size() - 1)
    if n < 1:
        return None
    rows = (buffer.pos - 1 - np.arange(n, 0, -1)) % buffer.buffer_size
    truncations = buffer.timeouts[rows].astype(bool)
    return Recent(
        rows=rows,
        rewards=buffer._normalize_reward(buffer.rewards[rows], model._vec_normalize_env).astype(
            np.float64
        ),
        terminations=buffer.dones[rows].astype(bool) & ~truncations,
        truncations=truncations,
    )


def observations_at(model: BaseAlgorithm, rows: Any, workers: Any) -> Any:
    """Normalised observations of single transitions, as tensors on the model's device."""
    buffer: Any = model.replay_buffer  # type: ignore[attr-defined]
    stored = buffer.observations
    picked = (
        {key: part[rows, workers] for key, part in stored.items()}
        if isinstance(stored, dict)
        else stored[rows, workers]
    )
    normalised = buffer._normalize_obs(picked, model._vec_normalize_env)
    if isinstance(normalised, dict):
        return {key: buffer.to_torch(part) for key, part in normalised.items()}
    return buffer.to_torch(normalised)


def actions_at(model: BaseAlgorithm, rows: Any, workers: Any) -> th.Tensor:
    """Actions of single transitions as the buffer holds them, scaled to [-1, 1] for Box spaces."""
    buffer: Any = model.replay_buffer  # type: ignore[attr-defined]
    actions: th.Tensor = buffer.to_torch(buffer.actions[rows, workers])
    return actions
