"""What a bundle tells about its model: enough to refuse another one, and to look at."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import numpy as np
import torch as th
from gymnasium import Space
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.save_util import recursive_getattr

from sb3_ac_ext.flight.spaces import encode_space
from sb3_ac_ext.lookup import dotted_name
from sb3_ac_ext.monitoring.describe import versions

_NAMES = (
    *("learning_rate", "n_steps", "gamma", "gae_lambda", "ent_coef", "vf_coef"),
    *("max_grad_norm", "use_sde", "sde_sample_freq", "batch_size", "n_epochs", "clip_range"),
    *("clip_range_vf", "normalize_advantage", "target_kl", "buffer_size", "learning_starts"),
    *("tau", "gradient_steps", "train_freq", "optimize_memory_usage", "target_entropy"),
    *("target_update_interval", "policy_delay", "target_policy_noise", "target_noise_clip"),
    *("exploration_fraction", "exploration_initial_eps", "exploration_final_eps"),
    *("policy_class", "policy_kwargs", "rollout_buffer_class", "rollout_buffer_kwargs"),
    *("replay_buffer_class", "replay_buffer_kwargs", "action_noise"),
    # of this package's drop-in algorithms
    *("exact", "bf16", "advantage_clip", "reward_clip", "log_std_bounds", "critic_head_scale"),
    *("critic_learning_rate", "critic_subset"),
)


def hyperparameters(model: Any) -> dict[str, Any]:
    """
    :param model: an SB3 algorithm before training
    :return: its settings, schedules as their values at the beginning, halfway and at the end
    """
    found = {name: _plain(getattr(model, name)) for name in _NAMES if hasattr(model, name)}
    saved = {name: recursive_getattr(model, name) for name in model._get_torch_save_params()[0]}
    optimizers = {k: type(v) for k, v in saved.items() if isinstance(v, th.optim.Optimizer)}
    return {**found, "optimizers": _plain(optimizers)}


def facts(model: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a manifest that describes the model.

    :param model: an SB3 algorithm
    :param settings: its :func:`hyperparameters`
    """
    buffer = getattr(model, "replay_buffer", None)
    return {
        "created": datetime.now(timezone.utc).isoformat(timespec="microseconds"),
        "num_timesteps": int(model.num_timesteps),
        "algorithm": dotted_name(type(model)),
        "versions": versions(),
        "summary": {
            "n_updates": int(getattr(model, "_n_updates", 0)),
            "n_envs": int(model.n_envs),
            "observation_space": _space(model.observation_space),
            "action_space": _space(model.action_space),
            "hyperparameters": dict(settings),
            "parameters": {
                name: {"shape": list(t.shape), "dtype": str(t.dtype).removeprefix("torch.")}
                for name, t in model.policy.state_dict().items()
            },
            "replay_rows": None if buffer is None else int(buffer.size()),
        },
    }


def check(manifest: Mapping[str, Any], model: Any) -> None:
    """
    :param manifest: of a bundle
    :param model: that is to go on from it
    :raises ValueError: with the first thing that differs
    """
    mine, theirs = facts(model, hyperparameters(model)), manifest
    if mine["algorithm"] != theirs["algorithm"]:
        raise ValueError(
            f"the bundle is of {theirs['algorithm']}, the model of {mine['algorithm']}"
        )
    mine, theirs = mine["summary"], theirs["summary"]
    for name in ("n_envs", "observation_space", "action_space"):
        _same(name, theirs[name], mine[name])
    for name, value in theirs["hyperparameters"].items():
        _same(name, value, mine["hyperparameters"].get(name))
    for name in sorted(set(theirs["parameters"]) | set(mine["parameters"])):
        _same(f"weights {name}", theirs["parameters"].get(name), mine["parameters"].get(name))


def _same(name: str, theirs: Any, mine: Any) -> None:
    if theirs != mine:
        raise ValueError(
            f"{name} differs: {theirs!s:.100} in the bundle, {mine!s:.100} in the model"
        )


def _space(space: Space[Any]) -> Any:
    try:
        return encode_space(space)
    except ValueError:
        return str(space)


def _plain(value: Any) -> Any:
    """As JSON holds it; what is no number and no text as text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic | np.ndarray | th.Tensor):
        return float(value) if np.size(value) == 1 else str(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, ActionNoise):
        return str(getattr(value, "base_noise", value))  # workers have a copy each
    if isinstance(value, type):
        return dotted_name(value)
    if callable(value):
        return _curve(value)
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))


def _curve(schedule: Any) -> Any:
    """A schedule at the beginning, halfway and at the end; other functions by name."""
    try:
        return [float(schedule(progress)) for progress in (1.0, 0.5, 0.0)]
    except Exception:  # of a function that is no schedule, whatever it expects
        return getattr(schedule, "__qualname__", type(schedule).__qualname__)
