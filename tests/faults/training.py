"""A cheap task with everything that faults need, and short runs on it."""

from __future__ import annotations

from contextlib import nullcontext
from functools import cache
from typing import Any

import gymnasium as gym
import numpy as np
import stable_baselines3 as sb3
import torch as th
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from sb3_ac_ext.faults import Injection

N_ENVS = 4

th.set_num_threads(1)


class Walk(gym.Env[Any, Any]):
    """A random walk with drift by the action; ends beyond 0.6, or by its limit of 10 steps."""

    def __init__(self, continuous: bool) -> None:
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (4,), np.float32)
        self.action_space: Any = (
            gym.spaces.Box(-2.0, 2.0, (2,), np.float32) if continuous else gym.spaces.Discrete(3)
        )
        self.continuous = continuous

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.position = self.np_random.normal(0.0, 0.3, 4).astype(np.float32)
        return self.position.copy(), {}

    def step(self, action: Any) -> Any:
        push = float(action[0]) if self.continuous else float(action) - 1.0
        noise = self.np_random.normal(0.0, 0.2, 4)
        self.position = (self.position + 0.1 * push + noise).astype(np.float32)
        reward = float(self.position[0]) + 0.1 * push
        return self.position.copy(), reward, bool(self.position[0] > 0.6), False, {}


def task(continuous: bool) -> gym.Env[Any, Any]:
    return gym.wrappers.TimeLimit(Walk(continuous), 10)


def task_kind(fault: Any, algo: str) -> bool:
    """Whether to take continuous actions."""
    return fault.actions == "continuous" or algo in ("sac", "td3", "ddpg")


def vec_env(continuous: bool, injection: Injection | None = None) -> VecEnv:
    def make(worker: int) -> Any:
        env = task(continuous)
        return Monitor(env if injection is None else injection.env(env, worker))

    env: VecEnv = DummyVecEnv([lambda worker=n: make(worker) for n in range(N_ENVS)])
    return env if injection is None else injection.vec_env(env)


def settings(algo: str) -> dict[str, Any]:
    kwargs: dict[str, Any] = {"seed": 0, "policy_kwargs": {"net_arch": [8]}, "device": "cpu"}
    if algo in ("ppo", "a2c"):
        kwargs |= {"n_steps": 16 if algo == "ppo" else 8}
        return kwargs | ({"batch_size": 32, "n_epochs": 2} if algo == "ppo" else {})
    kwargs |= {"learning_starts": 32, "batch_size": 16, "buffer_size": 1000}
    noise = NormalActionNoise(np.zeros(2), np.full(2, 0.1))
    return kwargs if algo == "sac" else kwargs | {"action_noise": noise}


def build(algo: str, env: VecEnv, injection: Injection | None = None) -> Any:
    kwargs = settings(algo) if injection is None else injection.kwargs(settings(algo))
    return getattr(sb3, algo.upper())("MlpPolicy", env, **kwargs)


def train(algo: str, injection: Injection | None, continuous: bool, steps: int = 128) -> Any:
    model = build(algo, vec_env(continuous, injection), injection)
    with nullcontext() if injection is None else injection.model(model):
        model.learn(steps)
    return model


def weights(model: Any) -> np.ndarray:
    parts = [p.detach().numpy().ravel() for p in model.policy.parameters()]
    return np.concatenate(parts)


@cache
def clean_weights(algo: str, continuous: bool) -> np.ndarray:
    return weights(train(algo, None, continuous))
