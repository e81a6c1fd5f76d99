"""Environments that go wrong at a known step, for tests; importing this registers them."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import gymnasium as gym
import numpy as np


class Sound(gym.Env[np.ndarray, int]):
    """Episodes of 20 steps that pay 1 per step; ``bonus`` is paid on top."""

    def __init__(self, at: int = 100, bonus: float = 0.0, render_mode: str | None = None) -> None:
        self.observation_space = gym.spaces.Box(-1, 1, (2,), np.float32)
        self.action_space = gym.spaces.Discrete(2)
        self.at, self.bonus = at, bonus
        self.steps = self.episode_steps = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.episode_steps = 0
        return self._observe(), {}

    def step(self, action: int) -> Any:
        self.steps += 1
        self.episode_steps += 1
        return self._observe(), 1.0 + self.bonus, self.episode_steps >= 20, False, {}

    def _observe(self) -> np.ndarray:
        return self.np_random.uniform(-1, 1, 2).astype(np.float32)


class Raises(Sound):
    def step(self, action: int) -> Any:
        if self.steps >= self.at:
            raise RuntimeError("the simulator exploded")
        return super().step(action)


class Dies(Sound):
    def step(self, action: int) -> Any:
        if self.steps >= self.at:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().step(action)


class Hangs(Sound):
    def step(self, action: int) -> Any:
        if self.steps >= self.at:
            time.sleep(1000)
        return super().step(action)


class NanReward(Sound):
    def step(self, action: int) -> Any:
        observation, reward, *rest = super().step(action)
        return observation, float("nan") if self.steps > self.at else reward, *rest


class NanObservation(Sound):
    def step(self, action: int) -> Any:
        observation, *rest = super().step(action)
        return observation * np.nan if self.steps > self.at else observation, *rest


class Slow(Sound):
    def step(self, action: int) -> Any:
        time.sleep(0.002)
        return super().step(action)


for cls in (Sound, Raises, Dies, Hangs, NanReward, NanObservation, Slow):
    if f"{cls.__name__}-v0" not in gym.registry:
        gym.register(f"{cls.__name__}-v0", f"tests.broken_envs:{cls.__name__}")
