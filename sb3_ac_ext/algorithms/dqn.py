"""Deep Q-learning (arXiv 1312.5602), as in Stable-Baselines3."""

from __future__ import annotations

from typing import Any

import stable_baselines3
import torch as th
import torch.nn.functional as F

from sb3_ac_ext.algorithms import losses
from sb3_ac_ext.algorithms.off_policy import OffPolicyUpdate, Terms


class DQN(OffPolicyUpdate, stable_baselines3.DQN):
    """``stable_baselines3.DQN``: same arguments, policies, saved files and logged values."""

    def optimizers(self) -> list[th.optim.Optimizer]:
        return [self.policy.optimizer]

    def gradient_step(self, data: Any, step: int) -> Terms:
        loss = self.critic_loss(data, self.critic_target_values(data))
        self.descend(self.policy.optimizer, loss)
        return {"loss": loss}

    @th.no_grad()
    def critic_target_values(self, data: Any) -> th.Tensor:
        """Bellman targets of the greedy policy, shape (n, 1)."""
        values, _ = self.q_net_target(data.next_observations).max(dim=1)
        return losses.td_target(
            data.rewards, data.dones, self.discounts(data), values.reshape(-1, 1)
        )

    def critic_loss(self, data: Any, target: th.Tensor) -> th.Tensor:
        values = th.gather(self.q_net(data.observations), dim=1, index=data.actions.long())
        weights = self.importance(data, [values], target)
        return losses.weighted_mean(F.smooth_l1_loss, values, target, weights)
