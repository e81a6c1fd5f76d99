"""The gradients that SB3's losses must have, computed again from the batch that was used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch as th
from gymnasium import spaces
from stable_baselines3 import A2C, DDPG, PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from torch import nn

from sb3_ac_ext.monitoring.neutral import has_modes

_LOSSES = (PPO, A2C, SAC, TD3)
_STOCK = (PPO, A2C, SAC, TD3, DDPG)


def refuses(model: BaseAlgorithm) -> str | None:
    """Why the model's gradients cannot be computed again, ``None`` when they can."""
    if not isinstance(model, _LOSSES):
        return f"{type(model).__name__} has losses of its own"
    if has_modes(model.policy):
        return "dropout and batch norm draw anew in every pass"
    if isinstance(model, SAC) and model.use_sde:
        return "gSDE draws its noise anew in the update"
    return None


def is_stock(model: BaseAlgorithm) -> bool:
    """Whether the update is SB3's own code, or this package's restatement of it, so that its
    gradients are known exactly."""
    if type(model).__module__.startswith("sb3_ac_ext.algorithms."):
        return not any(getattr(model, name, None) for name in ("advantage_clip", "critic_subset"))
    return getattr(type(model), "train", None) in {cls.train for cls in _STOCK}


def on_policy_loss(model: Any, batch: Any, net: str, bonus: bool = True) -> th.Tensor:
    """The part of PPO's and A2C's loss that a network learns from, on the first minibatch, where
    the ratio is 1 and nothing is clipped.

    ``-mean(A log pi) - ent_coef mean(H)`` for the policy, ``vf_coef MSE(V, R)`` for the critic,
    both for what they share; its gradient is PPO's there (arXiv 1707.06347, eq. 6 at the old
    policy).
    """
    actions = batch.actions
    if isinstance(model.action_space, spaces.Discrete):
        actions = actions.long().flatten()
    values, log_prob, entropy = model.policy.evaluate_actions(batch.observations, actions)
    advantages = batch.advantages
    if model.normalize_advantage and len(advantages) > 1:
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    entropy_loss = log_prob.mean() if entropy is None else -entropy.mean()
    value_loss = nn.functional.mse_loss(batch.returns, values.flatten())
    policy_loss: th.Tensor = -(advantages * log_prob).mean()
    if bonus:
        policy_loss = policy_loss + model.ent_coef * entropy_loss
    if net == "policy":
        return policy_loss
    weighted: th.Tensor = model.vf_coef * value_loss
    return policy_loss + weighted if net == "shared" else weighted


def critic_loss(model: Any, batch: Any, alpha: th.Tensor | None) -> th.Tensor:
    """TD error of all critics, with the random numbers that ``train()`` is about to draw.

    SAC: arXiv 1801.01290, eq. 5; TD3: arXiv 1802.09477, algorithm 1.

    :param alpha: entropy coefficient before the update, ``None`` without one
    """
    policy = model.policy
    with th.no_grad():
        if alpha is not None:
            policy.actor.action_log_prob(batch.observations)  # SAC draws these first
            actions, log_prob = policy.actor.action_log_prob(batch.next_observations)
            cost: Any = alpha * log_prob.reshape(-1, 1)
        else:
            noise = batch.actions.clone().normal_(0, model.target_policy_noise)
            noise = noise.clamp(-model.target_noise_clip, model.target_noise_clip)
            actions = (policy.actor_target(batch.next_observations) + noise).clamp(-1, 1)
            cost = 0.0
        following = th.cat(policy.critic_target(batch.next_observations, actions), dim=1)
        following = following.min(dim=1, keepdim=True).values - cost
        discounts = getattr(batch, "discounts", None)
        gamma = model.gamma if discounts is None else discounts
        targets = batch.rewards + (1 - batch.dones) * gamma * following
    estimates = policy.critic(batch.observations, batch.actions)
    return th.stack([nn.functional.mse_loss(q, targets) for q in estimates]).sum()


