"""Advantage actor-critic (arXiv 1602.01783, synchronous), as in Stable-Baselines3."""

from __future__ import annotations

from collections.abc import Mapping

import stable_baselines3
import torch as th

from sb3_ac_ext.algorithms import losses
from sb3_ac_ext.algorithms.losses import Scalar
from sb3_ac_ext.algorithms.on_policy import Batch, OnPolicyUpdate, Terms


class A2C(OnPolicyUpdate, stable_baselines3.A2C):
    """``stable_baselines3.A2C``: same arguments, policies, saved files and logged values."""

    def objective(self, batch: Batch, coefs: Mapping[str, Scalar]) -> tuple[th.Tensor, Terms]:
        advantages = self.advantages(batch)
        policy = losses.policy_gradient_loss(advantages, batch.log_prob)
        value = losses.value_loss(batch.returns, batch.values)
        entropy = losses.entropy_loss(batch.entropy, batch.log_prob)
        loss = policy + coefs["ent_coef"] * entropy + coefs["vf_coef"] * value
        return loss, {"entropy_loss": entropy, "policy_loss": policy, "value_loss": value}
