"""Twin delayed DDPG (arXiv 1802.09477), as in Stable-Baselines3."""

from __future__ import annotations

from typing import Any

import stable_baselines3
import torch as th
from stable_baselines3.common.utils import polyak_update

from sb3_ac_ext.algorithms import losses
from sb3_ac_ext.algorithms.actor_critic import ActorCriticUpdate, frozen
from sb3_ac_ext.algorithms.off_policy import Terms


class DelayedActor(ActorCriticUpdate, stable_baselines3.TD3):
    """The update that TD3 and DDPG share.

    :param target_update_interval: update the target networks every so many gradient steps, as with
        ``tau=1.0`` for hard updates; ``None`` for each of the actor's updates
    :raises ValueError: for less than one step
    """

    losses_read = ("gamma", "target_policy_noise", "target_noise_clip", "critic_subset")

    def __init__(
        self, *args: Any, target_update_interval: int | None = None, **kwargs: Any
    ) -> None:
        if target_update_interval is not None and target_update_interval < 1:
            raise ValueError(
                f"target_update_interval={target_update_interval!r} is not accepted: give a "
                "positive whole number or None"
            )
        self.target_update_interval = target_update_interval
        super().__init__(*args, **kwargs)

    def parts_of(self, step: int) -> tuple[str, ...]:
        done = self._n_updates + 1
        delays = {
            "actor": self.policy_delay,
            "targets": self.target_update_interval or self.policy_delay,
        }
        return tuple(name for name, delay in delays.items() if done % delay == 0)

    def optimizers(self) -> list[th.optim.Optimizer]:
        return [self.actor.optimizer, self.critic.optimizer]

    def gradient_step(self, data: Any, step: int) -> Terms:
        critic_loss = self.critic_loss(data, self.critic_target_values(data))
        self.descend(self.critic.optimizer, critic_loss)
        terms = {"critic_loss": critic_loss}
        parts = self.parts_of(step)
        if "actor" in parts:
            with frozen(self.critic, but=self.actor):
                terms["actor_loss"] = self.actor_loss(data)
                self.descend(self.actor.optimizer, terms["actor_loss"])
        if "targets" in parts:
            self.update_targets()
        return terms

    @th.no_grad()
    def critic_target_values(self, data: Any) -> th.Tensor:
        """Bellman targets with a smoothed target policy, shape (n, 1)."""
        noise = self.smoothing_noise(data.actions)
        noise = noise.clamp(-self.target_noise_clip, self.target_noise_clip)
        actions = (self.actor_target(data.next_observations) + noise).clamp(-1, 1)
        least = self.least_of(self.critic_target(data.next_observations, actions))
        return losses.td_target(data.rewards, data.dones, self.discounts(data), least)

    def smoothing_noise(self, actions: th.Tensor) -> th.Tensor:
        """Normal noise of the shape of actions, before clipping."""
        return actions.clone().normal_(0, self.target_policy_noise)

    def critic_loss(self, data: Any, target: th.Tensor) -> th.Tensor:
        values = self.critic(data.observations, data.actions)
        return losses.critic_loss(values, target, self.importance(data, values, target))

    def actor_loss(self, data: Any) -> th.Tensor:
        values: th.Tensor = self.critic.q1_forward(data.observations, self.actor(data.observations))
        return -values.mean()

    def update_targets(self) -> None:
        polyak_update(self.critic.parameters(), self.critic_target.parameters(), self.tau)
        polyak_update(self.actor.parameters(), self.actor_target.parameters(), self.tau)
        polyak_update(self.critic_batch_norm_stats, self.critic_batch_norm_stats_target, 1.0)
        polyak_update(self.actor_batch_norm_stats, self.actor_batch_norm_stats_target, 1.0)


class TD3(DelayedActor):
    """``stable_baselines3.TD3``: same arguments, policies, saved files and logged values."""
