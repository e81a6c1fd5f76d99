"""Workers that pay in a known way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

BOX = spaces.Box(-1.0, 1.0, (2,), np.float32)


class Paying(gym.Env[Any, Any]):
    """Pays ``factor`` times a random number about the time; episodes of 10 steps."""

    def __init__(self, factor: float = 1.0, dictionary: bool = False, box: bool = False) -> None:
        self.factor = factor
        self.observation_space = spaces.Dict({"a": BOX, "b": BOX}) if dictionary else BOX
        self.action_space = spaces.Box(-1.0, 1.0, (1,), np.float32) if box else spaces.Discrete(2)
        self.at = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.at = 0
        return self._seen(), {}

    def _seen(self) -> Any:
        here = np.full(2, self.at / 10.0, dtype=np.float32)
        return {"a": here, "b": -here} if isinstance(self.observation_space, spaces.Dict) else here

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.at += 1
        reward = self.factor * (1.0 + float(self.np_random.normal()))
        return self._seen(), reward, self.at == 10, False, {}


def workers(*envs: gym.Env[Any, Any]) -> DummyVecEnv:
    def maker(env: gym.Env[Any, Any]) -> Callable[[], gym.Env[Any, Any]]:
        return lambda: Monitor(env)

    made = DummyVecEnv([maker(env) for env in envs])
    made.seed(0)
    return made
