"""What is trained, with equal networks on all sides, and what that costs at least."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Side:
    """Who trains.

    :param package: that has the algorithm's class
    :param threads: of PyTorch; ``None`` where the package chooses
    :param arguments: of the constructor, besides the work's
    """

    name: str
    package: str
    threads: int | None = 1
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def set_threads(self) -> None:
        """In this process, of which other sides know nothing."""
        if self.threads is not None:
            import torch as th

            th.set_num_threads(self.threads)

    @property
    def installed(self) -> bool:
        return importlib.util.find_spec(self.package) is not None


OURS = "sb3_ac_ext"
SB3 = "stable_baselines3"
EAGER, COMPILED = "ours, eager", "ours, compiled"
SIDES = (
    Side("SB3, 1 thread", SB3, 1),
    Side("SB3, 2 threads", SB3, 2),
    Side(EAGER, OURS, None, {"compile": False}),
    Side(COMPILED, OURS, None, {"compile": "wait"}),
    Side("SBX", "sbx", 2),
)
HALF = Side("ours, compiled, bf16", OURS, None, {"compile": "wait", "bf16": True})
WITH_HALF = tuple(HALF if side.package == OURS else side for side in SIDES if side.name != EAGER)


@dataclass(frozen=True)
class Work:
    """
    :param algo: name of the class
    :param timesteps: of one timed run
    :param arguments: of every side's constructor
    :param sides: who does it, where their package is installed
    :param targets: least ratio of this package to SB3 at its best number of threads, and to SBX;
        least share of the limit; ``None`` for no target
    """

    name: str
    algo: str
    env_id: str
    n_envs: int
    timesteps: int
    arguments: Mapping[str, Any]
    targets: tuple[float | None, float | None, float | None]
    sides: tuple[Side, ...] = SIDES

    def make(self, side: Side) -> Any:
        """The side's model in an environment of its own."""
        from stable_baselines3.common.env_util import make_vec_env

        cls = getattr(importlib.import_module(side.package), self.algo)
        env = make_vec_env(self.env_id, n_envs=self.n_envs, seed=0)
        arguments = deepcopy({**self.arguments, **side.arguments})  # SAC writes into them
        if side.package != "sbx":
            arguments["device"] = "cpu"
        return cls("MlpPolicy", env, seed=0, **arguments)


_LARGE = {"policy_kwargs": {"net_arch": [256, 256]}, "learning_starts": 100}
WORKS = (
    Work(
        "PPO, CartPole-v1 x 8, n_steps 256, batch 256, 10 epochs", "PPO", "CartPole-v1", 8, 20_480,
        {"n_steps": 256, "batch_size": 256, "n_epochs": 10}, (4.0, 3.0, 0.6),
    ),
    Work("PPO, Pendulum-v1 x 4, defaults", "PPO", "Pendulum-v1", 4, 16_384, {}, (4.0, 2.5, None)),
    Work("A2C, CartPole-v1 x 8, defaults", "A2C", "CartPole-v1", 8, 20_000, {}, (4.0, None, 0.7)),
    Work("SAC, Pendulum-v1, 256x256", "SAC", "Pendulum-v1", 1, 800, _LARGE, (2.1, 1.2, 0.8)),
    Work(
        "SAC, Pendulum-v1, 256x256, bf16", "SAC", "Pendulum-v1", 1, 800, _LARGE, (2.8, 1.5, None),
        WITH_HALF,
    ),
    Work("TD3, Pendulum-v1, 256x256", "TD3", "Pendulum-v1", 1, 800, _LARGE, (1.7, 1.2, 0.75)),
)  # fmt: skip


VARIED: Mapping[str, tuple[int, ...]] = {
    "n_envs": (1, 4, 16, 64, 256),
    "width": (64, 256, 1024),
    "batch_size": (64, 256, 1024),
}
"""What cost is measured against, and the values that it takes."""
_ROLLOUT = 2048


def varied(work: Work, what: str) -> list[Work]:
    """The work with other numbers of environments, units per layer or rows per batch, without
    targets. On-policy rollouts stay as long in all, and hold whole batches.

    :param what: of :data:`VARIED`
    """
    found = []
    for value in VARIED[what]:
        arguments, n_envs = dict(work.arguments), work.n_envs
        if what == "n_envs":
            n_envs = value
        elif what == "width":
            arguments["policy_kwargs"] = {"net_arch": [value, value]}
        else:
            arguments["batch_size"] = value
        if work.algo == "PPO":
            arguments["n_steps"] = _ROLLOUT // n_envs
        name = f"{work.algo}, {work.env_id}, {what} {value}"
        targets = (None, None, None)
        found.append(replace(work, name=name, n_envs=n_envs, arguments=arguments, targets=targets))
    return found


def sides_of(work: Work) -> list[Side]:
    """Those that have the algorithm."""
    lacking = {"sbx"} if work.algo == "A2C" else set()
    return [side for side in work.sides if side.installed and side.package not in lacking]
