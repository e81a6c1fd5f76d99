"""Advantages and returns that are not the generalised advantage estimate of the rollout."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import numpy as np
import torch as th

from sb3_ac_ext.faults.base import ON_POLICY, Fault, Kind
from sb3_ac_ext.faults.buffer import Methods
from sb3_ac_ext.faults.overriding import overridden
from sb3_ac_ext.faults.rollout_data import computed, rollout_fault


def _shuffle_advantages(buffer: Any, *_: Any) -> None:
    rng = np.random.default_rng(buffer.pos)
    buffer.advantages = rng.permutation(buffer.advantages.flatten()).reshape(buffer.rewards.shape)


def _zero(buffer: Any, *_: Any) -> None:
    buffer.advantages[:] = 0.0


def _reverse_time(buffer: Any, *_: Any) -> None:
    buffer.advantages = buffer.advantages[::-1].copy()


def _negate(buffer: Any, *_: Any) -> None:
    buffer.advantages *= -1.0


def _other_worker(buffer: Any, *_: Any) -> None:
    buffer.advantages = np.roll(buffer.advantages, 1, axis=1)


def _no_values(buffer: Any, *_: Any) -> None:
    buffer.returns = buffer.advantages.copy()


def _zero_last_values(model: Any, severity: float) -> Methods:
    def compute(original: Any, last_values: Any, dones: Any) -> None:
        original(th.zeros_like(last_values), dones)

    return {"compute_returns_and_advantage": compute}


def _ignore_ends(model: Any, severity: float) -> Methods:
    def compute(original: Any, last_values: Any, dones: Any) -> None:
        buffer = model.rollout_buffer
        starts, buffer.episode_starts = buffer.episode_starts, np.zeros_like(buffer.episode_starts)
        original(last_values, np.zeros_like(dones))
        buffer.episode_starts = starts

    return {"compute_returns_and_advantage": compute}


def _with_other(name: str) -> Callable[[Any, float], Methods]:
    """Compute with another ``gamma`` or ``gae_lambda`` than the model's."""

    def methods(model: Any, severity: float) -> Methods:
        def compute(original: Any, last_values: Any, dones: Any) -> None:
            buffer = model.rollout_buffer
            right = getattr(buffer, name)
            setattr(buffer, name, severity)
            original(last_values, dones)
            setattr(buffer, name, right)

        return {"compute_returns_and_advantage": compute}

    return methods


class NoTimeoutBootstrap(Fault):
    """The flag of a time limit is lost between ``env.step()`` and the bootstrap of the reward."""

    def patch(self, model: Any, severity: float) -> AbstractContextManager[None]:
        def lose_flags(original: Any, infos: list[dict[str, Any]], dones: Any = None) -> None:
            original(infos, dones)
            infos[:] = [{**info, "TimeLimit.truncated": False} for info in infos]

        return overridden(model, _update_info_buffer=lose_flags)


_CAUSE = "advantage_computation"
_fault = partial(rollout_fault, _CAUSE)

FAULTS = (
    _fault(
        "advantages_shuffled",
        "advantages belong to other steps: their order is random",
        computed(_shuffle_advantages),
    ),
    _fault("advantages_zero", "every advantage is 0", computed(_zero)),
    _fault(
        "advantages_reversed_time",
        "advantages are stored from the last step to the first",
        computed(_reverse_time),
    ),
    _fault("advantages_sign", "advantages are value minus return", computed(_negate)),
    _fault(
        "advantages_of_other_worker",
        "advantages belong to the next worker, as after a wrong reshape",
        computed(_other_worker),
        least_envs=2,
    ),
    _fault(
        "last_value_zero",
        "the value after the last step of a rollout counts as 0",
        _zero_last_values,
        kind=Kind.DEFECT,
    ),
    _fault(
        "ignores_episode_ends",
        "advantages run on across the ends of episodes",
        _ignore_ends,
        kind=Kind.DEFECT,
    ),
    _fault(
        "gamma_mismatch",
        "advantages are computed with another gamma than the model's",
        _with_other("gamma"),
        severity=0.5,
        unit="gamma",
    ),
    _fault(
        "lambda_mismatch",
        "advantages are computed with another gae_lambda than the model's",
        _with_other("gae_lambda"),
        severity=0.3,
        unit="gae_lambda",
        kind=Kind.DEFECT,
    ),
    _fault(
        "returns_without_values",
        "returns are the advantages: the values are not added back",
        computed(_no_values),
    ),
    NoTimeoutBootstrap(
        name="no_timeout_bootstrap",
        component="rollout buffer",
        cause="time_limit_handling",
        kind=Kind.DEFECT,
        summary="the value of the last state is not added to the reward at a time limit",
        algos=ON_POLICY,
        needs=("truncations",),
    ),
)
