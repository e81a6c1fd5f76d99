"""Optimizer steps of plain policies, with gradients by formula."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch as th
from torch import nn

from sb3_ac_ext.algorithms.acting import finite
from sb3_ac_ext.algorithms.backprop.heads import head_of
from sb3_ac_ext.algorithms.backprop.layers import Layers
from sb3_ac_ext.algorithms.backprop.objectives import Objective, Seen, objective_of
from sb3_ac_ext.algorithms.flat import spans
from sb3_ac_ext.algorithms.on_policy import Batch, OnPolicyUpdate, Told, steps_otherwise
from sb3_ac_ext.algorithms.plain_policy import actor_layers, critic_layers, is_plain
from sb3_ac_ext.algorithms.structure import Structure

TOLERANCE = 1e-4
"""Most that the first gradient may be away from autograd's, over the length of that."""


class Backprop:
    """Takes a model's optimizer steps with gradients of its own.

    Autograd notes every operation of a forward pass, which in small networks costs more than the
    operations. Here layers, distribution and objective are differentiated by formula, into one
    vector that all parameters' gradients are views of. The first gradient must agree with
    autograd's; otherwise all are autograd's.

    :param model: with a plain policy, see :func:`backprop_of`
    :param objective: of the model
    :raises TypeError: for layers other than those of :class:`~.layers.Layers`
    """

    def __init__(self, model: OnPolicyUpdate, objective: Objective) -> None:
        policy: Any = model.policy
        self._model, self._policy = model, policy
        self._actor, self._critic = Layers(actor_layers(policy)), Layers(critic_layers(policy))
        self._head, self._objective = head_of(policy), objective
        self._structure, self._distribution = Structure(policy), policy.action_dist
        self._parameters = list(policy.parameters())
        places = spans(self._parameters)
        self._gradient = th.zeros(places[-1].stop)
        self._parts = [
            self._gradient[place].view(parameter.shape)
            for place, parameter in zip(places, self._parameters, strict=True)
        ]
        self._agrees: bool | None = None

    def fits(self) -> bool:
        """Whether this is still the model's policy, with the same layers and parameters, of which
        none is frozen and no hook waits for autograd."""
        policy, structure = self._model.policy, self._structure
        return (
            policy is self._policy
            and policy.action_dist is self._distribution
            and structure.whole
            and all(parameter.requires_grad for parameter in self._parameters)
            and not structure.forward
            and not structure.backward
        )

    def learn_from(self, samples: Any, coefs: Mapping[str, Any]) -> tuple[Told, bool]:
        """As the model's ``learn_from``."""
        model = self._model
        if self._agrees is None:
            self._agrees = self._off(samples, coefs) <= TOLERANCE
        if not self._agrees:
            return model.learn_from(samples, coefs)
        told, slopes = self._told(samples, coefs)
        near = model.near_enough(told)
        if near:
            self.differentiate(slopes)
            self._structure.accumulated()
            self.clip()
            model.step_optimizer()
        return told, near

    def _told(self, samples: Any, coefs: Mapping[str, Any]) -> tuple[Told, Seen]:
        numbers = {name: float(coef) for name, coef in coefs.items()}
        return self._objective(self._model, self._evaluated(samples), numbers)

    def _evaluated(self, samples: Any) -> Batch:
        with th.no_grad():
            observations = samples.observations.flatten(1).float()
            values = self._critic(observations).flatten()
            out = finite(self._actor(observations).numpy())
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
        """As ``torch.nn.utils.clip_grad_norm_``, which is called if a hook has put in others."""
        pairs = zip(self._parameters, self._parts, strict=True)
        if all(parameter.grad is part for parameter, part in pairs):
            most = self._model.max_grad_norm / (self._gradient.norm() + 1e-6)
            self._gradient.mul_(th.clamp(most, max=1.0))
        else:
            nn.utils.clip_grad_norm_(self._parameters, self._model.max_grad_norm)

    def _off(self, samples: Any, coefs: Mapping[str, Any]) -> float:
        """Distance of the gradient from autograd's, over the length of that."""
        model = self._model
        loss, _ = model.objective(model._batch(samples), coefs)
        grads = th.autograd.grad(loss, self._parameters, allow_unused=True)
        if any(grad is None for grad in grads):
            return float("inf")
        theirs = th.cat([grad.reshape(-1) for grad in grads])
        _, slopes = self._told(samples, coefs)
        self.differentiate(slopes)
        return float((self._gradient - theirs).norm() / theirs.norm().clamp(min=1e-12))


def backprop_of(model: Any, known: Backprop | None) -> Backprop | None:
    """What takes a model's steps; ``None`` for those with a policy that is more than an MLP, with
    an optimizer step or objective of their own, or that somebody watches from within autograd.

    :param known: the one of before, kept where it still fits
    """
    objective = objective_of(model)
    if objective is None or steps_otherwise(model):
        return None
    if known is not None and known.fits():
        return known
    if not is_plain(model.policy):
        return None
    try:
        made = Backprop(model, objective)
    except TypeError:  # an activation that it does not know
        return None
    return made if made.fits() else None