def actor_loss(model: Any, batch: Any, alpha: th.Tensor | None, bonus: bool = True) -> th.Tensor:
    """``mean(alpha log pi - min Q)`` for SAC, ``-mean(Q1)`` for TD3 and DDPG.

    :param bonus: with the entropy term
    """
    policy = model.policy
    if alpha is None:
        values: th.Tensor = policy.critic.q1_forward(
            batch.observations, policy.actor(batch.observations)
        )
        return -values.mean()
    actions, log_prob = policy.actor.action_log_prob(batch.observations)
    values = th.cat(policy.critic(batch.observations, actions), dim=1)
    smallest = values.min(dim=1, keepdim=True).values
    return (alpha * log_prob.reshape(-1, 1) - smallest).mean() if bonus else -smallest.mean()


@dataclass(frozen=True)
class Agreement:
    """Of the gradients that parameters hold with those of a loss.

    :param cosine: 1 where they agree up to a factor such as clipping's, 0 where the parameters hold
        none; its sign is turned where the loss, measured, rises along what should lower it
    :param some: whether the loss has a gradient at all
    """

    cosine: float
    some: bool = True


def agreement(
    loss: Callable[[bool], th.Tensor], parameters: Sequence[th.Tensor], values: bool = True
) -> Agreement | None:
    """
    :param values: turn the cosine where the loss, measured, rises along its own descent
    :param loss: with (``True``) or without its entropy term; draws the same numbers at every call
    :return: ``None`` where gradients are not finite
    """
    trainable = [p for p in parameters if p.requires_grad]
    if not trainable:
        return Agreement(0.0)
    with th.enable_grad():
        expected = _gradient(loss(True), trainable)
    held = _flat([p.grad for p in trainable], trainable)
    if not bool(th.isfinite(held).all() & th.isfinite(expected).all()):
        return None
    if float(expected.norm()) < 1e-12:
        return Agreement(0.0, some=False)
    if float(held.norm()) == 0.0:
        return Agreement(0.0)
    cosine = float((held / held.norm()) @ (expected / expected.norm()))
    if values and _rises(lambda: loss(False), trainable):
        cosine = -abs(cosine)
    return Agreement(cosine)


def _gradient(loss: th.Tensor, parameters: Sequence[th.Tensor]) -> th.Tensor:
    return _flat(th.autograd.grad(loss, parameters, allow_unused=True), parameters)


def _rises(loss: Callable[[], th.Tensor], parameters: Sequence[th.Tensor]) -> bool:
    """Whether the loss rises along its own descent, by a central difference.

    Automatic differentiation cannot see that a graph passes its gradient on reversed: both sides of
    a comparison would be wrong alike. A difference of values can. False where rounding decides.
    """
    with th.enable_grad():
        start_loss = loss()
        down = -_gradient(start_loss, parameters)
    value, slope = float(start_loss), float(down.norm())
    if slope < 1e-12:
        return False
    size = float(th.stack([p.detach().norm() for p in parameters]).norm())
    resolution = 1e-6 * max(abs(value), 1.0)
    direction = down / slope
    for times in (100.0, 1000.0):
        step = times * resolution / slope
        if step > 1e-2 * max(size, 1e-3):
            return False
        rise = _difference(loss, parameters, direction, step) / (2.0 * step * slope)
        # a reversed graph makes this 1, a right one -1, rounding and curvature anything between
        if not 0.8 < rise < 1.25:
            return False
    return True


def _difference(
    loss: Callable[[], th.Tensor],
    parameters: Sequence[th.Tensor],
    direction: th.Tensor,
    step: float,
) -> float:
    """Loss one step along the direction minus loss one step against it."""
    kept = [p.detach().clone() for p in parameters]
    values = []
    for signed in (step, -step):
        start = 0
        for parameter, old in zip(parameters, kept, strict=True):
            part = direction[start : start + old.numel()].reshape(old.shape).to(old.dtype)
            parameter.detach().copy_(old + signed * part)
            start += old.numel()
        values.append(float(loss()))
    for parameter, old in zip(parameters, kept, strict=True):
        parameter.detach().copy_(old)
    return values[0] - values[1]


def _flat(gradients: Sequence[Any], like: Sequence[th.Tensor]) -> th.Tensor:
    parts = [
        th.zeros(p.numel(), device=p.device) if g is None else g.detach().reshape(-1)
        for g, p in zip(gradients, like, strict=True)
    ]
    return th.cat(parts).double()
