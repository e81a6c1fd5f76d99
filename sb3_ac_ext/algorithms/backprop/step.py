"""Optimizer steps of plain policies, with gradients by formula."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import torch as th
from torch import nn

from sb3_ac_ext.algorithms.backprop.heads import head_of
from sb3_ac_ext.algorithms.backprop.layers import Layers
from sb3_ac_ext.algorithms.backprop.objectives import Seen, objective_of
from sb3_ac_ext.algorithms.flat import FlatParameters, spans
from sb3_ac_ext.algorithms.hooks import HookedNetwork
from sb3_ac_ext.algorithms.on_policy import Batch, OnPolicyUpdate, Told, steps_otherwise
from sb3_ac_ext.algorithms.plain_policy import actor_layers, critic_layers, is_plain

TOLERANCE = 1e-4
"""Most that the first gradient may be away from autograd's, over the length of that."""


class Backprop:
    """Takes a model's optimizer steps with gradients of its own.

    Autograd notes every operation of a forward pass, which in small networks costs more than the
    operations. Here layers, distribution and the objectives of PPO and A2C are differentiated by
    formula; of another objective it sees no more than values, log-probabilities and entropies. The
    gradient is one vector, which is scaled down and followed at once. The first must agree with
    autograd's, which sees whatever else an objective depends on; otherwise all are autograd's.

    :param model: with a plain policy, see :func:`backprop_of`
    :raises TypeError: for layers other than those of :class:`~.layers.Layers`
    """

    def __init__(self, model: OnPolicyUpdate) -> None:
        policy: Any = model.policy
        self._model, self._policy = model, policy
        self._actor, self._critic = Layers(actor_layers(policy)), Layers(critic_layers(policy))
        self._head, self._objective = head_of(policy), objective_of(model)
        self._hooks = HookedNetwork(policy)
        self._modules = _modules(policy)
        self._parameters = list(policy.parameters())
        places = spans(self._parameters)
        self._gradient = th.zeros(places[-1].stop)
        self._parts = [
            self._gradient[place].view(parameter.shape)
            for place, parameter in zip(places, self._parameters, strict=True)
        ]
        self._flat: FlatParameters | None = None
        self._agrees: bool | None = None

    def fits(self) -> bool:
        """Whether this is still the model's policy, all of which is trained and nobody watches."""
        policy = self._model.policy
        return (
            policy is self._policy
            and _modules(policy) == self._modules
            and all(p.requires_grad for p in self._parameters)
            and not self._hooks.forward
            and not self._hooks.backward
        )

    def begin(self) -> None:
        """An update begins."""
        self._flat = self._model.flat_parameters()

    def learn_from(self, samples: Any, coefs: Mapping[str, Any]) -> tuple[Told, bool]:
        """As the model's ``learn_from``."""
        model = self._model
        if self._agrees is None:
            self._agrees = self._off(samples, coefs) <= TOLERANCE
        if not self._agrees:
            return model.learn_from(samples, coefs)
        told, slopes = self._objective(model, self._evaluated(samples), coefs)
        near = model.near_enough(told)
        if near:
            self.differentiate(slopes)
            self._hooks.accumulated()
            self.clip()
            with nullcontext() if self._flat is None else self._flat.as_one(self._gradient):
                model.step_optimizer()
        return told, near

    def _evaluated(self, samples: Any) -> Batch:
        with th.no_grad():
            observations = samples.observations.flatten(1).float()
            values = self._critic(observations).flatten()
            out = self._actor(observations).numpy()
        log_prob, entropy = map(th.from_numpy, self._head(out, samples.actions.numpy()))
        old = (samples.old_values, samples.old_log_prob, samples.advantages, samples.returns)
        return Batch(values, log_prob, entropy, *old)

    def differentiate(self, slopes: Seen) -> None:
        """Put the objective's gradient into all parameters' ``grad``."""
        for parameter, part in zip(self._parameters, self._parts, strict=True):
            parameter.grad = part
        with th.no_grad():
            self._critic.backward(th.from_numpy(slopes.values)[:, None])
            out = self._head.backward(slopes.log_prob, slopes.entropy)
            self._actor.backward(th.from_numpy(out))

    def clip(self) -> None:
        """As ``torch.nn.utils.clip_grad_norm_``."""
        most = self._model.max_grad_norm / (self._gradient.norm() + 1e-6)
        self._gradient.mul_(th.clamp(most, max=1.0))

    def _off(self, samples: Any, coefs: Mapping[str, Any]) -> float:
        """Distance of the gradient from autograd's, over the length of that."""
        model = self._model
        loss, _ = model.objective(model._batch(samples), coefs)
        grads = th.autograd.grad(loss, self._parameters, allow_unused=True)
        if any(grad is None for grad in grads):
            return float("inf")
        theirs = th.cat([grad.reshape(-1) for grad in grads])
        _, slopes = self._objective(model, self._evaluated(samples), coefs)
        self.differentiate(slopes)
        return float((self._gradient - theirs).norm() / theirs.norm().clamp(min=1e-12))


def _modules(policy: Any) -> list[nn.Module]:
    return [*actor_layers(policy), *critic_layers(policy)]


def backprop_of(model: Any, known: Backprop | None) -> Backprop | None:
    """What takes a model's steps; ``None`` for those with a policy that is more than an MLP, with
    another optimizer step of their own, or that somebody watches from within autograd.

    :param known: the one of before, kept where it still fits
    """
    if known is not None and known.fits():
        return known
    if not is_plain(model.policy) or steps_otherwise(model):
        return None
    try:
        made = Backprop(model)
    except TypeError:  # an activation that it does not know
        return None
    return made if made.fits() else None
