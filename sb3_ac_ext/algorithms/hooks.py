"""Who watches a network through PyTorch's hooks."""

from __future__ import annotations

from typing import Any

from torch import nn


def sees_forward(module: Any) -> bool:
    """Whether a module's forward pass is more than its arithmetic, those inside it apart."""
    return bool(module._forward_hooks or module._forward_pre_hooks)


class HookedNetwork:
    """A network's modules and parameters, listed once: walking over them takes longer than asking.

    :param network: whose modules stay the same
    """

    def __init__(self, network: nn.Module) -> None:
        self._modules: list[Any] = list(network.modules())
        self._parameters: list[Any] = list(network.parameters())

    @property
    def forward(self) -> bool:
        """Whether a forward pass is more than its modules' arithmetic."""
        return any(map(sees_forward, self._modules))

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
