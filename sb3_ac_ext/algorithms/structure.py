"""What a network is put together from, noted once: asking is quicker than walking over it."""

from __future__ import annotations

from itertools import chain
from operator import is_
from typing import Any

from torch import nn


class Structure:
    """A network as it was: notices what is replaced later, and who watches it through hooks.

    :param network: its own hooks count, too
    """

    def __init__(self, network: nn.Module) -> None:
        self._modules: list[Any] = list(network.modules())
        self._parameters: list[Any] = list(network.parameters())
        self._classes = list(map(type, self._modules))
        self._holders = [held for m in self._modules for held in (m._modules, m._parameters)]
        self._held = held_by(self._holders)

    @property
    def whole(self) -> bool:
        """Whether it consists of the same modules and parameters, and they are what they were."""
        classes = list(map(type, self._modules))
        return classes == self._classes and same(held_by(self._holders), self._held)

    @property
    def addresses(self) -> list[int]:
        """Where its parameters' numbers are."""
        return addresses(self._parameters)

    @property
    def forward(self) -> bool:
        """Whether a forward pass is more than its modules' arithmetic."""
        return any(m._forward_hooks or m._forward_pre_hooks for m in self._modules)

    @property
    def backward(self) -> bool:
        """Whether somebody sees, or changes, gradients on their way."""
        return any(m._backward_hooks or m._backward_pre_hooks for m in self._modules) or any(
            p._backward_hooks for p in self._parameters
        )

    def accumulated(self) -> None:
        """Tell those who wait for it that parameters have their gradients."""
        for parameter in self._parameters:
            for hook in list((parameter._post_accumulate_grad_hooks or {}).values()):
                hook(parameter)


def addresses(tensors: list[Any]) -> list[int]:
    """Where their numbers are."""
    return [tensor.data_ptr() for tensor in tensors]


def held_by(holders: list[dict[str, Any]]) -> list[Any]:
    """All values of dictionaries."""
    return list(chain.from_iterable(map(dict.values, holders)))


def same(now: list[Any], before: list[Any]) -> bool:
    """Whether these are the same objects."""
    return len(now) == len(before) and all(map(is_, now, before))
