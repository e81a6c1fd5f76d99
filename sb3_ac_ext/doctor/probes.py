"""Five tiny environments whose values and best actions are known, after bsuite (arXiv 1908.03568).

Each isolates one part of an actor-critic algorithm. An algorithm that fails one and passes those
before it is broken in the part that this one adds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

Step = tuple[np.ndarray, float, bool, bool, dict[str, Any]]


class Probe(gym.Env[np.ndarray, Any], ABC):
    """One step per episode, one observation in [-1, 1], one action.

    :param continuous: a ``Box`` of one action in [-1, 1] instead of two discrete ones
    """

    starts: tuple[float, ...] = (1.0,)
    """The first observation is one of these."""

    def __init__(self, continuous: bool) -> None:
        self.observation_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.action_space = (
            spaces.Box(-1.0, 1.0, (1,), np.float32) if continuous else spaces.Discrete(2)
        )
        self.sign = 1.0
        """Which actions pay, set once it is known what the untrained policy does."""
        self.observation = 1.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.observation = float(self.np_random.choice(self.starts))
        return self._observe(), {}

    def step(self, action: Any) -> Step:
        return self._observe(), self.reward(signed(action, self.action_space)), True, False, {}

    @abstractmethod
    def reward(self, action: float) -> float:
        """
        :param action: in [-1, 1], discrete actions are -1 and 1
        """

    def action_masks(self) -> np.ndarray:
        """All actions are allowed; algorithms that mask actions ask for it."""
        return np.ones(2, dtype=bool)

    def _observe(self) -> np.ndarray:
        return np.array([self.observation], np.float32)


class ValueFit(Probe):
    """One state, reward 1: the value is 1."""

    def reward(self, action: float) -> float:
        return 1.0


class ObservationDependence(Probe):
    """Two states, the reward is the observation: so is the value."""

    starts = (-1.0, 1.0)

    def reward(self, action: float) -> float:
        return self.observation


class Discounting(Probe):
    """Two steps, observed as -1 and 1, reward 1 at the end: values are gamma and 1."""

    starts = (-1.0,)

    def reward(self, action: float) -> float:
        return 1.0

    def step(self, action: Any) -> Step:
        if self.observation < 0:
            self.observation = 1.0
            return self._observe(), 0.0, False, False, {}
        return super().step(action)


class PolicyGradient(Probe):
    """One state, the reward is the action times ``sign``."""

    def reward(self, action: float) -> float:
        return self.sign * action


class Both(Probe):
    """Two states, the reward is the action times the observation times ``sign``."""

    starts = (-1.0, 1.0)

    def reward(self, action: float) -> float:
        return self.sign * self.observation * action


def signed(action: Any, space: spaces.Space[Any]) -> float:
    """An action of a probe as a number in [-1, 1].

    :param action: 0 or 1, or an array of one number
    :param space: the probe's action space
    """
    value = float(np.asarray(action).reshape(-1)[0])
    return 2.0 * value - 1.0 if isinstance(space, spaces.Discrete) else float(np.clip(value, -1, 1))
