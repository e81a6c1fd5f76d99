"""The environment under examination, made in the ways that the checks need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

from sb3_ac_ext import registry
from sb3_ac_ext.config import Config, EnvironmentConfig
from sb3_ac_ext.config.constructor import constructor_parameters
from sb3_ac_ext.environments import EnvFactory

Env = gym.Env[Any, Any]


@dataclass(frozen=True)
class Subject:
    """
    :param spec: registration of the environment
    :param environment: its arguments and wrappers
    :param seed: of whatever is random
    :param config: settings of a run, ``None`` where no algorithm was named
    """

    spec: EnvSpec
    environment: EnvironmentConfig
    seed: int
    config: Config | None = None

    @property
    def gamma(self) -> float:
        """The algorithm's discount factor, SB3's usual one without an algorithm."""
        if self.config is None:
            return 0.99
        return float(hyperparameter(self.config, "gamma", 0.99))

    @property
    def factory(self) -> EnvFactory:
        """Of the training and evaluation environments as the settings say."""
        return EnvFactory(self.spec, self.environment)

    def workers(self, n_envs: int) -> EnvFactory:
        """Of bare workers, without what acts on all of them together.

        :param n_envs: number of workers
        """
        bare = replace(
            self.environment, n_envs=n_envs, vec_env_wrapper=(), normalize=None, frame_stack=None
        )
        return EnvFactory(self.spec, bare)

    @contextmanager
    def single(self, **kwargs: Any) -> Iterator[Env]:
        """One environment as a worker sees it, closed at the end.

        :param kwargs: of ``gymnasium.make``
        """
        arguments = {**self.environment.env_kwargs, **kwargs}
        env: Env = self.spec.make(disable_env_checker=True, **arguments)
        try:
            for wrapper in self.environment.env_wrapper:
                env = wrapper.build(env)
            yield env
        finally:
            env.close()


def hyperparameter(config: Config, name: str, default: Any = None) -> Any:
    """A setting, or the default of the algorithm's constructor.

    :param config: settings of a run
    :param name: of the hyperparameter
    :param default: if the algorithm has no such parameter
    """
    if name in config.hyperparameters:
        return config.hyperparameters[name]
    parameter = constructor_parameters(registry.algorithm(config.algo)).get(name)
    return (
        default
        if parameter is None or parameter.default is parameter.empty
        else (parameter.default)
    )
