"""What the critic may have of its own: a learning rate, and a beginning near zero."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from torch import nn

from sb3_ac_ext.schedules import Schedule, make_schedule


class CriticSettings(BaseAlgorithm):
    """
    :param critic_learning_rate: number, schedule or ``lin_X`` for the critic alone, ``None`` for
        ``learning_rate``; logged as ``train/critic_learning_rate``
    :param critic_head_scale: what the initial weights of the critic's last layer are multiplied by,
        so that first values are near zero; its biases become zero. ``None`` leaves them alone.
    :raises ValueError: for what is no schedule, and for a scale that is not in [0, 1]
    """

    def __init__(
        self,
        *args: Any,
        critic_learning_rate: Any = None,
        critic_head_scale: float | None = None,
        **kwargs: Any,
    ) -> None:
        self.critic_lr_schedule: Schedule | None = None
        if critic_learning_rate is not None:
            self.critic_lr_schedule = make_schedule(critic_learning_rate, "critic_learning_rate")
        if critic_head_scale is not None and not 0.0 <= critic_head_scale <= 1.0:
            raise ValueError(
                f"critic_head_scale={critic_head_scale!r} is not accepted: give a number in [0, 1] "
                "or None"
            )
        self.critic_head_scale = critic_head_scale
        super().__init__(*args, **kwargs)

    @abstractmethod
    def critic_groups(self) -> list[dict[str, Any]]:
        """Parameter groups of optimizers that train the critic and nothing else."""

    @abstractmethod
    def critic_heads(self) -> Iterable[nn.Linear]:
        """Last layers of all critics, and of their targets."""

    def _setup_model(self) -> None:
        super()._setup_model()  # type: ignore[safe-super]
        if self.critic_head_scale is None:
            return
        with th.no_grad():
            for head in self.critic_heads():
                head.weight.mul_(self.critic_head_scale)
                head.bias.zero_()

    def _update_learning_rate(self, optimizers: Any) -> None:
        super()._update_learning_rate(optimizers)
        if self.critic_lr_schedule is None:
            return
        rate = self.critic_lr_schedule(self._current_progress_remaining)
        for group in self.critic_groups():
            group["lr"] = rate
        self.logger.record("train/critic_learning_rate", rate)
