"""A learning rate of the critic's own."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_ac_ext.schedules import Schedule, make_schedule


class CriticRate(BaseAlgorithm):
    """
    :param critic_learning_rate: number, schedule or ``lin_X`` for the critic alone, ``None`` for
        ``learning_rate``; logged as ``train/critic_learning_rate``
    :raises ValueError: for what is no schedule
    """

    def __init__(self, *args: Any, critic_learning_rate: Any = None, **kwargs: Any) -> None:
        self.critic_lr_schedule: Schedule | None = None
        if critic_learning_rate is not None:
            self.critic_lr_schedule = make_schedule(critic_learning_rate, "critic_learning_rate")
        super().__init__(*args, **kwargs)

    @abstractmethod
    def critic_groups(self) -> list[dict[str, Any]]:
        """Parameter groups of optimizers that train the critic and nothing else."""

    def _update_learning_rate(self, optimizers: Any) -> None:
        super()._update_learning_rate(optimizers)
        if self.critic_lr_schedule is None:
            return
        rate = self.critic_lr_schedule(self._current_progress_remaining)
        for group in self.critic_groups():
            group["lr"] = rate
        self.logger.record("train/critic_learning_rate", rate)
