"""What of a model goes into its compiled step, and which models have one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import RolloutBuffer

from sb3_ac_ext.algorithms.compiled.optimizers import pure
from sb3_ac_ext.algorithms.compiled.step import FIELDS, Job
from sb3_ac_ext.monitoring.neutral import has_modes


def refuses(model: Any) -> str | None:
    """Why a model's update cannot be compiled, ``None`` if it can."""
    policy, optimizer = model.policy, model.policy.optimizer
    if model.device.type != "cpu":
        return f"there is no compiled update for {model.device} yet"
    if type(model.rollout_buffer) is not RolloutBuffer:
        return f"{type(model.rollout_buffer).__name__} is not SB3's RolloutBuffer"
    if not isinstance(model.observation_space, spaces.Box):
        return f"observations are {model.observation_space}, not arrays"
    if has_modes(policy):
        return "the policy has dropout or batch norm"
    if pure(optimizer) is None:
        return f"{type(optimizer).__name__} with these settings has no compiled form"
    trained = [id(p) for group in optimizer.param_groups for p in group["params"]]
    if trained != [id(p) for p in policy.parameters()]:
        return "the optimizer does not train exactly the policy's parameters, in their order"
    return None


def make_job(model: Any, coefs: Mapping[str, Any]) -> Job:
    """The step of a model, with inputs of the shapes that its rollouts have."""
    policy, buffer = model.policy, model.rollout_buffer
    rule = pure(policy.optimizer)
    assert rule is not None
    stops = model.target_kl is not None
    names = tuple(sorted([*coefs, *(["target_kl"] if stops else [])]))
    n = buffer.buffer_size * buffer.n_envs
    vector = ((sum(p.numel() for p in policy.parameters()),), th.float32)
    scalar, column = ((), th.float32), ((n, 1), th.float32)
    return Job(
        algorithm=type(model),
        reads={name: getattr(model, name) for name in model.objective_reads},
        policy=_twin(policy),
        rule=rule,
        max_grad_norm=float(model.max_grad_norm),
        coefs=names,
        stops=stops,
        inputs=(
            *[vector] * (1 + len(rule.state)),
            *[scalar] * (2 + len(names)),
            ((n, *buffer.obs_shape), th.from_numpy(buffer.observations[:0]).dtype),
            ((n, buffer.action_dim), th.from_numpy(buffer.actions[:0]).dtype),
            *[column] * len(FIELDS),
            ((min(n, model.batch_size or n),), th.int64),
        ),
    )


def _twin(policy: Any) -> Any:
    """A policy of the same make, without drawing from the generator that training uses."""
    with th.random.fork_rng(devices=[]):
        return type(policy)(**policy._get_constructor_parameters())
