"""Parameters and optimizer state as views of a few long vectors."""

from __future__ import annotations

from collections.abc import Sequence

import torch as th
from torch import nn


class FlatParameters:
    """What an optimizer trains, as one vector that all its parameters are views of.

    Its state is laid out alike. Both sides see every change: a module's forward pass, a saved file
    and an eager optimizer step work as before.

    :param optimizer: with one parameter group
    :param state: names of its state per parameter, such as ``exp_avg``
    """

    def __init__(self, optimizer: th.optim.Optimizer, state: Sequence[str]) -> None:
        self._optimizer, self._names = optimizer, tuple(state)
        self._parameters: list[nn.Parameter] = list(optimizer.param_groups[0]["params"])
        self.vector = th.cat([p.detach().reshape(-1) for p in self._parameters])
        self.state = [self._gathered(name) for name in self._names]
        self._place()

    @property
    def step(self) -> float:
        """Optimizer steps taken so far."""
        state = self._optimizer.state[self._parameters[0]]
        return float(state["step"]) if "step" in state else 0.0

    @step.setter
    def step(self, value: float) -> None:
        for parameter in self._parameters:
            self._optimizer.state[parameter]["step"] = th.tensor(value, dtype=th.float32)

    @property
    def whole(self) -> bool:
        """Whether the parameters are still views of the vector: nobody has put in others."""
        first = self._parameters[0]
        return first.data_ptr() == self.vector.data_ptr()

    def _gathered(self, name: str) -> th.Tensor:
        parts = []
        for parameter in self._parameters:
            known = self._optimizer.state[parameter].get(name)
            part = th.zeros_like(parameter) if known is None else known
            parts.append(part.detach().reshape(-1))
        return th.cat(parts)

    def _place(self) -> None:
        step, start = self.step, 0
        for parameter in self._parameters:
            span = slice(start, start + parameter.numel())
            shape = parameter.shape
            parameter.data = self.vector[span].view(shape)
            for name, vector in zip(self._names, self.state, strict=True):
                self._optimizer.state[parameter][name] = vector[span].view(shape)
            start = span.stop
        self.step = step
