"""A source made alive: its environment, built as in training, and its model."""

from __future__ import annotations

from typing import Any

import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from sb3_ac_ext import registry
from sb3_ac_ext.environments import EnvFactory, check_env, find_env
from sb3_ac_ext.evaluation.opening import read_unit
from sb3_ac_ext.evaluation.source import NO_SETTINGS, Source


def make_factory(source: Source, env: str | None = None) -> EnvFactory:
    """
    :param source: whose environment is made as its run made it
    :param env: gymnasium's id, in place of the run's
    :raises ValueError: if there is no such environment, or nothing says which
    """
    run = source.run
    env_id = env or (None if run is None else str(run.args.get("env") or run.name))
    if env_id is None:
        told = "" if source.unit is None else f" (it was evaluated in {source.unit.unit.env!r})"
        raise ValueError(f"--env is needed: no run folder is around {str(source.model)!r}{told}")
    packages = () if run is None else run.args.get("gym_packages") or ()
    spec = find_env(env_id, packages)
    config = NO_SETTINGS if run is None else run.environment
    check_env(spec, config.eval_env_kwargs)
    return EnvFactory(spec, config, stats_path=source.vecnormalize)


def algorithm_of(source: Source, algo: str | None = None) -> type[BaseAlgorithm]:
    """
    :param source: a model
    :param algo: registered name or dotted path, in place of what its record or its run says
    :raises ValueError: if there is no such algorithm, or nothing says which
    """
    if algo is not None:
        return registry.algorithm(algo)
    if source.unit is not None:
        return registry.algorithm(source.unit.unit.algorithm)
    if source.run is not None and source.run.args.get("algo"):
        return registry.algorithm(str(source.run.args["algo"]))
    raise ValueError(
        f"--algo is needed: nothing beside {str(source.model)!r} tells which algorithm made it; "
        f"known are {', '.join(registry.names())}"
    )


def load(source: Source, cls: type[BaseAlgorithm], env: VecEnv, device: str) -> BaseAlgorithm:
    """
    :param source: a model
    :param cls: the algorithm that made it
    :param env: to act in
    :param device: PyTorch's
    :raises ValueError: if the file is no such model, does not fit the environment, or was replaced
        meanwhile
    """
    # what was learnt is in the networks; a replay buffer as large as in training is not needed
    smaller: dict[str, Any] = {"buffer_size": 1} if issubclass(cls, OffPolicyAlgorithm) else {}
    try:
        model = cls.load(source.model, env=env, device=device, **smaller)
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        what = f"model {str(source.model)!r}"
        if "spaces do not match" in reason:
            raise ValueError(f"{what} does not fit the environment: {reason}") from error
        raise ValueError(f"{what} cannot be loaded as {cls.__name__}: {reason}") from error
    if source.unit is not None:
        now = read_unit(source.model.parent)
        if now is None or now.unit != source.unit.unit:
            raise ValueError(f"{str(source.model)!r} was replaced while it was read: try again")
    return model


def check_device(device: str) -> None:
    """
    :param device: ``auto`` or PyTorch's name
    :raises ValueError: if it is unknown
    """
    if device == "auto":
        return
    try:
        th.device(device)
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"unknown device {device!r}: {reason}") from error
