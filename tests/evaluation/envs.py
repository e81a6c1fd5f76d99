"""Environments with a known answer, for evaluations; importing this registers them."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np


class Uneven(gym.Env[np.ndarray, int]):
    """Episodes of 2 steps after an even seed, of 20 after an odd one; every step pays 1."""

    short, long = 2, 20

    def __init__(self, tells_success: bool = True, render_mode: str | None = None) -> None:
        self.observation_space = gym.spaces.Box(-1, 1, (2,), np.float32)
        self.action_space = gym.spaces.Discrete(2)
        self.tells_success = tells_success
        self.length, self.steps = self.short, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        if seed is not None:
            self.length = self.long if seed % 2 else self.short
        self.steps = 0
        return self._observe(), {}

    def step(self, action: int) -> Any:
        self.steps += 1
        done = self.steps >= self.length
        info = {"is_success": self.length == self.long} if done and self.tells_success else {}
        return self._observe(), 1.0, done, False, info

    def _observe(self) -> np.ndarray:
        return self.np_random.uniform(-1, 1, 2).astype(np.float32)


class Graded(Uneven):
    """Twenty steps that pay the action and the observation, so that policies differ."""

    short = long = 20

    def step(self, action: int) -> Any:
        observation, _, *rest = super().step(action)
        return observation, float(action) + float(observation[0]), *rest


for cls in (Uneven, Graded):
    if f"{cls.__name__}-v0" not in gym.registry:
        gym.register(f"{cls.__name__}-v0", f"tests.evaluation.envs:{cls.__name__}")
