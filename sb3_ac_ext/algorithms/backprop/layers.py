"""Fully connected layers, evaluated and differentiated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch as th
from torch import nn

Slope = Callable[[th.Tensor, th.Tensor], th.Tensor]
"""From the gradient with respect to what an activation puts out, and that, to the one before it."""

_KERNELS: Any = th.ops.aten


def _relu_slope(slope: th.Tensor, out: th.Tensor) -> th.Tensor:
    before: th.Tensor = _KERNELS.threshold_backward(slope, out, 0.0)
    return before


_SLOPES: dict[type[nn.Module], tuple[Callable[[th.Tensor], th.Tensor], Slope]] = {
    nn.Tanh: (th.tanh_, _KERNELS.tanh_backward),
    nn.ReLU: (th.relu_, _relu_slope),
}


class Layers:
    """``Linear`` modules with ``Tanh`` or ``ReLU`` between them, for one batch after another.

    :param modules: in the order in which they are called
    :raises TypeError: for any other, and for layers without bias
    """

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self._linear: list[nn.Linear] = []
        self._activations: list[type[nn.Module] | None] = []
        self._seen: list[th.Tensor] = []
        for module in modules:
            if type(module) is nn.Linear and module.bias is not None:
                self._linear.append(module)
                self._activations.append(None)
            elif type(module) in _SLOPES and self._activations and self._activations[-1] is None:
                self._activations[-1] = type(module)
            else:
                raise TypeError(f"{type(module).__name__} is not differentiated here")

    def __call__(self, x: th.Tensor) -> th.Tensor:
        """
        :param x: shape (n, inputs)
        :return: shape (n, outputs)
        """
        self._seen = [x]
        for linear, activation in zip(self._linear, self._activations, strict=True):
            x = th.addmm(linear.bias, x, linear.weight.t())
            if activation is not None:
                x = _SLOPES[activation][0](x)
            self._seen.append(x)
        return x

    def backward(self, slope: th.Tensor) -> None:
        """Write the gradients of all weights and biases into their ``grad``.

        :param slope: the loss's gradient with respect to what the last call returned
        """
        for k in range(len(self._linear) - 1, -1, -1):
            linear, activation = self._linear[k], self._activations[k]
            if activation is not None:
                slope = _SLOPES[activation][1](slope, self._seen[k + 1])
            th.mm(slope.t(), self._seen[k], out=linear.weight.grad)
            th.sum(slope, 0, out=linear.bias.grad)
            if k:
                slope = th.mm(slope, linear.weight)
        self._seen = []
