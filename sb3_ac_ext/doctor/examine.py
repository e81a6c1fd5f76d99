"""One call that examines an environment, a configuration for it, or an algorithm."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_ac_ext import registry
from sb3_ac_ext.config import load_config
from sb3_ac_ext.config.environment import pop_environment
from sb3_ac_ext.doctor.algorithm import probe_checks
from sb3_ac_ext.doctor.deadline import Deadline
from sb3_ac_ext.doctor.environment import environment_checks
from sb3_ac_ext.doctor.examiner import Examiner
from sb3_ac_ext.doctor.records import Examination
from sb3_ac_ext.doctor.subject import Subject
from sb3_ac_ext.environments import check_env, find_env, is_atari
from sb3_ac_ext.lookup import dotted_name

TIMEOUT = 60.0
_ENVIRONMENT_SHARE = 0.6
_KNOWN = ("stable_baselines3.", "sb3_contrib.")
_SEEDS = 2**32


def examine(
    env_id: str | None = None,
    algo: str | type[BaseAlgorithm] | None = None,
    *,
    conf_file: str | None = None,
    hyperparams: Mapping[str, Any] | None = None,
    env_kwargs: Mapping[str, Any] | None = None,
    gym_packages: Iterable[str] = (),
    seed: int = 0,
    timeout: float = TIMEOUT,
) -> Examination:
    """Look for what would spoil a training before it begins.

    With an environment it is checked; with an algorithm too, its configuration for it. An algorithm
    alone is trained on five probe environments with known answers, and so is one that is not SB3's
    own beside an environment. SB3 seeds the global generators on the way.

    :param env_id: gymnasium's id
    :param algo: registered name, dotted path or class
    :param conf_file: YAML file, Python file or module; our own for the algorithm by default
    :param hyperparams: settings that replace those of the file
    :param env_kwargs: arguments of the environment, which replace the file's
    :param gym_packages: modules to import, because they register environments
    :param seed: of whatever is random
    :param timeout: seconds; checks that do not fit into them are skipped
    :raises ValueError: for names, files or values that cannot be
    """
    began = time.perf_counter()
    _check_arguments(env_id, algo, bool(conf_file or hyperparams), env_kwargs, seed, timeout)
    examiner = Examiner(Deadline(timeout))
    name = dotted_name(algo) if isinstance(algo, type) else algo
    examined: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if env_id is not None:
            subject = _subject(env_id, name, conf_file, hyperparams, env_kwargs, gym_packages, seed)
            examined.append(_described(subject))
            share = 1.0 if algo is None else _ENVIRONMENT_SHARE
            part = Examiner(examiner.deadline.part(timeout * share))
            environment_checks(subject, part)
            examiner.checks += part.checks
        if algo is not None:
            cls = algo if isinstance(algo, type) else registry.algorithm(algo)
            if env_id is None or not cls.__module__.startswith(_KNOWN):
                examined.append(f"{cls.__name__} in probe environments")
                examiner.checks += probe_checks(cls, seed, examiner.deadline)
    return Examination(", ".join(examined), tuple(examiner.checks), time.perf_counter() - began)


def _check_arguments(
    env_id: str | None,
    algo: object | None,
    has_settings: bool,
    env_kwargs: Mapping[str, Any] | None,
    seed: int,
    timeout: float,
) -> None:
    if env_id is None and algo is None:
        raise ValueError("nothing to examine: name an environment (--env), an algorithm (--algo)")
    if has_settings and (env_id is None or algo is None):
        raise ValueError("settings are of an algorithm in an environment: name --env and --algo")
    if env_kwargs and env_id is None:
        raise ValueError("arguments are of an environment: name --env")
    if not (math.isfinite(timeout) and timeout > 0):
        raise ValueError(f"timeout={timeout} must be a positive number of seconds")
    if not 0 <= seed < _SEEDS:
        raise ValueError(f"seed={seed} must be between 0 and {_SEEDS - 1}")


def _subject(
    env_id: str,
    algo: str | None,
    conf_file: str | None,
    hyperparams: Mapping[str, Any] | None,
    env_kwargs: Mapping[str, Any] | None,
    gym_packages: Iterable[str],
    seed: int,
) -> Subject:
    spec = find_env(env_id, gym_packages)
    own = {} if env_kwargs is None else {"env_kwargs": dict(env_kwargs)}
    config = None
    if algo is None:
        environment = pop_environment(dict(own), gamma=0.99)
    else:
        overrides = {**(hyperparams or {}), **own}
        config = load_config(algo, spec.id, conf_file, overrides, is_atari=is_atari(spec))
        environment = config.environment
    check_env(spec, environment.env_kwargs)
    return Subject(spec, environment, seed, config)


def _described(subject: Subject) -> str:
    if subject.config is None:
        return subject.spec.id
    config = subject.config
    source = f"{Path(config.source).name}, entry {config.entry!r}"
    return f"{subject.spec.id} with {config.algo} ({source})"
