"""Networks in a wrong mode or state, and learning rates that are not the ones asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch as th
from torch import nn

from sb3_ac_ext.faults.base import OFF_POLICY, ON_POLICY, Kind
from sb3_ac_ext.faults.overriding import overridden, replaced
from sb3_ac_ext.faults.parts import (
    CRITIC,
    POLICY,
    activations_with,
    copy_to_targets,
    hidden,
    optimizer,
)
from sb3_ac_ext.faults.update import ModelFault


def _dropout(model: Any, severity: float) -> AbstractContextManager[None]:
    return activations_with(model, lambda: nn.Dropout(severity))


@contextmanager
def _dropout_while_acting(model: Any, severity: float) -> Iterator[None]:
    """``set_training_mode(False)`` never reaches the networks."""

    def always_on(original: Any, mode: bool) -> None:
        original(True)

    with _dropout(model, severity), overridden(model.policy, set_training_mode=always_on):
        yield


def _beginning_with(change: Callable[[nn.Linear, float], Any]) -> Any:
    """Change hidden layers before training; what training makes of them stays.

    :param change: called with each layer and the severity
    """

    @contextmanager
    def broken(model: Any, severity: float) -> Iterator[None]:
        with th.no_grad():
            for side in (POLICY, CRITIC):
                for _, _, layer in hidden(model, side):
                    change(layer, severity)
        copy_to_targets(model)
        yield

    return broken


def _learning_rate_jump(model: Any, severity: float) -> AbstractContextManager[None]:
    """In the second half of the budget, as by a schedule with its stages mixed up."""
    usual = model.lr_schedule

    def schedule(progress_remaining: float) -> float:
        return float(usual(progress_remaining) * (severity if progress_remaining <= 0.5 else 1.0))

    return replaced(model, lr_schedule=schedule)


def _critic_learning_rate(model: Any, severity: float) -> AbstractContextManager[None]:
    critic = optimizer(model, CRITIC)

    def step(original: Any, closure: Any = None) -> Any:
        usual = [group["lr"] for group in critic.param_groups]
        for group in critic.param_groups:
            group["lr"] *= severity
        result = original(closure)
        for group, rate in zip(critic.param_groups, usual, strict=True):
            group["lr"] = rate
        return result

    return overridden(critic, step=step)


def _fault(name: str, cause: str, summary: str, broken: Any, **knobs: Any) -> ModelFault:
    return ModelFault(
        name=name,
        component="networks",
        cause=cause,
        summary=summary,
        broken=broken,
        **{"kind": Kind.HARMFUL, **knobs},
    )


FAULTS = (
    _fault(
        "dropout_in_policy",
        "network_mode",
        "the policy has dropout: it learns with it and acts without",
        _dropout,
        kind=Kind.DEFECT,
        severity=0.3,
        unit="probability",
    ),
    _fault(
        "dropout_while_acting",
        "network_mode",
        "the policy has dropout, and is never put into evaluation mode",
        _dropout_while_acting,
        severity=0.5,
        unit="probability",
    ),
    _fault(
        "dead_units",
        "network_saturated",
        "hidden units begin with a large negative bias: ReLU gives 0, tanh -1, whatever comes in",
        _beginning_with(lambda layer, severity: layer.bias.fill_(-severity)),
        severity=10.0,
        unit="bias",
    ),
    _fault(
        "saturated_weights",
        "network_saturated",
        "weights of hidden layers begin far too large",
        _beginning_with(lambda layer, severity: layer.weight.mul_(severity)),
        severity=50.0,
        unit="factor",
        algos=ON_POLICY,
    ),
    _fault(
        "learning_rate_jump",
        "learning_rate_too_high",
        "the learning rate becomes far larger in the second half of the budget",
        _learning_rate_jump,
        severity=300.0,
        unit="factor",
    ),
    _fault(
        "critic_learning_rate_high",
        "learning_rate_too_high",
        "the critic learns at a far larger rate than the actor",
        _critic_learning_rate,
        severity=100.0,
        unit="factor",
        algos=OFF_POLICY,
    ),
)
