"""Tiny environments with every kind of space, and ends of both kinds."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

PARTS: dict[str, tuple[int, ...]] = {"near": (2,), "far": (2, 2)}
OBSERVATIONS: dict[str, spaces.Space[Any]] = {
    "box": spaces.Box(-1.0, 1.0, (3,), np.float32),
    "discrete": spaces.Discrete(4),
    "image": spaces.Box(0, 255, (36, 36, 1), np.uint8),
    "dict": spaces.Dict({"a": spaces.Box(-1.0, 1.0, (2,), np.float32), "b": spaces.Discrete(3)}),
    "arrays": spaces.Dict(
        {name: spaces.Box(-1.0, 1.0, shape, np.float32) for name, shape in PARTS.items()}
    ),
}
ACTIONS: dict[str, spaces.Space[Any]] = {
    "box": spaces.Box(-2.0, 2.0, (2,), np.float32),
    "discrete": spaces.Discrete(3),
    "multi_discrete": spaces.MultiDiscrete([2, 3]),
    "multi_binary": spaces.MultiBinary(2),
}
POLICIES = {"box": "MlpPolicy", "discrete": "MlpPolicy", "image": "CnnPolicy"}


class Random(gym.Env[Any, Any]):
    """Random observations, rewards that depend on the action, episodes of 5 to 12 steps."""

    def __init__(self, observation: str = "box", action: str = "box") -> None:
        self.observation_space = OBSERVATIONS[observation]
        self.action_space = ACTIONS[action]

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        self.left = int(self.np_random.integers(5, 12))
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.left -= 1
        reward = float(np.sum(action) + self.np_random.normal())
        over = self.left == 0
        terminated = over and bool(self.np_random.random() < 0.5)
        return self.observation_space.sample(), reward, terminated, over and not terminated, {}
