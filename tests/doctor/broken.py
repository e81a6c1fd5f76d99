"""Environments with one defect each, as people write them; importing this registers them."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np


class Drifting(gym.Env[np.ndarray, np.ndarray]):
    """Sound: a point is pushed left and right, and pays for being near the middle."""

    limit = 30

    def __init__(self) -> None:
        self.observation_space = gym.spaces.Box(-10, 10, (2,), np.float32)
        self.action_space = gym.spaces.Box(-1, 1, (1,), np.float32)
        self.position, self.speed = 0.0, 0.0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.position, self.speed = self.np_random.uniform(-1, 1, 2)
        return self.observe(), {}

    def step(self, action: np.ndarray) -> Any:
        self.push(float(np.clip(action[0], -1, 1)))
        return self.observe(), self.reward(), self.lost(), False, {}

    def push(self, force: float) -> None:
        self.speed += 0.3 * force + 0.02 * float(self.np_random.normal())
        self.position += self.speed

    def observe(self) -> np.ndarray:
        return np.array([self.position, self.speed], np.float32)

    def reward(self) -> float:
        return 1.0 - abs(self.position) / 5.0

    def lost(self) -> bool:
        return bool(abs(self.position) > 5.0)


class Stale(Drifting):
    """step() returns the observation that was made before it."""

    def step(self, action: np.ndarray) -> Any:
        before = self.observe()
        return before, *super().step(action)[1:]


class SameArray(Drifting):
    """One array is filled again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.array = np.zeros(2, np.float32)

    def observe(self) -> np.ndarray:
        self.array[:] = self.position, self.speed
        return self.array


class LimitTerminates(Drifting):
    """Its own time limit is flagged as termination."""

    def reset(self, **kwargs: Any) -> Any:
        self.steps = 0
        return super().reset(**kwargs)

    def step(self, action: np.ndarray) -> Any:
        self.steps += 1
        observation, reward, _, _, info = super().step(action)
        return observation, reward, self.steps >= self.limit, False, info

    def push(self, force: float) -> None:
        super().push(force)
        self.position = float(np.clip(self.position, -4, 4))


class MaskedLimit(gym.Wrapper[Any, Any, Any, Any]):
    """Turns every end into a termination, as old wrappers with one done do."""

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, reward, terminated or truncated, False, info


class EarlyTruncates(Drifting):
    """What ends the task is flagged truncated."""

    def step(self, action: np.ndarray) -> Any:
        observation, reward, terminated, _, info = super().step(action)
        return observation, reward, False, terminated, info


class OneSeed(Drifting):
    """Whatever the seed, the generator is the same."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=None if seed is None else 7)
        self.position, self.speed = self.np_random.uniform(-1, 1, 2)
        return self.observe(), {}


class GlobalSeed(Drifting):
    """Draws from NumPy's global generator."""

    def reset(self, **kwargs: Any) -> Any:
        super().reset(**kwargs)
        self.position, self.speed = np.random.uniform(-1, 1, 2)  # noqa: NPY002
        return self.observe(), {}


class OldState(Drifting):
    """reset() forgets to reset."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        gym.Env.reset(self, seed=seed)
        if seed is not None or abs(self.position) > 1e6:
            self.position, self.speed = self.np_random.uniform(-1, 1, 2)
        return self.observe(), {}

    def lost(self) -> bool:
        return bool(self.np_random.random() < 0.1)


class ConstantReward(Drifting):
    """Pays 1, and nothing ends an episode but the limit."""

    def reward(self) -> float:
        return 1.0

    def lost(self) -> bool:
        return False


class NoReward(Drifting):
    def reward(self) -> float:
        return 0.0


class NanReward(Drifting):
    def reward(self) -> float:
        return float("nan") if self.position > 1 else 1.0


class RareReward(Drifting):
    """Once in a thousand steps pays 10,000 times as much."""

    def reward(self) -> float:
        return super().reward() * (1e4 if self.np_random.random() < 1e-3 else 1.0)


class HugeReward(Drifting):
    def reward(self) -> float:
        return 1e5 * super().reward()


class NanObservation(Drifting):
    def observe(self) -> np.ndarray:
        return np.array([self.position, np.log(self.position + 1)], np.float32)


class Unscaled(Drifting):
    def observe(self) -> np.ndarray:
        return np.array([1e4 * self.position, self.speed], np.float32)


class Blind(Drifting):
    def observe(self) -> np.ndarray:
        return np.zeros(2, np.float32)


class Endless(Drifting):
    """No limit and no end."""

    def push(self, force: float) -> None:
        super().push(force)
        self.position = float(np.clip(self.position, -4, 4))


class AtOnce(Drifting):
    """Every step is the last."""

    def lost(self) -> bool:
        return True


class Deaf(Drifting):
    """The action is not applied."""

    def push(self, force: float) -> None:
        super().push(0.0)


class Clipping(Drifting):
    """Uses a tenth of the declared bounds, [-10, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.action_space = gym.spaces.Box(-10, 10, (2,), np.float32)


class Raises(Drifting):
    def step(self, action: np.ndarray) -> Any:
        raise RuntimeError("the simulator exploded")


class Hangs(Drifting):
    def step(self, action: np.ndarray) -> Any:
        while True:
            pass


_WITHOUT_LIMIT = ("LimitTerminates", "Endless")
NAMES = tuple(
    name
    for name, cls in list(globals().items())
    if isinstance(cls, type) and issubclass(cls, Drifting)
)

for _name in NAMES:
    if f"Doctor{_name}-v0" not in gym.registry:
        _limit = None if _name in _WITHOUT_LIMIT else Drifting.limit
        gym.register(f"Doctor{_name}-v0", f"tests.doctor.broken:{_name}", max_episode_steps=_limit)
