"""The environment wrapper behind all environment faults, and the faults that are made with it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from sb3_ac_ext.faults.base import Fault


class ChangedEnv(gym.Wrapper[Any, Any, Any, Any]):
    """An environment of which one thing is not as it should be; subclasses override one method.

    :param worker: index of the sub-environment, the seed of ``rng``
    :param severity: of the fault
    :raises ValueError: if it changes observations and they are not arrays of floats
    """

    def __init__(self, env: gym.Env[Any, Any], worker: int, severity: float) -> None:
        super().__init__(env)
        self.worker, self.severity = worker, severity
        self.rng = np.random.default_rng(worker)
        self.n_steps = self.episode_steps = 0
        self.ended = False
        self.queue: deque[Any] = deque()
        self.moments = Moments()
        self._changes_observations = type(self).observation is not ChangedEnv.observation
        space = env.observation_space
        floats = isinstance(space, gym.spaces.Box) and space.dtype.kind == "f"
        if self._changes_observations and not floats:
            raise ValueError(f"observations of {space} are not changed: give a Box of floats")

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        observation, info = self.env.reset(seed=seed, options=options)
        self.begin()
        return self._observe(observation), info

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(self.action(action))
        self.n_steps += 1
        self.episode_steps += 1
        terminated, truncated = self.ends(terminated, truncated)
        self.ended = terminated or truncated
        return self._observe(observation), self.reward(reward), terminated, truncated, info

    def _observe(self, observation: Any) -> Any:
        if not self._changes_observations:
            return observation
        return np.array(self.observation(observation), dtype=observation.dtype)

    def begin(self) -> None:
        """A new episode begins; ``queue`` is emptied."""
        self.episode_steps = 0
        self.ended = False
        self.queue.clear()

    def action(self, action: Any) -> Any:
        return action

    def observation(self, observation: Any) -> Any:
        return observation

    def reward(self, reward: SupportsFloat) -> SupportsFloat:
        return reward

    def ends(self, terminated: bool, truncated: bool) -> tuple[bool, bool]:
        return terminated, truncated


class Moments:
    """Running mean and standard deviation per entry, by Welford's method."""

    def __init__(self) -> None:
        self._n = 0
        self.mean: Any = 0.0
        self._squares: Any = 0.0

    def add(self, value: Any) -> None:
        self._n += 1
        difference = value - self.mean
        self.mean = self.mean + difference / self._n
        self._squares = self._squares + difference * (value - self.mean)

    @property
    def std(self) -> Any:
        return np.sqrt(self._squares / max(1, self._n))


@dataclass(frozen=True, kw_only=True)
class EnvFault(Fault):
    """A fault of the training environment.

    :param wrapper: called with environment, worker and severity
    :param only: index of the one worker that is broken, all of them when ``None``
    """

    wrapper: Callable[[gym.Env[Any, Any], int, float], gym.Env[Any, Any]]
    only: int | None = None

    def wrap_env(self, env: gym.Env[Any, Any], worker: int, severity: float) -> gym.Env[Any, Any]:
        return env if self.only not in (None, worker) else self.wrapper(env, worker, severity)


@dataclass(frozen=True, kw_only=True)
class TaskFault(EnvFault):
    """A fault of the task itself: training and evaluation environments both have it."""

    def wrap_eval_env(self, env: VecEnv, severity: float) -> VecEnv:
        return wrap_workers(env, lambda one, worker: self.wrap_env(one, worker, severity))


def changed(**methods: Callable[..., Any]) -> type[ChangedEnv]:
    """A wrapper class of which some methods are other functions.

    :param methods: of :class:`ChangedEnv`; the first argument is the wrapper
    """
    return type("EnvWrapper", (ChangedEnv,), methods)


def wrap_workers(
    env: VecEnv, wrap: Callable[[gym.Env[Any, Any], int], gym.Env[Any, Any]]
) -> VecEnv:
    """Wrap the sub-environments of a VecEnv in place, below ``Monitor``.

    :param wrap: called with each sub-environment and its index
    :raises ValueError: if they live in other processes
    """
    base = env.unwrapped
    if not isinstance(base, DummyVecEnv):
        raise ValueError(
            f"{type(base).__name__} keeps its environments out of reach: wrap each one where it is "
            "made, with its index as worker"
        )
    for worker, one in enumerate(base.envs):
        if isinstance(one, Monitor):
            one.env = wrap(one.env, worker)
        else:
            base.envs[worker] = wrap(one, worker)
    return env


def later(env: ChangedEnv) -> bool:
    """Whether the worker has taken more steps than the severity says."""
    return env.n_steps > env.severity


def mirrored(space: gym.Space[Any], action: Any) -> Any:
    """An action with its sign, or the order of the choices, reversed.

    :raises ValueError: for spaces other than Box and Discrete
    """
    if isinstance(space, gym.spaces.Discrete):
        return 2 * space.start + space.n - 1 - action
    if isinstance(space, gym.spaces.Box):
        centre = np.where(np.isfinite(space.low + space.high), space.low + space.high, 0.0)
        return (centre - action).astype(space.dtype)
    raise ValueError(f"actions of {space} cannot be mirrored: give a Box or Discrete action space")
