"""Updates that go the wrong way or nowhere: losses, gradients and optimizers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch as th
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from sb3_ac_ext.faults.base import OFF_POLICY, ON_POLICY, Fault, Kind
from sb3_ac_ext.faults.overriding import overridden
from sb3_ac_ext.faults.parts import (
    CRITIC,
    POLICY,
    optimizer,
    parameters,
    reversed_gradient,
    without_gradient,
)


@dataclass(frozen=True, kw_only=True)
class ModelFault(Fault):
    """A fault of the model.

    :param broken: called with model and severity; a context manager
    """

    broken: Callable[[Any, float], AbstractContextManager[Any]]

    def patch(self, model: Any, severity: float) -> AbstractContextManager[None]:
        return self.broken(model, severity)


def _evaluating(change: Callable[[Any, Any], tuple[Any, Any]]) -> Any:
    """Change what on-policy losses are computed from.

    :param change: of values and log-probabilities
    """

    def evaluate_actions(original: Any, *args: Any, **kwargs: Any) -> Any:
        values, log_prob, entropy = original(*args, **kwargs)
        return (*change(values, log_prob), entropy)

    return lambda model, _: overridden(model.policy, evaluate_actions=evaluate_actions)


def _reversed_actor_loss(model: Any, _: float) -> AbstractContextManager[None]:
    """The actor climbs down the critic: only the term with Q is reversed, SAC's entropy is not."""

    def q(original: Any, obs: Any, actions: th.Tensor) -> Any:
        return original(obs, reversed_gradient(actions) if actions.requires_grad else actions)

    critic = model.policy.critic
    return overridden(critic, **{"forward" if hasattr(model, "log_ent_coef") else "q1_forward": q})


def _reversed_critic_loss(model: Any, _: float) -> AbstractContextManager[None]:
    def forward(original: Any, obs: Any, actions: th.Tensor) -> Any:
        q_values = original(obs, actions)
        if actions.requires_grad:  # the actor's loss
            return q_values
        return tuple(reversed_gradient(q) for q in q_values)

    return overridden(model.policy.critic, forward=forward)


def _frozen_policy(model: Any, _: float) -> AbstractContextManager[None]:
    return without_gradient(parameters(model, POLICY))


def _frozen_critic(model: Any, _: float) -> AbstractContextManager[None]:
    """Off-policy by a step that is never taken: without any gradient the loss would raise."""
    if isinstance(model, OnPolicyAlgorithm):
        return without_gradient(parameters(model, CRITIC))
    return overridden(optimizer(model, CRITIC), step=lambda original, closure=None: None)


def _optimizer_without(side: str) -> Any:
    def broken(model: Any, _: float) -> Any:
        lost = {id(p) for p in parameters(model, side)}
        return _groups(model, side, lambda kept: [p for p in kept if id(p) not in lost])

    return broken


def _optimizer_of_copies(side: str) -> Any:
    """As when networks are replaced after the optimizer was made."""

    def broken(model: Any, _: float) -> Any:
        lost = {id(p) for p in parameters(model, side)}
        return _groups(
            model, side, lambda kept: [p.detach().clone() if id(p) in lost else p for p in kept]
        )

    return broken


@contextmanager
def _groups(model: Any, side: str, change: Callable[[list[Any]], list[Any]]) -> Iterator[None]:
    groups = optimizer(model, side).param_groups
    before = [group["params"] for group in groups]
    for group in groups:
        group["params"] = change(group["params"])
    try:
        yield
    finally:
        for group, kept in zip(groups, before, strict=True):
            group["params"] = kept


def _gradients_lost(model: Any, severity: float) -> AbstractContextManager[None]:
    """As by a guard against NaN that never opens again."""

    def step(original: Any, closure: Any = None) -> Any:
        if model._current_progress_remaining <= 1.0 - severity:
            for parameter in parameters(model, POLICY):
                parameter.grad = None
        return original(closure)

    return overridden(optimizer(model, POLICY), step=step)


