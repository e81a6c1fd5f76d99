"""One worker that differs from the others, and workers that do not differ enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from sb3_ac_ext.faults.base import Fault, Kind
from sb3_ac_ext.faults.changed_env import ChangedEnv, EnvFault, changed, later, mirrored
from sb3_ac_ext.faults.dynamics import random_action
from sb3_ac_ext.faults.overriding import override

BROKEN = 3
"""Index of the worker that is broken where only one is."""


class _Frozen(ChangedEnv):
    """A simulator that hangs: the last observation for ever, no reward, no end."""

    _last: Any = None

    def observation(self, observation: Any) -> Any:
        if self._last is None or not later(self):
            self._last = observation
        return self._last

    def reward(self, reward: Any) -> Any:
        return 0.0 if later(self) else reward

    def ends(self, terminated: bool, truncated: bool) -> tuple[bool, bool]:
        return (False, False) if later(self) else (terminated, truncated)


class _SameSeed(ChangedEnv):
    """The seed is a constant, whatever the caller gives; later resets go on from there."""

    _always = False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        if self._always or seed is not None or self.n_steps == 0:
            seed = int(self.severity)
        return super().reset(seed=seed, options=options)


class _SameSeedAlways(_SameSeed):
    _always = True


class _Misrouted(Fault):
    """Actions reach the next worker, as after a sort or a race in a VecEnv."""

    def wrap_vec_env(self, env: VecEnv, severity: float) -> VecEnv:
        override(env.unwrapped, step_async=_to_the_next)
        return env


def _to_the_next(step_async: Callable[..., None], actions: Any) -> None:
    step_async(np.roll(actions, 1, axis=0))


def _one(name: str, cause: str, summary: str, wrapper: type[ChangedEnv], **knobs: Any) -> EnvFault:
    return EnvFault(
        name=name,
        component="workers",
        cause=cause,
        summary=summary,
        wrapper=wrapper,
        only=BROKEN,
        least_envs=BROKEN + 1,
        **{"kind": Kind.HARMFUL, **knobs},
    )


def _rewards(reward: Callable[[ChangedEnv, float], float]) -> type[ChangedEnv]:
    return changed(reward=lambda env, value: reward(env, float(value)))


_DEFECT = {"kind": Kind.DEFECT}
_FACTOR = {**_DEFECT, "unit": "factor"}

FAULTS = (
    _one(
        "worker_reward_scale",
        "worker_reward_scale",
        "worker 3 pays rewards on a larger scale",
        _rewards(lambda env, reward: reward * env.severity),
        severity=10.0,
        **_FACTOR,
    ),
    _one(
        "worker_reward_scale_small",
        "worker_reward_scale",
        "worker 3 pays rewards on a smaller scale",
        _rewards(lambda env, reward: reward * env.severity),
        severity=0.1,
        **_FACTOR,
    ),
    _one(
        "worker_reward_scale_midway",
        "worker_reward_scale",
        "worker 3 begins to pay ten times the reward",
        _rewards(lambda env, reward: 10.0 * reward if later(env) else reward),
        severity=1250.0,
        unit="steps of one worker until it begins",
        **_DEFECT,
    ),
    _one(
        "worker_reward_sign",
        "worker_reward_sign",
        "worker 3 pays rewards of the opposite sign",
        _rewards(lambda env, reward: -env.severity * reward),
        unit="factor beside the sign",
    ),
    _one(
        "worker_reward_zero",
        "worker_stuck",
        "worker 3 pays no rewards",
        _rewards(lambda env, reward: 0.0),
        **_DEFECT,
    ),
    _one(
        "worker_frozen",
        "worker_stuck",
        "worker 3 hangs: the same observation for ever, no reward, no end",
        _Frozen,
        severity=100.0,
        unit="steps of one worker until it begins",
        **_DEFECT,
    ),
    _one(
        "worker_obs_scale",
        "worker_observations",
        "worker 3 gives observations on a larger scale",
        changed(observation=lambda env, observation: observation * env.severity),
        severity=10.0,
        **_FACTOR,
    ),
    _one(
        "worker_obs_zero",
        "worker_observations",
        "worker 3 gives observations that are all 0, while its rewards and episodes go on",
        changed(observation=lambda env, observation: observation * 0),
        **_DEFECT,
    ),
    _one(
        "worker_action_sign",
        "worker_dynamics",
        "worker 3 executes actions with the opposite sign, or choices in reverse order",
        changed(action=lambda env, action: mirrored(env.action_space, action)),
    ),
    _one(
        "worker_action_ignored",
        "worker_dynamics",
        "worker 3 executes random actions",
        changed(action=lambda env, action: random_action(env)),
        **_DEFECT,
    ),
    EnvFault(
        name="worker_same_seed",
        component="workers",
        cause="worker_seeding",
        kind=Kind.DEFECT,
        summary="every worker is seeded with the same number",
        severity=7.0,
        unit="seed",
        least_envs=2,
        wrapper=_SameSeed,
    ),
    EnvFault(
        name="worker_same_seed_every_reset",
        component="workers",
        cause="worker_seeding",
        kind=Kind.DEFECT,
        summary="every reset of every worker is seeded with the same number",
        severity=7.0,
        unit="seed",
        least_envs=2,
        wrapper=_SameSeedAlways,
    ),
    _Misrouted(
        name="worker_actions_misrouted",
        component="workers",
        cause="action_path",
        kind=Kind.HARMFUL,
        summary="every action is executed by the next worker",
        least_envs=2,
    ),
)
