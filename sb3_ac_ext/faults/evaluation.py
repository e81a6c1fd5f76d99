"""Evaluation environments that are not like the training environment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stable_baselines3.common.vec_env import (
    VecEnv,
    VecEnvWrapper,
    VecNormalize,
    unwrap_vec_normalize,
)

from sb3_ac_ext.faults.base import Fault, Kind
from sb3_ac_ext.faults.changed_env import ChangedEnv, changed, mirrored, wrap_workers


@dataclass(frozen=True, kw_only=True)
class EvalFault(Fault):
    """A fault of the evaluation environment.

    :param wrapper: of each of its workers
    """

    wrapper: type[ChangedEnv]

    def wrap_eval_env(self, env: VecEnv, severity: float) -> VecEnv:
        return wrap_workers(env, lambda one, worker: self.wrapper(one, worker, severity))


class NormaliserTrains(Fault):
    """The evaluation's normaliser learns from the evaluation and changes rewards."""

    def wrap_eval_env(self, env: VecEnv, severity: float) -> VecEnv:
        normaliser = unwrap_vec_normalize(env)
        if normaliser is None:
            return VecNormalize(env)
        normaliser.training = normaliser.norm_reward = True
        return env


class NormalisedTwice(Fault):
    """The evaluation has a second normaliser below all other wrappers."""

    def wrap_eval_env(self, env: VecEnv, severity: float) -> VecEnv:
        wrapper = env
        if not isinstance(wrapper, VecEnvWrapper):
            return VecNormalize(env, norm_reward=False)
        while isinstance(wrapper.venv, VecEnvWrapper):
            wrapper = wrapper.venv
        wrapper.venv = VecNormalize(wrapper.venv, norm_reward=False)
        return env


def _fault(name: str, summary: str, wrapper: type[ChangedEnv], **knobs: Any) -> EvalFault:
    return EvalFault(
        name=name,
        component="evaluation",
        cause="evaluation_mismatch",
        kind=Kind.DEFECT,
        summary=summary,
        wrapper=wrapper,
        **knobs,
    )


def _observed(observation: Callable[[ChangedEnv, Any], Any]) -> type[ChangedEnv]:
    return changed(observation=observation)


_NORMALISER: dict[str, Any] = {
    "component": "evaluation",
    "cause": "evaluation_normaliser",
    "kind": Kind.DEFECT,
}

FAULTS = (
    _fault(
        "eval_action_sign",
        "the evaluation executes actions with the opposite sign, or choices in reverse order",
        changed(action=lambda env, action: mirrored(env.action_space, action)),
    ),
    _fault(
        "eval_obs_scale",
        "a wrapper that scales observations is missing in the evaluation",
        _observed(lambda env, observation: observation * env.severity),
        severity=10.0,
        unit="factor",
    ),
    _fault(
        "eval_obs_reversed",
        "the entries of the observation come in reverse order in the evaluation",
        _observed(lambda env, observation: observation[..., ::-1]),
    ),
    _fault(
        "eval_reward_scale",
        "a wrapper that scales rewards is missing in the evaluation",
        changed(reward=lambda env, reward: env.severity * reward),
        severity=0.1,
        unit="factor",
    ),
    _fault(
        "eval_time_limit_short",
        "the evaluation has a far shorter time limit",
        changed(
            ends=lambda env, terminated, truncated: (
                terminated,
                truncated or env.episode_steps >= env.severity,
            )
        ),
        severity=20.0,
        unit="steps",
    ),
    NormaliserTrains(
        name="eval_normaliser_training",
        summary="the evaluation's normaliser learns from the evaluation and changes its rewards",
        **_NORMALISER,
    ),
    NormalisedTwice(
        name="eval_normalised_twice",
        summary="the evaluation has one normaliser more than the training",
        **_NORMALISER,
    ),
)