@contextmanager
def _never_zeroed(model: Any, _: float) -> Iterator[None]:
    """``zero_grad()`` is forgotten; off-policy, the critic also keeps gradients of the actor."""
    with ExitStack() as stack:
        for one in _optimizers(model):
            stack.enter_context(overridden(one, zero_grad=lambda original, *_, **__: None))
        yield


@contextmanager
def _noisy_gradients(model: Any, severity: float) -> Iterator[None]:
    """Noise of the root mean square of each gradient, as by a wrong average over processes."""
    generator = th.Generator().manual_seed(0)

    def step(original: Any, closure: Any = None) -> Any:
        for parameter in model.policy.parameters():
            if parameter.grad is not None:
                noise = th.randn(parameter.shape, generator=generator).to(parameter.device)
                parameter.grad += severity * parameter.grad.square().mean().sqrt() * noise
        return original(closure)

    with ExitStack() as stack:
        for one in _optimizers(model):
            stack.enter_context(overridden(one, step=step))
        yield


def _optimizers(model: Any) -> list[Any]:
    both = [optimizer(model, POLICY), optimizer(model, CRITIC)]
    return both[:1] if both[0] is both[1] else both


def _fault(name: str, cause: str, summary: str, broken: Any, **knobs: Any) -> ModelFault:
    return ModelFault(
        name=name,
        component="update",
        cause=cause,
        summary=summary,
        broken=broken,
        **{"kind": Kind.HARMFUL, **knobs},
    )


FAULTS = (
    _fault(
        "policy_loss_sign",
        "policy_update_sign",
        "the policy loss has the opposite sign: good actions become less likely",
        _evaluating(lambda values, log_prob: (values, reversed_gradient(log_prob))),
        algos=ON_POLICY,
    ),
    _fault(
        "value_loss_sign",
        "critic_update_sign",
        "the value loss has the opposite sign",
        _evaluating(lambda values, log_prob: (reversed_gradient(values), log_prob)),
        algos=ON_POLICY,
    ),
    _fault(
        "actor_loss_sign",
        "policy_update_sign",
        "the actor minimises Q",
        _reversed_actor_loss,
        algos=OFF_POLICY,
    ),
    _fault(
        "critic_loss_sign",
        "critic_update_sign",
        "the critic loss has the opposite sign",
        _reversed_critic_loss,
        algos=OFF_POLICY,
    ),
    _fault(
        "dead_surrogate",
        "policy_not_updated",
        "the log-probability in the loss is detached: advantages do not reach the policy",
        _evaluating(lambda values, log_prob: (values, log_prob.detach())),
        algos=ON_POLICY,
    ),
    _fault(
        "frozen_policy",
        "policy_not_updated",
        "the parameters of the policy require no gradient",
        _frozen_policy,
    ),
    _fault("frozen_critic", "critic_not_updated", "the critic is never updated", _frozen_critic),
    _fault(
        "optimizer_without_policy",
        "policy_not_updated",
        "the optimizer lacks the parameters of the policy",
        _optimizer_without(POLICY),
    ),
    _fault(
        "optimizer_without_critic",
        "critic_not_updated",
        "the optimizer lacks the parameters of the critic",
        _optimizer_without(CRITIC),
    ),
    _fault(
        "optimizer_of_old_policy",
        "policy_not_updated",
        "the optimizer holds the parameters of a policy that was replaced since",
        _optimizer_of_copies(POLICY),
    ),
    _fault(
        "optimizer_of_old_critic",
        "critic_not_updated",
        "the optimizer holds the parameters of a critic that was replaced since",
        _optimizer_of_copies(CRITIC),
    ),
    _fault(
        "gradients_zeroed_late",
        "policy_not_updated",
        "from one moment on, the policy's gradients are thrown away",
        _gradients_lost,
        severity=0.3,
        unit="share of the budget until it begins",
    ),
    _fault(
        "gradients_accumulated",
        "gradients_altered",
        "gradients of earlier steps are never set to zero",
        _never_zeroed,
    ),
    _fault(
        "gradients_noisy",
        "gradients_altered",
        "noise is added to the gradients before the optimizer's step",
        _noisy_gradients,
        severity=10.0,
        unit="standard deviations per root mean square of the gradient",
    ),
)
