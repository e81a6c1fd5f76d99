"""Proximal policy optimisation (arXiv 1707.06347), as in Stable-Baselines3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import stable_baselines3
import torch as th

from sb3_ac_ext.algorithms import losses
from sb3_ac_ext.algorithms.losses import Scalar
from sb3_ac_ext.algorithms.on_policy import Batch, OnPolicyUpdate, Terms, Told
from sb3_ac_ext.schedules import KLAdaptiveSchedule


class PPO(OnPolicyUpdate, stable_baselines3.PPO):
    """``stable_baselines3.PPO``: same arguments, policies, saved files and logged values.

    Given as ``learning_rate``, :class:`~sb3_ac_ext.schedules.KLAdaptiveSchedule` (or ``"kl_3e-4"``)
    is told the KL of every update.
    """

    def coefficients(self) -> dict[str, Scalar]:
        coefs = super().coefficients()
        schedules: dict[str, Any] = {"clip_range": self.clip_range}
        if self.clip_range_vf is not None:
            schedules["clip_range_vf"] = self.clip_range_vf
        progress = self._current_progress_remaining
        return {**coefs, **{name: schedule(progress) for name, schedule in schedules.items()}}

    def objective(self, batch: Batch, coefs: Mapping[str, Scalar]) -> tuple[th.Tensor, Terms]:
        advantages = self.advantages(batch)
        ratio = th.exp(batch.log_prob - batch.old_log_prob)
        clip_range = coefs["clip_range"]
        policy = losses.surrogate_loss(advantages, ratio, clip_range)
        values = batch.values
        if "clip_range_vf" in coefs:
            values = losses.near(values, batch.old_values, coefs["clip_range_vf"])
        value = losses.value_loss(batch.returns, values)
        entropy = losses.entropy_loss(batch.entropy, batch.log_prob)
        loss = policy + coefs["ent_coef"] * entropy + coefs["vf_coef"] * value
        with th.no_grad():
            return loss, {
                "policy_gradient_loss": policy,
                "value_loss": value,
                "entropy_loss": entropy,
                "approx_kl": losses.approximate_kl(batch.log_prob - batch.old_log_prob),
                "clip_fraction": losses.clipped_share(ratio, clip_range),
                "loss": loss,
            }

    def _log(self, told: Told, begun: int, coefs: Mapping[str, Scalar]) -> None:
        super()._log(told, begun, coefs)
        kl = told["approx_kl"][begun:].numpy().mean()
        if isinstance(self.learning_rate, KLAdaptiveSchedule):
            self.learning_rate.observe(float(kl))
        self.logger.record("train/approx_kl", kl)
        self.logger.record("train/loss", float(told["loss"][-1]))
        for name in ("clip_range", "clip_range_vf"):
            if name in coefs:
                self.logger.record(f"train/{name}", coefs[name])
