"""Environments of a run: found by id, wrapped as the settings say, the same for every use."""

from __future__ import annotations

import importlib
import multiprocessing
import signal
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import gymnasium as gym
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.preprocessing import is_image_space, is_image_space_channels_first
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    VecEnv,
    VecFrameStack,
    VecNormalize,
    VecTransposeImage,
    is_vecenv_wrapped,
)

from sb3_ac_ext import workers
from sb3_ac_ext.checkpoints.episode_log import EpisodeLog
from sb3_ac_ext.checkpoints.workers import read
from sb3_ac_ext.config import Component, EnvironmentConfig
from sb3_ac_ext.lookup import import_module, nearest
from sb3_ac_ext.vec_envs.safe_subproc import SafeSubprocVecEnv
from sb3_ac_ext.wrappers import VecWorkerNormalizeReward

_VEC_ENVS: dict[str, type[DummyVecEnv] | type[SafeSubprocVecEnv]] = {
    "dummy": DummyVecEnv,
    "subproc": SafeSubprocVecEnv,
}
_EXTRAS = ("box2d", "mujoco")


def find_env(env_id: str, gym_packages: Iterable[str] = ()) -> EnvSpec:
    """
    :param env_id: gymnasium's id, ``module:id`` to import a module first
    :param gym_packages: modules to import, because they register environments
    :raises ValueError: if it is not registered, with the nearest id that is
    """
    module, _, name = env_id.rpartition(":")
    for package in (*gym_packages, *([module] if module else [])):
        import_module(package)
    if name not in gym.registry:
        _register_atari()
    if name not in gym.registry:
        near = nearest(name, gym.registry)
        hint = f", did you mean {near!r}?" if near else ";"
        raise ValueError(
            f"unknown environment {env_id!r}{hint} --gym-packages imports modules that have more"
        )
    return gym.registry[name]


def _register_atari() -> None:
    """Known to gymnasium only once their package is imported."""
    try:
        gym.register_envs(importlib.import_module("ale_py"))
    except ImportError:
        return


def is_atari(spec: EnvSpec) -> bool:
    """Whether an environment is one of the Atari games."""
    return "AtariEnv" in str(spec.entry_point)


