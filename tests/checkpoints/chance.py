"""Environments with a state that no one can read from outside."""

from __future__ import annotations

import os
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import VecEnv


class _Opaque:
    """Without a ``__dict__``, as the objects of compiled simulators are."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


class Chance(gym.Env[Any, Any]):
    """Draws from a generator that no seed reaches."""

    observation_space = gym.spaces.Box(-1, 1, (2,))
    action_space = gym.spaces.Discrete(2)

    def __init__(self) -> None:
        self.hidden = _Opaque()

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return self._obs(), {}

    def step(self, action: Any) -> Any:
        self.hidden.value += 1
        return self._obs(), 0.0, False, self.hidden.value % 20 == 0, {}

    def _obs(self) -> Any:
        return np.frombuffer(os.urandom(2), np.uint8).astype(np.float32) / 255


class Offers(Chance):
    """Tells its state when it is asked."""

    def get_state(self) -> dict[str, int]:
        return {"value": self.hidden.value}

    def set_state(self, state: dict[str, int]) -> None:
        self.hidden.value = state["value"]


class Foreign(VecEnv):
    """A batch of environments inside something that no one can look into."""

    def __init__(self) -> None:
        super().__init__(2, Chance.observation_space, Chance.action_space)
        self.simulator = _Opaque()

    def reset(self) -> Any:
        return np.zeros((2, 2), np.float32)

    def step_async(self, actions: Any) -> None:
        self.simulator.value += 1

    def step_wait(self) -> Any:
        return self.reset(), np.zeros(2), np.zeros(2, dtype=bool), [{}, {}]

    def close(self) -> None:
        pass

    def get_attr(self, attr_name: str, indices: Any = None) -> Any:
        return [None, None]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        pass

    def env_method(self, method_name: str, *args: Any, **kwargs: Any) -> Any:
        raise AttributeError(method_name)

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> Any:
        return [False, False]
