"""Objectives of PPO, A2C and REINFORCE, and their gradients with respect to what a policy says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch as th

from sb3_ac_ext.algorithms.a2c import A2C
from sb3_ac_ext.algorithms.acting import Floats
from sb3_ac_ext.algorithms.on_policy import Batch, OnPolicyUpdate, Told
from sb3_ac_ext.algorithms.ppo import PPO
from sb3_ac_ext.algorithms.reinforce import REINFORCE


class Seen(NamedTuple):
    """Of the present policy, shape (n,) each; or the gradient with respect to that."""

    values: Floats
    log_prob: Floats
    entropy: Floats


_ZERO = np.float32(0.0)

Coefs = Mapping[str, float]
Objective = Callable[[OnPolicyUpdate, Batch, Coefs], tuple[Told, Seen]]
"""From a model, its batch and coefficients to what is told of the loss, and the gradient."""


def of_ppo(model: OnPolicyUpdate, batch: Batch, coefs: Coefs) -> tuple[Told, Seen]:
    """As :meth:`~sb3_ac_ext.algorithms.ppo.PPO.objective`."""
    reach, n = coefs["clip_range"], len(batch.values)
    advantages = model.advantages(batch).numpy()
    log_ratio = batch.log_prob.numpy() - batch.old_log_prob.numpy()
    ratio = np.exp(log_ratio)
    unclipped = advantages * ratio
    clipped = advantages * ratio.clip(1.0 - reach, 1.0 + reach)
    policy = -_mean(np.minimum(unclipped, clipped))
    value, critic = _critic(batch, coefs)
    entropy, bonus = _entropy(batch, coefs)
    told = {
        "policy_gradient_loss": policy,
        "value_loss": value,
        "entropy_loss": entropy,
        "approx_kl": _mean(ratio - 1.0 - log_ratio),
        "clip_fraction": np.count_nonzero(np.abs(ratio - 1.0) > reach) / n,
        "loss": policy + coefs["ent_coef"] * entropy + coefs["vf_coef"] * value,
    }
    slope = np.where(unclipped <= clipped, unclipped, _ZERO) * np.float32(-1.0 / n)
    return _told(told), Seen(critic, slope, bonus)


def of_a2c(model: OnPolicyUpdate, batch: Batch, coefs: Coefs) -> tuple[Told, Seen]:
    """As :meth:`~sb3_ac_ext.algorithms.a2c.A2C.objective`, and REINFORCE's with a baseline."""
    advantages = model.advantages(batch).numpy()
    policy = -_mean(advantages * batch.log_prob.numpy())
    value, critic = _critic(batch, coefs)
    entropy, bonus = _entropy(batch, coefs)
    told = {"entropy_loss": entropy, "policy_loss": policy, "value_loss": value}
    return _told(told), Seen(critic, advantages * np.float32(-1.0 / len(advantages)), bonus)


def _critic(batch: Batch, coefs: Coefs) -> tuple[float, Floats]:
    """The critic's loss, and the gradient of what it adds with respect to values."""
    values, reach = batch.values.numpy(), coefs.get("clip_range_vf")
    inside = None
    if reach is not None:
        old = batch.old_values.numpy()
        away = values - old
        inside, values = np.abs(away) <= reach, old + away.clip(-reach, reach)
    error = values - batch.returns.numpy()
    slope = error * np.float32(2.0 * coefs["vf_coef"] / len(error))
    return float(error.dot(error)) / len(error), slope if inside is None else slope * inside


def _entropy(batch: Batch, coefs: Coefs) -> tuple[float, Floats]:
    """The negative mean entropy, and the gradient of what it adds with respect to entropies."""
    entropy: Any = batch.entropy
    n = len(entropy)
    return -_mean(entropy.numpy()), np.full(n, -coefs["ent_coef"] / n, np.float32)


def _mean(values: Floats) -> float:
    return float(np.add.reduce(values)) / len(values)


def _told(values: Mapping[str, float]) -> Told:
    return Told(tuple(values), th.tensor(list(values.values()), dtype=th.float32))


FORMULAS: Mapping[Any, Objective] = {
    PPO.objective: of_ppo,
    A2C.objective: of_a2c,
    REINFORCE.objective: of_a2c,
}
"""By the method that they restate."""
_COEFFICIENTS = (OnPolicyUpdate.coefficients, PPO.coefficients)


def objective_of(model: OnPolicyUpdate) -> Objective | None:
    """The formula of a model's objective; ``None`` for a class that has changed a part of it."""
    cls = type(model)
    stock = cls.advantages is OnPolicyUpdate.advantages and cls.coefficients in _COEFFICIENTS
    return FORMULAS.get(cls.objective) if stock else None
