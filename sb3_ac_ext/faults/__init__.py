"""Faults to inject into training with Stable-Baselines3, for testing what should raise an alarm.

    env = faults.wrap("reward_sign", gym.make("CartPole-v1"))
    model = PPO("MlpPolicy", env, **faults.edit("learning_rate_high", {"n_steps": 256}))
    with faults.inject("frozen_critic", model):
        model.learn(20_000, callback=callback)

Each fault breaks one part of ppo, a2c, sac, td3 or ddpg, in the way of a real bug, and names the
cause that a right diagnosis finds. The same seeds give the same broken run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, overload

import gymnasium as gym
from stable_baselines3.common.vec_env import VecEnv

from sb3_ac_ext.faults.base import NEEDS, Fault, Kind
from sb3_ac_ext.faults.catalogue import get, names, register, table
from sb3_ac_ext.faults.changed_env import wrap_workers
from sb3_ac_ext.faults.injection import Injection
from sb3_ac_ext.faults.parts import algorithm_name

__all__ = [
    "NEEDS",
    "Fault",
    "Injection",
    "Kind",
    "edit",
    "get",
    "inject",
    "names",
    "register",
    "table",
    "wrap",
]

_PLACES = {
    "env": "wrap(name, env)",
    "vec_env": "wrap(name, vec_env)",
    "eval_env": "wrap(name, eval_vec_env)",
    "kwargs": "edit(name, kwargs)",
    "model": "inject(name, model)",
}


@overload
def wrap(
    name: str, env: gym.Env[Any, Any], severity: float | None = None, worker: int = 0
) -> gym.Env[Any, Any]: ...


@overload
def wrap(name: str, env: VecEnv, severity: float | None = None) -> VecEnv: ...


def wrap(name: str, env: Any, severity: float | None = None, worker: int = 0) -> Any:
    """An environment with a fault.

    A VecEnv is changed in place. Faults of the evaluation take the evaluation's VecEnv.

    :param name: of a fault
    :param env: an environment, or a VecEnv with all its wrappers
    :param severity: in the fault's unit; its default when not given
    :param worker: index of the environment among the workers; not for a VecEnv
    :raises ValueError: if the fault is unknown, acts elsewhere, or does not apply to ``env``
    """
    fault = get(name)
    injection = Injection(fault, severity)
    _object(fault, _misfit(fault, env.action_space, getattr(env, "num_envs", fault.least_envs)))
    if not isinstance(env, VecEnv):
        _require(fault, "env")
        return injection.env(env, worker)
    if "env" in fault.seams:
        return wrap_workers(env, injection.env)
    if "vec_env" in fault.seams:
        return injection.vec_env(env)
    _require(fault, "eval_env")
    return injection.eval_env(env)


def edit(name: str, kwargs: dict[str, Any], severity: float | None = None) -> dict[str, Any]:
    """Constructor arguments with a fault; the given ones stay as they are.

    :param name: of a fault
    :param kwargs: keyword arguments of the algorithm
    :param severity: in the fault's unit; its default when not given
    :raises ValueError: if the fault is unknown or acts elsewhere
    """
    fault = get(name)
    _require(fault, "kwargs")
    return Injection(fault, severity).kwargs(kwargs)


@contextmanager
def inject(name: str, model: Any, severity: float | None = None) -> Iterator[None]:
    """A model with a fault for the time of a ``with`` block.

    Afterwards the model is whole again; what training did to its weights stays.

    :param name: of a fault
    :param model: an SB3 algorithm, before ``learn()``
    :param severity: in the fault's unit; its default when not given
    :raises ValueError: if the fault is unknown, acts elsewhere, or does not apply to the model
    """
    fault = get(name)
    _require(fault, "model")
    algo = algorithm_name(model) or type(model).__name__
    continuous = isinstance(model.action_space, gym.spaces.Box)
    _object(fault, fault.objection(algo, continuous, model.n_envs))
    with Injection(fault, severity).model(model):
        yield


def _misfit(fault: Fault, space: gym.Space[Any], n_envs: int) -> str | None:
    return fault.objection(fault.algos[0], isinstance(space, gym.spaces.Box), n_envs)


def _object(fault: Fault, reason: str | None) -> None:
    if reason is not None:
        raise ValueError(f"fault {fault.name!r} cannot be injected here: {reason}")


def _require(fault: Fault, seam: str) -> None:
    if seam not in fault.seams:
        places = " and ".join(f"faults.{_PLACES[own]}" for own in fault.seams)
        raise ValueError(f"fault {fault.name!r} does not act here: use {places}")
