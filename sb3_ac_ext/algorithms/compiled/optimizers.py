"""Optimizer steps as pure functions of vectors, as ``torch.optim`` computes them.

What is alike for all parameters is not computed in the step: a compiler would move it into the loop
over them, and would raise to a power once per parameter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch as th

Vectors = Sequence[th.Tensor]


@dataclass(frozen=True)
class Adam:
    """``torch.optim.Adam`` without amsgrad and weight decay."""

    betas: tuple[float, float]
    eps: float

    state = ("exp_avg", "exp_avg_sq")

    def factors(self, step: float, rate: float) -> tuple[float, ...]:
        """What a step takes alike for all parameters.

        :param step: number of this one, from 1
        :param rate: of learning
        """
        beta1, beta2 = self.betas
        return rate / (1.0 - beta1**step), math.sqrt(1.0 - beta2**step)

    def __call__(
        self, theta: th.Tensor, grad: th.Tensor, state: Vectors, factors: th.Tensor
    ) -> tuple[th.Tensor, Vectors]:
        """
        :param theta: parameters, shape (p,)
        :param grad: shape (p,)
        :param state: vectors of shape (p,)
        :param factors: of this step, shape (k,)
        """
        beta1, beta2 = self.betas
        corrected, root = factors.unbind()
        mean = th.lerp(state[0], grad, 1.0 - beta1)
        square = state[1] * beta2 + grad * grad * (1.0 - beta2)
        size = square.sqrt() / root + self.eps
        return theta - corrected * mean / size, (mean, square)


@dataclass(frozen=True)
class RMSprop:
    """``torch.optim.RMSprop`` without momentum, centring and weight decay."""

    alpha: float
    eps: float

    state = ("square_avg",)

    def factors(self, step: float, rate: float) -> tuple[float, ...]:
        """As of :class:`Adam`."""
        return (rate,)

    def __call__(
        self, theta: th.Tensor, grad: th.Tensor, state: Vectors, factors: th.Tensor
    ) -> tuple[th.Tensor, Vectors]:
        """As :class:`Adam`."""
        square = state[0] * self.alpha + grad * grad * (1.0 - self.alpha)
        return theta - factors[0] * grad / (square.sqrt() + self.eps), (square,)


def scaled_down(grad: th.Tensor, most: float | None) -> th.Tensor:
    """As ``torch.nn.utils.clip_grad_norm_``, of one vector; ``None`` leaves it alone."""
    return grad if most is None else grad * th.clamp(most / (grad.norm() + 1e-6), max=1.0)


def pure(optimizer: th.optim.Optimizer) -> Adam | RMSprop | None:
    """The same rule as a pure function, ``None`` for an optimizer that has none here."""
    if len(optimizer.param_groups) != 1:
        return None
    group: dict[str, Any] = optimizer.param_groups[0]
    if group.get("weight_decay") or group.get("maximize"):
        return None
    if type(optimizer) is th.optim.Adam and not group["amsgrad"]:
        beta1, beta2 = group["betas"]
        return Adam((float(beta1), float(beta2)), float(group["eps"]))
    if type(optimizer) is th.optim.RMSprop and not group["momentum"] and not group["centered"]:
        return RMSprop(float(group["alpha"]), float(group["eps"]))
    return None
