"""One run's settings, complete and checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.utils import ConstantSchedule

from sb3_ac_ext import registry
from sb3_ac_ext.config.annotations import annotated_types
from sb3_ac_ext.config.components import Component, parse_components
from sb3_ac_ext.config.constructor import constructor_parameters, parse_constructor
from sb3_ac_ext.config.environment import ENVIRONMENT_KEYS, EnvironmentConfig, pop_environment
from sb3_ac_ext.config.files import config_path, read_table, select_entry
from sb3_ac_ext.config.noise import ActionNoiseConfig, pop_noise
from sb3_ac_ext.config.numbers import whole_number
from sb3_ac_ext.lookup import unknown
from sb3_ac_ext.schedules import Schedule, make_schedule

_NOISE_KEYS = ("noise_type", "noise_std")
_AUTO_ENT_COEF = re.compile(r"^auto(_[0-9.eE+-]+)?$")


@dataclass(frozen=True)
class Config:
    """
    :param algo: name or dotted path of the algorithm
    :param source: file or module that the settings came from
    :param entry: which of its entries
    :param raw: the settings as written, after all overrides: what ``config.yml`` keeps
    :param hyperparameters: keyword arguments of the algorithm's constructor
    :param n_timesteps: environment steps to train for
    :param environment: what shapes the environments
    :param action_noise: exploration noise, ``None`` for none
    :param ent_coef_schedule: entropy coefficient over training, ``None`` if constant or learned
    :param callbacks: those that the settings name
    """

    algo: str
    source: str
    entry: str
    raw: Mapping[str, Any]
    hyperparameters: Mapping[str, Any]
    n_timesteps: int
    environment: EnvironmentConfig
    action_noise: ActionNoiseConfig | None = None
    ent_coef_schedule: Schedule | None = None
    callbacks: tuple[Component, ...] = ()


def load_config(
    algo: str,
    env_id: str,
    conf_file: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    n_timesteps: int = -1,
    is_atari: bool = False,
) -> Config:
    """Read the settings for an algorithm and an environment.

    :param algo: registered name or dotted path
    :param env_id: gymnasium's id
    :param conf_file: YAML file, Python file or module; our own file for the algorithm by default
    :param overrides: settings that replace those of the file
    :param n_timesteps: if positive, replaces the file's
    :param is_atari: whether the ``atari`` entry may serve
    :raises ValueError: for anything unknown or impossible, naming it and what is accepted
    """
    source = conf_file or str(config_path(registry.lineage(algo)))
    table = read_table(source)
    name = select_entry(table, env_id, is_atari, source)
    raw = {**table[name], **(overrides or {})}
    if n_timesteps > 0:
        raw.setdefault("n_timesteps", n_timesteps)
    return configure(algo, raw, source, name, n_timesteps)


def configure(
    algo: str, raw: Mapping[str, Any], source: str, name: str, n_timesteps: int = -1
) -> Config:
    """Settings that were read already.

    :param algo: registered name or dotted path
    :param raw: all of them, as written
    :param source: where they came from
    :param name: of the entry there
    :param n_timesteps: if positive, replaces theirs
    :raises ValueError: for anything unknown or impossible, naming it and what is accepted
    """
    cls = registry.algorithm(algo)
    check_keys(raw, cls)
    entry = dict(raw)
    steps = whole_number(entry.pop("n_timesteps"), "n_timesteps")
    callbacks = parse_components(entry.pop("callback", None), "callback")
    noise = pop_noise(entry)
    environment = pop_environment(entry, _gamma(entry, cls))
    schedule = _pop_ent_coef_schedule(entry, cls)
    hyperparameters = parse_constructor(entry, cls)
    _give_gamma(hyperparameters, _gamma(entry, cls))
    return Config(
        algo=algo,
        source=source,
        entry=name,
        raw=raw,
        hyperparameters=hyperparameters,
        n_timesteps=n_timesteps if n_timesteps > 0 else steps,
        environment=environment,
        action_noise=noise,
        ent_coef_schedule=schedule,
        callbacks=callbacks,
    )


def check_keys(entry: Mapping[str, Any], cls: type[BaseAlgorithm]) -> None:
    """
    :param entry: all settings of a run
    :param cls: algorithm class
    :raises ValueError: naming a key that nothing reads, or one that is missing
    """
    parameters = constructor_parameters(cls)
    noise_keys = _NOISE_KEYS if "action_noise" in parameters else ()
    accepted = {*parameters, *ENVIRONMENT_KEYS, *noise_keys, "n_timesteps", "callback"}
    for key in entry:
        if key not in accepted:
            raise unknown(f"hyperparameter of {cls.__name__}", key, accepted)
    for key in ("policy", "n_timesteps"):
        if key not in entry:
            raise ValueError(f"{key!r} is missing: the settings must have it")


def _gamma(entry: Mapping[str, Any], cls: type[BaseAlgorithm]) -> float:
    gamma = entry.get("gamma", constructor_parameters(cls)["gamma"].default)
    return float(gamma) if isinstance(gamma, (int, float)) else 0.99


def _give_gamma(hyperparameters: dict[str, Any], gamma: float) -> None:
    """The discount factor for a replay buffer that normalises rewards, unless it is given."""
    from sb3_ac_ext.buffers import WorkerNormalizedReplayBuffer

    cls = hyperparameters.get("replay_buffer_class")
    if isinstance(cls, type) and issubclass(cls, WorkerNormalizedReplayBuffer):
        own = hyperparameters.get("replay_buffer_kwargs") or {}
        hyperparameters["replay_buffer_kwargs"] = {"gamma": gamma, **own}


def _pop_ent_coef_schedule(entry: dict[str, Any], cls: type[BaseAlgorithm]) -> Schedule | None:
    """Leave the initial value in the settings, and return the schedule where there is one."""
    value = entry.get("ent_coef")
    if value is None:
        return None
    learnable = str in annotated_types(constructor_parameters(cls)["ent_coef"])
    if learnable and isinstance(value, str) and _AUTO_ENT_COEF.match(value):
        return None
    schedule = make_schedule(value, "ent_coef other than auto" if learnable else "ent_coef")
    entry["ent_coef"] = float(schedule(1.0))
    return None if isinstance(schedule, ConstantSchedule) else schedule
