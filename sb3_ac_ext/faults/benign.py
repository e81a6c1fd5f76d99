"""Legitimate changes that break nothing: what no alarm may be raised about."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import gymnasium as gym
import numpy as np

from sb3_ac_ext.faults.base import Fault, Kind
from sb3_ac_ext.faults.changed_env import ChangedEnv, TaskFault, changed, mirrored
from sb3_ac_ext.faults.overriding import replaced
from sb3_ac_ext.faults.settings import SettingFault
from sb3_ac_ext.faults.update import ModelFault


class _Slow(ChangedEnv):
    def step(self, action: Any) -> Any:
        time.sleep(self.severity)
        return super().step(action)


class _MoreInfo(ChangedEnv):
    def step(self, action: Any) -> Any:
        *result, info = super().step(action)
        return (*result, {**info, "lives": 3, "debug/episode_steps": self.episode_steps})


class _OtherSeed(Fault):
    def edit(self, kwargs: dict[str, Any], severity: float) -> dict[str, Any]:
        return {**kwargs, "seed": (kwargs.get("seed") or 0) + int(severity)}


class _OtherHorizon(Fault):
    """1 / (1 - gamma) is multiplied by the severity."""

    def edit(self, kwargs: dict[str, Any], severity: float) -> dict[str, Any]:
        return {**kwargs, "gamma": 1.0 - (1.0 - kwargs.get("gamma", 0.99)) / severity}


def _second_limit(env: gym.Env[Any, Any], worker: int, severity: float) -> gym.Env[Any, Any]:
    limit = env.spec.max_episode_steps if env.spec else None
    return env if limit is None else gym.wrappers.TimeLimit(env, limit)


def _learning_rate(model: Any, severity: float) -> AbstractContextManager[None]:
    usual = model.lr_schedule
    return replaced(model, lr_schedule=lambda progress: severity * usual(progress))


@contextmanager
def _batch_size(model: Any, severity: float) -> Iterator[None]:
    with replaced(model, batch_size=int(model.batch_size * severity)):
        yield


def _noisy(env: ChangedEnv, observation: Any) -> Any:
    env.moments.add(observation.astype(np.float64))
    return observation + env.severity * env.moments.std * env.rng.normal(size=observation.shape)


def _benign(cls: type[Any], name: str, summary: str, **knobs: Any) -> Any:
    return cls(
        name=name,
        component="none",
        cause="",
        kind=Kind.BENIGN,
        summary=summary,
        **knobs,
    )


FAULTS: tuple[Fault, ...] = (
    _benign(
        TaskFault,
        "reward_doubled",
        "all rewards are doubled",
        wrapper=changed(reward=lambda env, reward: env.severity * reward),
        severity=2.0,
        unit="factor",
    ),
    _benign(
        TaskFault,
        "reward_offset",
        "a constant is added to every reward, where all episodes have the same length",
        wrapper=changed(reward=lambda env, reward: reward + env.severity),
        unit="reward",
        needs=("fixed_length",),
    ),
    _benign(
        TaskFault,
        "action_sign_consistent",
        "actions work the other way round, always and everywhere",
        wrapper=changed(action=lambda env, action: mirrored(env.action_space, action)),
    ),
    _benign(
        TaskFault,
        "obs_permuted_consistent",
        "the entries of the observation come in one other order, always and everywhere",
        wrapper=changed(observation=lambda env, obs: np.roll(obs, int(env.severity), axis=-1)),
        unit="places",
    ),
    _benign(
        TaskFault,
        "obs_scaled_mildly",
        "all observations are doubled",
        wrapper=changed(observation=lambda env, observation: env.severity * observation),
        severity=2.0,
        unit="factor",
    ),
    _benign(
        TaskFault,
        "obs_noise_tiny",
        "observations carry a little noise",
        wrapper=changed(observation=_noisy),
        severity=0.01,
        unit="standard deviations of each entry",
    ),
    _benign(
        TaskFault,
        "slow_env",
        "every step takes a little longer",
        wrapper=_Slow,
        severity=1e-4,
        unit="seconds",
    ),
    _benign(
        TaskFault,
        "time_limit_twice",
        "the time limit is applied twice, with the same number of steps",
        wrapper=_second_limit,
    ),
    _benign(
        TaskFault,
        "extra_info_keys",
        "infos hold more than SB3 knows",
        wrapper=_MoreInfo,
    ),
    _benign(_OtherSeed, "other_seed", "another seed", severity=1000.0, unit="added to the seed"),
    _benign(
        _OtherHorizon,
        "gamma_slightly_higher",
        "gamma looks ahead twice as far",
        severity=2.0,
        unit="factor of 1 / (1 - gamma)",
    ),
    _benign(
        _OtherHorizon,
        "gamma_slightly_lower",
        "gamma looks ahead half as far",
        severity=0.5,
        unit="factor of 1 / (1 - gamma)",
    ),
    _benign(
        ModelFault,
        "learning_rate_slightly_higher",
        "the learning rate is half as high again",
        broken=_learning_rate,
        severity=1.5,
        unit="factor",
    ),
    _benign(
        ModelFault,
        "batch_doubled",
        "batch_size is doubled",
        broken=_batch_size,
        severity=2.0,
        unit="factor",
        algos=("ppo", "sac", "td3", "ddpg"),
    ),
    _benign(
        SettingFault,
        "net_arch_larger",
        "networks of two larger layers",
        changes=lambda severity: {"policy_kwargs": {"net_arch": [int(severity)] * 2}},
        severity=128.0,
        unit="units per layer",
    ),
)
