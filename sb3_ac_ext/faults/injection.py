"""A fault with its severity chosen, ready to be put into every place of a run."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
from stable_baselines3.common.vec_env import VecEnv

from sb3_ac_ext.faults.base import Fault


@dataclass(frozen=True)
class Injection:
    """A fault to inject: call every method at its place, each does nothing unless the fault acts
    there.

    :param fault: what to inject
    :param severity: in the fault's unit; its default when not given
    """

    fault: Fault
    severity: float | None = None

    @property
    def _severity(self) -> float:
        return self.fault.severity if self.severity is None else self.severity

    def env(self, env: gym.Env[Any, Any], worker: int = 0) -> gym.Env[Any, Any]:
        """:param env: one training environment, best before ``Monitor`` wraps it
        :param worker: its index among the sub-environments
        """
        return self.fault.wrap_env(env, worker, self._severity)

    def vec_env(self, env: VecEnv) -> VecEnv:
        """:param env: the training environment with all its wrappers"""
        return self.fault.wrap_vec_env(env, self._severity)

    def kwargs(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """:param kwargs: constructor arguments of the algorithm, which stay as they are"""
        return self.fault.edit(kwargs, self._severity)

    def model(self, model: Any) -> AbstractContextManager[None]:
        """:param model: an SB3 algorithm; it is whole again after the ``with`` block"""
        return self.fault.patch(model, self._severity)

    def eval_env(self, env: VecEnv) -> VecEnv:
        """:param env: the evaluation environment with all its wrappers"""
        return self.fault.wrap_eval_env(env, self._severity)
