"""Replay buffers with random rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.buffers import DictReplayBuffer, ReplayBuffer


def replay_buffer(size: int, n_envs: int = 2, mapping: bool = False, **kwargs: Any) -> Any:
    box = spaces.Box(-1, 1, (3,))
    if mapping:
        return DictReplayBuffer(size, spaces.Dict(a=box), box, n_envs=n_envs, **kwargs)
    return ReplayBuffer(size, box, box, n_envs=n_envs, **kwargs)


def add_rows(buffer: Any, n: int, rng: np.random.Generator) -> None:
    for _ in range(n):
        obs, new, actions = rng.uniform(-1, 1, (3, buffer.n_envs, 3))
        if isinstance(buffer, DictReplayBuffer):
            obs, new = {"a": obs}, {"a": new}
        rewards = rng.normal(size=buffer.n_envs)
        buffer.add(obs, new, actions, rewards, rewards > 1, [{}] * buffer.n_envs)
