"""The losses of policy-gradient and actor-critic updates: pure functions of tensors.

Written in the order in which Stable-Baselines3 computes, so that results are the same to the last
bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch as th
import torch.nn.functional as F

Scalar: TypeAlias = Any
"""A number, or a tensor without dimensions."""


def standardised(advantages: th.Tensor) -> th.Tensor:
    """Advantages with mean 0 and standard deviation 1; a single one is left as it is.

    :param advantages: shape (n,)
    """
    if len(advantages) == 1:
        return advantages
    return (advantages - advantages.mean()) / (advantages.std() + 1e-8)


def within_deviations(advantages: th.Tensor, most: float) -> th.Tensor:
    """Advantages at most so many standard deviations from their mean; a single one is left alone.

    :param advantages: shape (n,)
    :param most: positive
    """
    if len(advantages) == 1:
        return advantages
    mean, reach = advantages.mean(), most * advantages.std()
    return th.clamp(advantages, mean - reach, mean + reach)


def surrogate_loss(advantages: th.Tensor, ratio: th.Tensor, clip_range: Scalar) -> th.Tensor:
    """PPO's clipped objective, negated (arXiv 1707.06347, eq. 7).

    :param advantages: shape (n,)
    :param ratio: pi(a|s) / pi_old(a|s), shape (n,)
    :param clip_range: half width of the interval around 1
    """
    unclipped = advantages * ratio
    clipped = advantages * th.clamp(ratio, 1 - clip_range, 1 + clip_range)
    return -th.min(unclipped, clipped).mean()


def policy_gradient_loss(advantages: th.Tensor, log_prob: th.Tensor) -> th.Tensor:
    """The likelihood-ratio policy gradient (Williams, 1992).

    :param advantages: shape (n,)
    :param log_prob: of the actions taken, shape (n,)
    """
    return -(advantages * log_prob).mean()


def value_loss(returns: th.Tensor, values: th.Tensor) -> th.Tensor:
    """Mean squared error.

    :param returns: the critic's targets, shape (n,)
    :param values: shape (n,)
    """
    return F.mse_loss(returns, values)


def near(values: th.Tensor, old: th.Tensor, clip_range: Scalar) -> th.Tensor:
    """Values at most ``clip_range`` from those of the critic that acted.

    :param values: shape (n,)
    :param old: shape (n,)
    """
    return old + th.clamp(values - old, -clip_range, clip_range)


def entropy_loss(entropy: th.Tensor | None, log_prob: th.Tensor) -> th.Tensor:
    """Negative mean entropy, estimated from the actions taken where it has no closed form.

    :param entropy: shape (n,), or ``None``
    :param log_prob: shape (n,)
    """
    return -th.mean(-log_prob if entropy is None else entropy)


def approximate_kl(log_ratio: th.Tensor) -> th.Tensor:
    """Estimator k3 of KL(old, new) in nats (Schulman, 2020), never negative.

    :param log_ratio: log pi(a|s) - log pi_old(a|s), shape (n,)
    """
    return th.mean((th.exp(log_ratio) - 1) - log_ratio)


def near_enough(kl: Scalar, target_kl: Scalar) -> Scalar:
    """Whether an update may go on: SB3 stops it beyond 1.5 ``target_kl``."""
    return kl <= 1.5 * target_kl


def clipped_share(ratio: th.Tensor, clip_range: Scalar) -> th.Tensor:
    """Share of ratios beyond the interval in which PPO's objective has a gradient."""
    return th.mean((th.abs(ratio - 1) > clip_range).float())


def td_target(
    rewards: th.Tensor, dones: th.Tensor, discounts: Scalar, next_values: th.Tensor
) -> th.Tensor:
    """One-step (or n-step) bootstrapped target, shape (n, 1).

    :param discounts: gamma, or gamma**n per row with n-step replay
    """
    target: th.Tensor = rewards + (1 - dones) * discounts * next_values
    return target


def critic_loss(
    values: Sequence[th.Tensor], target: th.Tensor, weights: th.Tensor | None = None
) -> th.Tensor:
    """Sum over critics of the mean squared error.

    :param values: one of shape (n, 1) per critic
    :param target: shape (n, 1)
    :param weights: of rows, shape (n, 1)
    """
    errors = [weighted_mean(F.mse_loss, value, target, weights) for value in values]
    return sum(errors[1:], start=errors[0])


def weighted_mean(
    loss: Callable[..., th.Tensor], value: th.Tensor, target: th.Tensor, weights: th.Tensor | None
) -> th.Tensor:
    """Mean over rows of a loss of PyTorch's, each times its weight.

    :param value: shape (n, 1)
    :param target: shape (n, 1)
    :param weights: shape (n, 1), ``None`` for 1
    """
    if weights is None:
        return loss(value, target)
    return (weights * loss(value, target, reduction="none")).mean()


def soft_actor_loss(ent_coef: th.Tensor, log_prob: th.Tensor, values: th.Tensor) -> th.Tensor:
    """SAC's policy objective (arXiv 1812.05905, eq. 7).

    :param log_prob: of actions by the present policy, shape (n, 1)
    :param values: of these actions, least of the critics, shape (n, 1)
    """
    return (ent_coef * log_prob - values).mean()


def temperature_loss(
    log_ent_coef: th.Tensor, log_prob: th.Tensor, target_entropy: float
) -> th.Tensor:
    """SAC's objective for the entropy coefficient (arXiv 1812.05905, eq. 18), in its logarithm.

    :param log_prob: shape (n, 1), not differentiated
    """
    return -(log_ent_coef * (log_prob + target_entropy).detach()).mean()
