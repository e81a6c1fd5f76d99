"""Actions on hyperparameters that SB3 copies at construction, where assigning them does nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch as th

from sb3_ac_ext.constructors import settings_of
from sb3_ac_ext.monitoring.actions.base import Action, Case, require_number
from sb3_ac_ext.monitoring.detectors.base import require


class ScaleLearningRate(Action):
    """Multiply the learning rate, or every later value of its schedule.

    SB3 reads ``lr_schedule`` in each ``train()``; ``learning_rate``, from which it is made, is
    scaled with it, so that a saved model goes on with the new rate.

    :param factor: positive, 0.3 lowers the rate to three tenths
    :param times: how often at most for findings of one detector and worker
    :raises ValueError: for a factor that is not a positive number
    """

    name = "scale_learning_rate"

    def __init__(self, factor: float, times: int = 1) -> None:
        super().__init__(times)
        require_number("factor", factor, "a positive number")
        self.factor = float(factor)

    def apply(self, case: Case) -> str:
        model = case.model
        if not callable(getattr(model, "lr_schedule", None)):
            raise ValueError(f"{type(model).__name__} has no learning rate")
        before = model.lr_schedule(model._current_progress_remaining)
        model.lr_schedule = _scaled(model.lr_schedule, self.factor)
        model.learning_rate = _scaled(model.learning_rate, self.factor)
        return f"learning rate from {before:.3g} to {before * self.factor:.3g}"


def _scaled(rate: Any, factor: float) -> Any:
    if not callable(rate):
        return factor * rate
    schedule: Callable[[float], float] = rate

    # a function inside a function is saved by value: a saved model needs no import of this module
    def scaled(progress_remaining: float) -> float:
        return factor * schedule(progress_remaining)

    scaled.__wrapped__ = schedule  # type: ignore[attr-defined]  # its state may go back
    return scaled


class SetEntropyCoefficient(Action):
    """Set the entropy coefficient, or multiply it, where the algorithm reads it.

    PPO and A2C read ``ent_coef``, SAC a tensor. A coefficient that SAC learns (``ent_coef="auto"``)
    is set to the value and learnt on from there.

    :param value: the new coefficient, at least 0, above 0 where it is learnt
    :param factor: what to multiply the present one by, positive; exactly one of the two
    :param times: how often at most for findings of one detector and worker
    :raises ValueError: for both or neither, or numbers out of range
    """

    name = "set_entropy_coefficient"

    def __init__(
        self, value: float | None = None, factor: float | None = None, times: int = 1
    ) -> None:
        super().__init__(times)
        if (value is None) == (factor is None):
            raise ValueError(
                f"value={value!r}, factor={factor!r} is not accepted: give exactly one"
            )
        if value is not None and value != 0:
            require_number("value", value, "0 or a positive number")
        if factor is not None:
            require_number("factor", factor, "a positive number")
        self.value, self.factor = value, factor

    def apply(self, case: Case) -> str:
        model = case.model
        if "ent_coef" not in settings_of(type(model)):
            raise ValueError(f"{type(model).__name__} has no entropy coefficient")
        learnt = getattr(model, "log_ent_coef", None)
        before = float(model.ent_coef if _plain(model) else _in_force(model))
        after = float(self.value if self.value is not None else before * (self.factor or 1.0))
        if learnt is not None:
            require(after > 0.0, "value", after, "a positive number: this coefficient is learnt")
            with th.no_grad():
                learnt.fill_(math.log(after))
        else:
            if not _plain(model):
                model.ent_coef_tensor.fill_(after)
            model.ent_coef = after
        return f"ent_coef from {before:.3g} to {after:.3g}"


def _plain(model: Any) -> bool:
    """Whether the algorithm reads the attribute itself, as PPO and A2C do."""
    return not hasattr(model, "log_ent_coef")


def _in_force(model: Any) -> float:
    if model.log_ent_coef is not None:
        return float(model.log_ent_coef.detach().exp())
    return float(model.ent_coef_tensor)
