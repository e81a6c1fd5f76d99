"""REINFORCE (Williams, 1992), with or without a learned baseline."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import torch as th
from gymnasium import spaces
from stable_baselines3.a2c.policies import CnnPolicy, MlpPolicy, MultiInputPolicy
from torch import nn

from sb3_ac_ext.algorithms import losses
from sb3_ac_ext.algorithms.losses import Scalar
from sb3_ac_ext.algorithms.on_policy import Batch, OnPolicyUpdate, Terms
from sb3_ac_ext.buffers import DictEpisodeRolloutBuffer, EpisodeRolloutBuffer

_SPACES = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)


class REINFORCE(OnPolicyUpdate):
    """One step up the likelihood of actions, weighted by what their episode paid from there on.

    ``sum_t gamma^t r_t`` to the end of the episode, less a baseline V(s) that is fitted to it.
    Steps whose episode has not ended by the end of the rollout are not learned from: ``n_steps``
    should be several times the length of an episode. With a baseline, an episode that a time limit
    ends is continued by V as in SB3; without one it counts as over.

    :param policy: ``MlpPolicy``, ``CnnPolicy``, ``MultiInputPolicy``, or a class
    :param env: environment, or its id
    :param learning_rate: number or schedule
    :param n_steps: per worker and update
    :param gamma: discount factor
    :param baseline: subtract a learned V; without it, the policy has no critic
    :param normalize_advantage: to mean 0 and standard deviation 1
    :param ent_coef: of the entropy, a number or a schedule
    :param vf_coef: of the baseline's error, a number or a schedule
    :param max_grad_norm: gradients are scaled down to it
    :param kwargs: as of A2C, and of :class:`OnPolicyUpdate`
    :raises ValueError: for what is the critic's own without a critic, and for ``gae_lambda``
    """

    policy_aliases: ClassVar[dict[str, Any]] = {
        "MlpPolicy": MlpPolicy,
        "CnnPolicy": CnnPolicy,
        "MultiInputPolicy": MultiInputPolicy,
    }

    def __init__(
        self,
        policy: Any,
        env: Any,
        learning_rate: Any = 1e-3,
        n_steps: int = 1000,
        gamma: float = 0.99,
        baseline: bool = True,
        normalize_advantage: bool = True,
        ent_coef: Any = 0.0,
        vf_coef: Any = 0.5,
        max_grad_norm: float = 0.5,
        use_sde: bool = False,
        sde_sample_freq: int = -1,
        _init_setup_model: bool = True,
        **kwargs: Any,
    ) -> None:
        if "gae_lambda" in kwargs:
            raise ValueError("REINFORCE has no gae_lambda: its returns hold no estimates")
        for name in ("critic_learning_rate", "critic_head_scale"):
            if not baseline and kwargs.get(name) is not None:
                raise ValueError(f"{name} needs baseline=True")
        self.baseline = baseline
        self.normalize_advantage = normalize_advantage
        super().__init__(
            policy,
            env,
            learning_rate=learning_rate,
            n_steps=n_steps,
            gamma=gamma,
            gae_lambda=1.0,
            ent_coef=ent_coef,
            vf_coef=vf_coef,
            max_grad_norm=max_grad_norm,
            use_sde=use_sde,
            sde_sample_freq=sde_sample_freq,
            supported_action_spaces=_SPACES,
            _init_setup_model=False,
            **kwargs,
        )
        if _init_setup_model:
            self._setup_model()

    def _setup_model(self) -> None:
        if self.rollout_buffer_class is None:
            mapping = isinstance(self.observation_space, spaces.Dict)
            self.rollout_buffer_class = (
                DictEpisodeRolloutBuffer if mapping else EpisodeRolloutBuffer
            )
        super()._setup_model()
        if not self.baseline:
            remove_critic(self.policy)

    def train(self) -> None:
        """One step, from the episodes that have ended; none before the first has."""
        buffer: Any = self.rollout_buffer
        if not buffer.finished.any():
            warnings.warn(
                f"no episode ended in n_steps={self.n_steps}: nothing to learn from; give more",
                stacklevel=2,
            )
            return
        super().train()

    def objective(self, batch: Batch, coefs: Mapping[str, Scalar]) -> tuple[th.Tensor, Terms]:
        policy = losses.policy_gradient_loss(self.advantages(batch), batch.log_prob)
        entropy = losses.entropy_loss(batch.entropy, batch.log_prob)
        loss = policy + coefs["ent_coef"] * entropy
        terms = {"entropy_loss": entropy, "policy_loss": policy}
        if self.baseline:
            terms["value_loss"] = losses.value_loss(batch.returns, batch.values)
            loss = loss + coefs["vf_coef"] * terms["value_loss"]
        return loss, terms


class _Nothing(nn.Module):
    """A value of 0 for every state, without parameters."""

    def forward(self, latent: th.Tensor) -> th.Tensor:
        return latent.new_zeros(len(latent), 1)


def remove_critic(policy: Any) -> None:
    """Leave the critic out of a policy of SB3's actor-critic kind, and of its optimizer."""
    policy.mlp_extractor.value_net = nn.Identity()
    policy.value_net = _Nothing()
    groups = policy.optimizer.param_groups
    kept = {id(parameter) for parameter in policy.parameters()}
    if not policy.share_features_extractor:
        kept -= {id(parameter) for parameter in policy.vf_features_extractor.parameters()}
    for group in groups:
        group["params"] = [parameter for parameter in group["params"] if id(parameter) in kept]
