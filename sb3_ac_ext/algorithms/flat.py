"""Parameters and optimizer state as views of a few long vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch as th
from torch import nn

from sb3_ac_ext.algorithms.structure import addresses, held_by, same

Layout = Sequence[tuple[str, slice, th.Size]]
"""Name, place in a vector and shape of every parameter."""


def spans(parameters: Iterable[th.Tensor]) -> list[slice]:
    """Where each of them lies in a vector in which they stand one after another."""
    found, start = [], 0
    for parameter in parameters:
        found.append(slice(start, start + parameter.numel()))
        start = found[-1].stop
    return found


def layout_of(network: nn.Module, prefix: str = "") -> Layout:
    """Of a network's parameters, one after another.

    :param prefix: of names
    """
    named = list(network.named_parameters())
    places = spans(parameter for _, parameter in named)
    return [
        (f"{prefix}{name}", span, parameter.shape)
        for (name, parameter), span in zip(named, places, strict=True)
    ]


def views(vector: th.Tensor, layout: Layout) -> dict[str, th.Tensor]:
    """Parts of a vector under the names and in the shapes of the parameters that they are."""
    return {name: vector[span].view(shape) for name, span, shape in layout}


Parameters = Mapping[str, th.Tensor]
Loss = Callable[[Parameters], tuple[th.Tensor, Any]]


def gradient(loss: Loss, vector: th.Tensor, layout: Layout) -> tuple[th.Tensor, th.Tensor, Any]:
    """Of a loss of parameters with respect to the vector that they are views of, part by part: the
    gradient of a slice would be as long as the vector, and they would all be added up.

    :param loss: gives what it tells besides, too
    :return: the gradient, the loss and what it told
    """
    parts, (value, aside) = th.func.grad_and_value(loss, has_aux=True)(views(vector, layout))
    return th.cat([parts[name].reshape(-1) for name, *_ in layout]), value, aside


def flattened(parameters: Sequence[nn.Parameter]) -> th.Tensor:
    """One vector that all parameters are views of from now on."""
    vector = th.cat([p.detach().reshape(-1) for p in parameters])
    for parameter, span in zip(parameters, spans(parameters), strict=True):
        parameter.data = vector[span].view(parameter.shape)
    return vector


def trained(optimizer: th.optim.Optimizer) -> tuple[int, ...]:
    """Which parameters an optimizer trains: ids of those that are not frozen."""
    groups = optimizer.param_groups
    return tuple(id(p) for group in groups for p in group["params"] if p.requires_grad)


def trains_all(network: nn.Module, optimizer: th.optim.Optimizer) -> bool:
    """Whether an optimizer trains exactly a network's parameters, in their order, none of them
    frozen, and has taken as many steps with each."""
    parameters = list(network.parameters())
    steps = {float(optimizer.state.get(p, {}).get("step", 0.0)) for p in parameters}
    return trained(optimizer) == tuple(map(id, parameters)) and len(steps) == 1


class FlatParameters:
    """What an optimizer trains, as one vector that all its parameters are views of.

    Its state is laid out alike. Both sides see every change: a module's forward pass, a saved file
    and a step of the optimizer work as before.

    :param optimizer: with one parameter group
    :param state: names of its state per parameter, such as ``exp_avg``
    """

    def __init__(self, optimizer: th.optim.Optimizer, state: Sequence[str]) -> None:
        self._optimizer, self._names = optimizer, tuple(state)
        self._parameters: list[nn.Parameter] = list(optimizer.param_groups[0]["params"])
        self._spans = spans(self._parameters)
        first = optimizer.state[self._parameters[0]]
        self._steps = th.full((len(self._parameters),), float(first.get("step", 0.0)))
        self.state = [self._gathered(name) for name in self._names]
        self.vector = flattened(self._parameters)
        self._addresses = addresses(self._parameters)
        for k, parameter in enumerate(self._parameters):
            self._place(k, parameter)
        self._states = list(optimizer.state.values())
        self._held = held_by(self._states)

    @property
    def step(self) -> float:
        """Optimizer steps taken so far."""
        return float(self._steps[0])

    @step.setter
    def step(self, value: float) -> None:
        self._steps.fill_(value)

    @property
    def whole(self) -> bool:
        """Whether parameters and state are still views of the vectors: nobody has put in others,
        as ``load_state_dict`` of the optimizer does."""
        return (
            addresses(self._parameters) == self._addresses
            and same(list(self._optimizer.state.values()), self._states)
            and same(held_by(self._states), self._held)
        )

    def _gathered(self, name: str) -> th.Tensor:
        parts = []
        for parameter in self._parameters:
            known = self._optimizer.state[parameter].get(name)
            part = th.zeros_like(parameter) if known is None else known
            parts.append(part.detach().reshape(-1))
        return th.cat(parts)

    def _place(self, k: int, parameter: nn.Parameter) -> None:
        """Give the optimizer a parameter's part of the state."""
        span, shape = self._spans[k], parameter.shape
        state: dict[str, Any] = self._optimizer.state[parameter]
        for name, vector in zip(self._names, self.state, strict=True):
            state[name] = vector[span].view(shape)
        state["step"] = self._steps[k]
