"""What every fault is: a description, and the seams at which it breaks a training run."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from enum import Enum
from typing import Any

import gymnasium as gym
from stable_baselines3.common.vec_env import VecEnv

ON_POLICY = ("ppo", "a2c")
OFF_POLICY = ("sac", "td3", "ddpg")
EVERY = (*ON_POLICY, *OFF_POLICY)

NEEDS = {
    "terminations": "episodes that end for good before the time limit",
    "truncations": "episodes that reach the time limit",
    "varied_rewards": "rewards that differ between steps",
    "raw_rewards": "no normalisation of rewards in training",
    "raw_observations": "no normalisation of observations in training",
    "fixed_length": "episodes that all have the same length",
}
"""What a fault may need of a task to be one; without it, it changes nothing or is mended."""

_SEAMS = {
    "env": "wrap_env",
    "vec_env": "wrap_vec_env",
    "kwargs": "edit",
    "model": "patch",
    "eval_env": "wrap_eval_env",
}


class Kind(str, Enum):
    """What a fault is expected to do; the benchmark measures whether it does.

    ``HARMFUL`` costs return. ``DEFECT`` breaks an exact invariant although simple tasks shrug it
    off. ``BENIGN`` is a legitimate change that breaks nothing: a negative control.
    """

    HARMFUL = "harmful"
    DEFECT = "defect"
    BENIGN = "benign"


@dataclass(frozen=True)
class Fault:
    """One way to break a run; a subclass overrides one or two of the seams, the others do nothing.

    :param name: in the registry
    :param component: the part of training that is broken
    :param cause: what a right diagnosis names, a key of the table of causes; empty when benign
    :param kind: what it is expected to do
    :param summary: one sentence
    :param severity: default of the knob
    :param unit: of the severity; empty where there is nothing to turn
    :param algos: algorithms that it applies to
    :param actions: ``any``, ``continuous`` or ``discrete`` action spaces
    :param least_envs: workers that it needs
    :param needs: what it needs of the task, keys of :data:`NEEDS`
    """

    name: str
    component: str
    cause: str
    kind: Kind
    summary: str
    severity: float = 1.0
    unit: str = ""
    algos: tuple[str, ...] = EVERY
    actions: str = "any"
    least_envs: int = 1
    needs: tuple[str, ...] = ()

    @property
    def seams(self) -> tuple[str, ...]:
        """Where it acts: ``env``, ``vec_env``, ``kwargs``, ``model``, ``eval_env``."""
        own = type(self)
        return tuple(s for s, name in _SEAMS.items() if getattr(own, name) is not _default(name))

    def applies(
        self, algo: str, continuous: bool, n_envs: int = 1, lacks: Collection[str] = ()
    ) -> bool:
        """Whether the fault can be injected into such a run.

        :param lacks: keys of :data:`NEEDS` that the task or its configuration does not have
        """
        return self.objection(algo, continuous, n_envs, lacks) is None

    def objection(
        self, algo: str, continuous: bool, n_envs: int = 1, lacks: Collection[str] = ()
    ) -> str | None:
        """Why the fault cannot be injected into such a run, ``None`` when it can."""
        if algo not in self.algos:
            return f"it applies to {', '.join(self.algos)}, not to {algo}"
        if self.actions not in ("any", "continuous" if continuous else "discrete"):
            return f"it needs {self.actions} actions"
        if n_envs < self.least_envs:
            return f"it needs at least {self.least_envs} workers, not {n_envs}"
        missing = [need for need in self.needs if need in lacks]
        return f"it needs {NEEDS[missing[0]]}" if missing else None

    def wrap_env(self, env: gym.Env[Any, Any], worker: int, severity: float) -> gym.Env[Any, Any]:
        """:param worker: index of the sub-environment"""
        return env

    def wrap_vec_env(self, env: VecEnv, severity: float) -> VecEnv:
        """:param env: the training environment with all its wrappers"""
        return env

    def edit(self, kwargs: dict[str, Any], severity: float) -> dict[str, Any]:
        """
        :param kwargs: constructor arguments of the algorithm
        :return: changed ones; the given ones stay as they are
        """
        return kwargs

    def patch(self, model: Any, severity: float) -> AbstractContextManager[None]:
        """Break a model for the time of a ``with`` block; all is undone after it, training is not.

        :param model: an SB3 algorithm, before ``learn()``
        """
        return nullcontext()

    def wrap_eval_env(self, env: VecEnv, severity: float) -> VecEnv:
        """:param env: the evaluation environment with all its wrappers"""
        return env


def _default(seam: str) -> Any:
    return getattr(Fault, seam)
