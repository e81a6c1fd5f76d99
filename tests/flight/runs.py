"""Short runs that are recorded, and environments that fail once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback

from sb3_ac_ext import DiagnosticsCallback

SMALL: dict[str, Any] = {"net_arch": [16, 16]}
OFF_POLICY: dict[str, Any] = {"learning_starts": 60, "batch_size": 32, "buffer_size": 1000}
ON_POLICY: dict[str, Any] = {"n_steps": 64, "batch_size": 32, "n_epochs": 3}


class FailsOnce(gym.Wrapper):
    """Pays ``reward`` in its step number ``at``, counted from 1."""

    def __init__(self, env: gym.Env, at: int, reward: float) -> None:
        super().__init__(env)
        self.left, self.bad = at, reward

    def step(self, action: Any) -> Any:
        observation, reward, *rest = self.env.step(action)
        self.left -= 1
        return observation, self.bad if self.left == 0 else reward, *rest


class At(BaseCallback):
    """Acts on the model once it has taken ``step`` environment steps."""

    def __init__(self, step: int, act: Any) -> None:
        super().__init__()
        self.step, self.act = step, act

    def _on_step(self) -> bool:
        if self.num_timesteps == self.step:
            self.act(self.model)
        return True


class DictCartPole(gym.ObservationWrapper):
    """CartPole with a Dict observation whose keys are not in alphabetical order."""

    def __init__(self) -> None:
        super().__init__(gym.make("CartPole-v1"))
        box = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)
        self.observation_space = gym.spaces.Dict([("velocity", box), ("angle", box)])

    def observation(self, observation: Any) -> Any:
        return {"velocity": observation[:2], "angle": observation[2:]}


def recorder(log_dir: Path, updates: int = 3, **kwargs: Any) -> DiagnosticsCallback:
    quiet: dict[str, Any] = {"canary_freq": 0, "verbose": 0, "report": False}
    return DiagnosticsCallback(log_dir=log_dir, flight_recorder=updates, **{**quiet, **kwargs})


def asked(watch: DiagnosticsCallback) -> Any:
    """Asks for a dump, whatever the state of the run."""
    return lambda _: watch.flight.alert("test", "asked for", updated=True)


def recorded(
    cls: Any, env: Any, log_dir: Path, steps: int = 260, policy: str = "MlpPolicy", **kwargs: Any
) -> tuple[BaseAlgorithm, DiagnosticsCallback]:
    """A healthy run that is dumped at its last step."""
    kwargs.setdefault("policy_kwargs", dict(SMALL))
    model = cls(policy, env, seed=1, device="cpu", **kwargs)
    watch = recorder(log_dir)
    model.learn(steps, callback=[watch, At(steps, asked(watch))])
    return model, watch
