"""Soft actor-critic (arXiv 1812.05905), as in Stable-Baselines3."""

from __future__ import annotations

from typing import Any

import stable_baselines3
import torch as th
from stable_baselines3.common.utils import polyak_update
from stable_baselines3.sac.policies import LOG_STD_MAX, LOG_STD_MIN

from sb3_ac_ext.algorithms import log_std, losses
from sb3_ac_ext.algorithms.actor_critic import ActorCriticUpdate, frozen
from sb3_ac_ext.algorithms.off_policy import Terms


class SAC(ActorCriticUpdate, stable_baselines3.SAC):
    """``stable_baselines3.SAC``: same arguments, policies, saved files and logged values.

    :param log_std_bounds: (least, most) of the actor's log standard deviations, within SB3's own of
        (-20, 2); not with gSDE
    :raises ValueError: for bounds beyond those, and with gSDE
    """

    scheduled = (*ActorCriticUpdate.scheduled, "ent_coef")
    losses_read = ("gamma", "target_entropy", "critic_subset")

    def __init__(self, *args: Any, log_std_bounds: Any = None, **kwargs: Any) -> None:
        self.log_std_bounds = log_std.checked(log_std_bounds)
        super().__init__(*args, **kwargs)

    def _setup_model(self) -> None:
        super()._setup_model()
        bounds = self.log_std_bounds
        if bounds is None:
            return
        if bounds[0] < LOG_STD_MIN or bounds[1] > LOG_STD_MAX or self.use_sde:
            raise ValueError(
                f"log_std_bounds={bounds!r} is not accepted: SAC keeps within ({LOG_STD_MIN}, "
                f"{LOG_STD_MAX}), and none are for use_sde=True"
            )
        log_std.keep_within(self.actor.log_std, bounds)

    def follow_schedules(self) -> None:
        super().follow_schedules()
        if "ent_coef" in self.schedules:
            self.ent_coef_tensor.fill_(float(self.ent_coef))

    def parts_of(self, step: int) -> tuple[str, ...]:
        return ("actor", "targets") if step % self.target_update_interval == 0 else ("actor",)

    def optimizers(self) -> list[th.optim.Optimizer]:
        own = [self.actor.optimizer, self.critic.optimizer]
        return own if self.ent_coef_optimizer is None else [*own, self.ent_coef_optimizer]

    def gradient_step(self, data: Any, step: int) -> Terms:
        if self.use_sde:
            self.actor.reset_noise()
        actions, log_prob = self.actor.action_log_prob(data.observations)
        log_prob = log_prob.reshape(-1, 1)
        ent_coef, terms = self.temperature_step(log_prob)

        target = self.critic_target_values(data, ent_coef)
        critic_loss = self.critic_loss(data, target)
        self.descend(self.critic.optimizer, critic_loss)

        with frozen(self.critic, but=self.actor):
            actor_loss = self.actor_loss(data, actions, log_prob, ent_coef)
            self.descend(self.actor.optimizer, actor_loss)
        if "targets" in self.parts_of(step):
            self.update_targets()
        return {**terms, "actor_loss": actor_loss, "critic_loss": critic_loss}

    def temperature_step(self, log_prob: th.Tensor) -> tuple[th.Tensor, Terms]:
        """The entropy coefficient of this step, which its optimizer then moves.

        :param log_prob: shape (n, 1)
        """
        if self.ent_coef_optimizer is None or self.log_ent_coef is None:
            return self.ent_coef_tensor, {"ent_coef": self.ent_coef_tensor}
        ent_coef = th.exp(self.log_ent_coef.detach())
        loss = losses.temperature_loss(self.log_ent_coef, log_prob, float(self.target_entropy))
        self.descend(self.ent_coef_optimizer, loss)
        return ent_coef, {"ent_coef": ent_coef, "ent_coef_loss": loss}

    @th.no_grad()
    def critic_target_values(self, data: Any, ent_coef: th.Tensor) -> th.Tensor:
        """Soft Bellman targets, shape (n, 1)."""
        actions, log_prob = self.actor.action_log_prob(data.next_observations)
        least = self.least_of(self.critic_target(data.next_observations, actions))
        soft = least - ent_coef * log_prob.reshape(-1, 1)
        return losses.td_target(data.rewards, data.dones, self.discounts(data), soft)

    def critic_loss(self, data: Any, target: th.Tensor) -> th.Tensor:
        values = self.critic(data.observations, data.actions)
        return 0.5 * losses.critic_loss(values, target, self.importance(data, values, target))

    def actor_loss(
        self, data: Any, actions: th.Tensor, log_prob: th.Tensor, ent_coef: th.Tensor
    ) -> th.Tensor:
        values = self.critic(data.observations, actions)
        if self.critic_subset is None:
            value = self.least_of(values)
        else:
            value = th.cat(values, dim=1).mean(dim=1, keepdim=True)
        return losses.soft_actor_loss(ent_coef, log_prob, value)

    def update_targets(self) -> None:
        polyak_update(self.critic.parameters(), self.critic_target.parameters(), self.tau)
        polyak_update(self.batch_norm_stats, self.batch_norm_stats_target, 1.0)
