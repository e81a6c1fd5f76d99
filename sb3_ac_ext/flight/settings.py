"""The attributes of a model that its ``train()`` reads: what they are, and which can be kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.utils import FloatSchedule

from sb3_ac_ext.algorithms.drop_in import HELPERS
from sb3_ac_ext.flight.values import encode_class, encode_value

_SCALARS = (bool, int, float, str, type(None))
_SCHEDULES = ("learning_rate", "clip_range", "clip_range_vf")
_NOT_READ = {
    # by no train(): what rollouts, logging and bookkeeping need
    *("env", "_vec_normalize_env", "_logger", "_custom_logger", "tensorboard_log", "start_time"),
    *("_last_obs", "_last_original_obs", "_last_episode_starts", "_last_lstm_states"),
    *("ep_info_buffer", "ep_success_buffer", "action_noise", "device", "lr_schedule", "train"),
    *("replay_buffer", "rollout_buffer", "replay_buffer_kwargs", "_excluded_save_params"),
    *("exploration_schedule", "seed", "verbose", *HELPERS),
}


def present_scalars(model: Any) -> dict[str, Any]:
    """What may differ from update to update: counters, switches, single numbers."""
    attributes = vars(model).items()
    return {k: v for k, v in attributes if isinstance(v, _SCALARS) and k not in _NOT_READ}


def present_schedules(model: Any) -> dict[str, float]:
    """The present value of each schedule; the learning rate is one even where it is a number."""
    progress = model._current_progress_remaining
    found = {k: float(v(progress)) for k, v in vars(model).items() if _is_schedule(k, v)}
    if "lr_schedule" in vars(model):
        found["learning_rate"] = float(model.lr_schedule(progress))
    return found


def _is_schedule(name: str, value: Any) -> bool:
    if name in _NOT_READ:
        return False
    return isinstance(value, FloatSchedule) or (name in _SCHEDULES and callable(value))


def lasting_settings(model: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Everything else, as plain data, such as spaces, ``policy_class`` and ``policy_kwargs``.

    Networks, optimizers and tensors are left out, for ``_setup_model()`` makes them.

    :return: attribute -> plain data, attribute -> why it cannot be written down
    """
    found: dict[str, Any] = {}
    refused: dict[str, str] = {}
    try:
        found["algorithm"] = encode_class(type(model))
    except ValueError as error:
        refused["algorithm"] = str(error)
    for name, value in vars(model).items():
        if name in _NOT_READ or isinstance(value, _SCALARS) or _is_schedule(name, value):
            continue
        if _is_made_by_setup(value):
            continue
        try:
            found[name] = encode_value(value)
        except ValueError as error:
            refused[name] = str(error)
    return found, refused


def _is_made_by_setup(value: Any) -> bool:
    if isinstance(value, list | tuple) and value:
        return all(_is_made_by_setup(part) for part in value)
    made = (th.nn.Module, th.optim.Optimizer, th.Tensor, np.random.Generator)
    return isinstance(value, made)


NEEDED = ("algorithm", "policy_class", "policy_kwargs", "observation_space", "action_space")
"""Without any one of these a model cannot be rebuilt."""
