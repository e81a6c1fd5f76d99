"""A callback that training from YAML needs and SB3 does not have; built from plain values."""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.callbacks import BaseCallback

from sb3_ac_ext.constructors import settings_of
from sb3_ac_ext.schedules import make_schedule


class EntCoefScheduleCallback(BaseCallback):
    """Let the entropy coefficient follow a schedule, as SB3 lets the learning rate.

    It is set once before each update, from the share of training that remains then. A temperature
    that the algorithm learns (``ent_coef="auto"``) and a schedule exclude each other.

    :param schedule: number, ``lin_0.01``, ``cos_0.01``, callable of ``progress_remaining``, or the
        dotted path to one
    :param verbose: SB3's verbosity
    :raises ValueError: if it is no schedule, or, when training starts, if the algorithm has no
        entropy coefficient or learns it
    """

    def __init__(self, schedule: Any, verbose: int = 0) -> None:
        super().__init__(verbose)
        self.schedule = make_schedule(schedule, "ent_coef")

    def _on_training_start(self) -> None:
        name = type(self.model).__name__
        if "ent_coef" not in settings_of(type(self.model)):
            raise ValueError(f"{name} has no ent_coef to schedule")
        if getattr(self.model, "log_ent_coef", None) is not None:
            raise ValueError(f"{name} learns its ent_coef: a schedule needs a number, not 'auto'")
        self._apply()

    def _on_rollout_end(self) -> None:
        self._apply()

    def _on_step(self) -> bool:
        return True

    def _apply(self) -> None:
        # The model's own progress is one rollout behind at this moment on-policy.
        progress = 1.0 - self.model.num_timesteps / max(self.model._total_timesteps, 1)
        value = float(self.schedule(max(progress, 0.0)))
        model: Any = self.model
        model.ent_coef = value
        if hasattr(model, "ent_coef_tensor"):  # what SAC and its relatives read
            model.ent_coef_tensor.fill_(value)
        else:
            self.logger.record("train/ent_coef", value)