def check_env(spec: EnvSpec, env_kwargs: Mapping[str, Any]) -> None:
    """Make an environment once, so that what is wrong with it is said here, and not by a worker.

    :param spec: its registration
    :param env_kwargs: its keyword arguments
    :raises ValueError: if it cannot be made, with the extra to install where that is the reason
    """
    try:
        spec.make(**env_kwargs).close()
    except TypeError as error:
        verb = f"refuses its arguments {dict(env_kwargs)}" if env_kwargs else "cannot be made"
        reason = str(error).partition(" was raised from the environment creator")[0]
        raise ValueError(f"environment {spec.id!r} {verb}: {reason}") from error
    except Exception as error:
        raise ValueError(f"environment {spec.id!r} cannot be made: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    text = str(error).strip().partition("\n")[0]
    missing = isinstance(error, (ImportError, gym.error.DependencyNotInstalled))
    for extra in _EXTRAS:
        if missing and extra in text.lower():
            return f'it needs {extra}, install it by: pip install "sb3-ac-ext[{extra}]"'
    return text or type(error).__name__


@dataclass(frozen=True)
class EnvFactory:
    """Makes vectorised environments that differ only in number, seed and use.

    :param spec: registration of the environment
    :param config: wrappers, normalisation and arguments
    :param vec_env: ``dummy`` or ``subproc``
    :param stats_path: statistics of a ``VecNormalize`` to begin with, ``None`` for new ones
    :param vec_env_kwargs: keyword arguments of the vectorised environment
    :param resumable: whether the state of training environments can be asked for
    :param going_on: whether ``monitor.csv`` files are there already and are continued
    :param made: what was made so far, to be closed at the end
    """

    spec: EnvSpec
    config: EnvironmentConfig
    vec_env: str = "dummy"
    stats_path: Path | None = None
    vec_env_kwargs: Mapping[str, Any] = field(default_factory=dict)
    resumable: bool = False
    going_on: bool = False
    made: list[VecEnv] = field(default_factory=list)

    def close(self) -> None:
        """Close all environments made, those of copies of this factory too."""
        while self.made:
            with suppress(Exception):  # a worker that died closes with an error
                workers.close(self.made.pop())

    def in_process(self) -> EnvFactory:
        """The same without worker processes."""
        return replace(self, vec_env="dummy", vec_env_kwargs={})

    def training(self, seed: int, monitor_dir: Path | None = None) -> VecEnv:
        """
        :param seed: of the first worker, the next ones count up
        :param monitor_dir: folder for ``<worker>.monitor.csv``
        """
        return self._make(self.config.n_envs, seed, self.config.env_kwargs, monitor_dir, False)

    def evaluation(self, n_envs: int, seed: int) -> VecEnv:
        """Without writing files, with statistics frozen and rewards as the environment pays them.

        :param n_envs: number of workers
        :param seed: of the first worker
        """
        return self._make(n_envs, seed, self.config.eval_env_kwargs, None, True)

    def _make(
        self,
        n_envs: int,
        seed: int,
        env_kwargs: Mapping[str, Any],
        monitor_dir: Path | None,
        evaluation: bool,
    ) -> VecEnv:
        env: VecEnv = make_vec_env(
            _Maker(self.spec),
            n_envs=n_envs,
            seed=seed,
            env_kwargs=dict(env_kwargs),
            monitor_dir=None if monitor_dir is None else str(monitor_dir),
            monitor_kwargs=self._monitor_kwargs(monitor_dir),
            wrapper_class=_Wrap(self.config.env_wrapper, not evaluation and self._needs_log),
            vec_env_cls=_VEC_ENVS[self.vec_env],
            vec_env_kwargs=dict(self.vec_env_kwargs),
        )
        self.made.append(env)
        for wrapper in self.config.vec_env_wrapper:
            env = wrapper.build(env)
            if evaluation and isinstance(env, VecWorkerNormalizeReward):
                env.worker_rewards.training = env.worker_rewards.norm_reward = False
        env = self._normalized(env, evaluation)
        if self.config.frame_stack is not None:
            env = VecFrameStack(env, self.config.frame_stack)
        return _transposed(env)

    def _monitor_kwargs(self, monitor_dir: Path | None) -> dict[str, Any]:
        going_on = self.going_on and monitor_dir is not None
        kwargs = {"override_existing": False} if going_on else {}
        return {**self.config.monitor_kwargs, **kwargs}

    @cached_property
    def _needs_log(self) -> bool:
        """Processes are asked for the state of their environments; some are replayed."""
        if not self.resumable or self.vec_env == "subproc":
            return self.resumable
        env = _Wrap(self.config.env_wrapper)(self.spec.make(**self.config.env_kwargs))
        try:
            env.reset(seed=0)
            return bool(read(env)[1])
        finally:
            env.close()

    def _normalized(self, env: VecEnv, evaluation: bool) -> VecEnv:
        if self.stats_path is not None:
            normalized = _load_statistics(self.stats_path, env)
        elif self.config.normalize is not None:
            normalized = VecNormalize(env, **self.config.normalize)
        else:
            return env
        if evaluation:
            normalized.training = normalized.norm_reward = False
        return normalized


@dataclass(frozen=True)
class _Maker:
    """Makes one environment, in whichever process."""

    spec: EnvSpec

    def __call__(self, **kwargs: Any) -> gym.Env[Any, Any]:
        if multiprocessing.parent_process() is not None:
            # Ctrl-C, and a scheduler's SIGTERM, reach all processes; the parent decides when its
            # workers end, which they do with its pipe
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
        return self.spec.make(**kwargs)


@dataclass(frozen=True)
class _Wrap:
    wrappers: tuple[Component, ...]
    log: bool = False

    def __call__(self, env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
        for wrapper in self.wrappers:
            env = wrapper.build(env)
        return EpisodeLog(env) if self.log else env


def _load_statistics(path: Path, env: VecEnv) -> VecNormalize:
    try:
        return VecNormalize.load(str(path), env)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"normaliser {str(path)!r} cannot be loaded: {reason}") from error


def _transposed(env: VecEnv) -> VecEnv:
    """Images channels first, as SB3 does for training, so that evaluation is wrapped alike."""
    if is_vecenv_wrapped(env, VecTransposeImage):
        return env
    space = env.observation_space
    parts = space.spaces.values() if isinstance(space, spaces.Dict) else [space]
    if any(is_image_space(p) and not is_image_space_channels_first(p) for p in parts):  # type: ignore[arg-type]
        return VecTransposeImage(env)
    return env
