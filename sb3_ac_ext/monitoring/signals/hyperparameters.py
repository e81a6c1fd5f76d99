"""The hyperparameters in force, after schedules and automatic tuning."""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_ac_ext.monitoring.signals.base import Reading, Signal
from sb3_ac_ext.monitoring.view import View


class HyperparameterSignal(Signal):
    """Learning rate, entropy coefficient and clip ranges as the last update used them.

    SAC's coefficient is read from its tensor, because setting ``model.ent_coef`` has no effect
    there.
    """

    name = "hyperparameters"

    def collect(self, view: View) -> Reading:
        reading = Reading()
        model: Any = view.model
        optimizer = _first_optimizer(model)
        if optimizer is not None:
            reading.put(hyper__learning_rate=optimizer.param_groups[0]["lr"])
        ent_coef = entropy_coefficient(model)
        if ent_coef is not None:
            reading.put(hyper__ent_coef=ent_coef)
        clip_range = getattr(model, "clip_range", None)
        if callable(clip_range):
            reading.put(hyper__clip_range=clip_range(model._current_progress_remaining))
        clip_range_vf = getattr(model, "clip_range_vf", None)
        if callable(clip_range_vf):
            reading.put(hyper__clip_range_vf=clip_range_vf(model._current_progress_remaining))
        return reading


def _first_optimizer(model: Any) -> Any | None:
    owner = getattr(model.policy, "actor", None) or model.policy
    return getattr(owner, "optimizer", None)


def entropy_coefficient(model: BaseAlgorithm) -> float | None:
    """The coefficient in force, ``None`` for algorithms without one."""
    log_tensor = getattr(model, "log_ent_coef", None)
    if log_tensor is not None:
        return float(log_tensor.detach().exp())
    tensor = getattr(model, "ent_coef_tensor", None)
    if tensor is not None:
        return float(tensor)
    value = getattr(model, "ent_coef", None)
    return float(value) if isinstance(value, int | float) else None
