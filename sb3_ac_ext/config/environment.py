"""The part of the settings that shapes the environments, not the algorithm."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, replace
from typing import Any

from sb3_ac_ext.config.components import Component, parse_components
from sb3_ac_ext.config.numbers import whole_number
from sb3_ac_ext.literals import parse_literal
from sb3_ac_ext.lookup import about, unknown

ENVIRONMENT_KEYS = (
    "n_envs",
    "env_kwargs",
    "eval_env_kwargs",
    "env_wrapper",
    "vec_env_wrapper",
    "frame_stack",
    "normalize",
    "monitor_kwargs",
)


@dataclass(frozen=True)
class EnvironmentConfig:
    """
    :param n_envs: number of workers
    :param env_kwargs: keyword arguments of the training environments
    :param eval_env_kwargs: those of the evaluation environments
    :param env_wrapper: applied to each environment, above its ``Monitor``, first to last
    :param vec_env_wrapper: applied to the vectorised environment, below ``VecNormalize``
    :param frame_stack: how many observations to stack, ``None`` for no stacking
    :param normalize: keyword arguments of ``VecNormalize``, ``None`` for no normalisation
    :param monitor_kwargs: keyword arguments of ``Monitor``
    """

    n_envs: int
    env_kwargs: Mapping[str, Any]
    eval_env_kwargs: Mapping[str, Any]
    env_wrapper: tuple[Component, ...]
    vec_env_wrapper: tuple[Component, ...]
    frame_stack: int | None
    normalize: Mapping[str, Any] | None
    monitor_kwargs: Mapping[str, Any]


def pop_environment(entry: MutableMapping[str, Any], gamma: float) -> EnvironmentConfig:
    """Take all keys of the environment out of the settings.

    :param entry: settings of one run, changed in place
    :param gamma: the algorithm's discount factor, with which rewards are normalised
    :raises ValueError: naming the key and the value that it cannot have
    """
    env_kwargs = parse_mapping(entry.pop("env_kwargs", None), "env_kwargs")
    eval_env_kwargs = entry.pop("eval_env_kwargs", None)
    frame_stack = entry.pop("frame_stack", None)
    return EnvironmentConfig(
        n_envs=whole_number(entry.pop("n_envs", 1), "n_envs"),
        env_kwargs=env_kwargs,
        eval_env_kwargs=(
            env_kwargs
            if eval_env_kwargs is None
            else parse_mapping(eval_env_kwargs, "eval_env_kwargs")
        ),
        env_wrapper=parse_components(entry.pop("env_wrapper", None), "env_wrapper"),
        vec_env_wrapper=_vec_env_wrappers(entry.pop("vec_env_wrapper", None), gamma),
        frame_stack=None if frame_stack is None else whole_number(frame_stack, "frame_stack"),
        normalize=parse_normalize(entry.pop("normalize", False), gamma),
        monitor_kwargs=parse_mapping(entry.pop("monitor_kwargs", None), "monitor_kwargs"),
    )


def _vec_env_wrappers(value: Any, gamma: float) -> tuple[Component, ...]:
    """With the algorithm's discount factor where that is normalised with, unless it is given."""
    from sb3_ac_ext.wrappers import VecWorkerNormalizeReward

    found = parse_components(value, "vec_env_wrapper")
    return tuple(
        replace(one, kwargs={"gamma": gamma, **one.kwargs})
        if isinstance(one.target, type) and issubclass(one.target, VecWorkerNormalizeReward)
        else one
        for one in found
    )


def parse_normalize(value: Any, gamma: float) -> dict[str, Any] | None:
    """
    :param value: ``true``, ``false``, a mapping, or ``"dict(norm_obs=True, norm_reward=False)"``
    :param gamma: discount factor, unless the value has its own
    :return: keyword arguments of ``VecNormalize``; ``None`` to leave it out
    :raises ValueError: for another value, or a keyword that ``VecNormalize`` does not have
    """
    from stable_baselines3.common.vec_env import VecNormalize

    if value is None or value is False:
        return None
    kwargs = {} if value is True else parse_mapping(value, "normalize")
    accepted = set(inspect.signature(VecNormalize).parameters) - {"venv"}
    for name in kwargs:
        if name not in accepted:
            raise unknown("normalize keyword", name, accepted)
    return {"gamma": gamma, **kwargs}


def parse_mapping(value: Any, key: str) -> dict[str, Any]:
    """
    :param value: a mapping, ``"dict(a=1)"``, or ``None`` for an empty one
    :param key: the YAML key, for the error
    :raises ValueError: for anything else
    """
    with about(key):
        parsed = parse_literal(value) if isinstance(value, str) else value
    if parsed is None:
        return {}
    if not isinstance(parsed, Mapping) or not all(isinstance(name, str) for name in parsed):
        raise ValueError(f"{key}: {value!r} is not a mapping of keywords")
    return dict(parsed)
