"""Acting with a small policy network in NumPy: the same numbers, a fraction of the overhead.

For a handful of observations, calling into PyTorch costs far more than the arithmetic. A policy of
fully connected layers is evaluated here with NumPy on the very memory that its parameters live in.
Random numbers come from PyTorch's generator in the order in which its distributions draw them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch as th
from stable_baselines3.common.distributions import CategoricalDistribution
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import nn

from sb3_ac_ext.algorithms.plain_policy import actor_layers, critic_layers, is_plain
from sb3_ac_ext.algorithms.structure import Structure

Floats = npt.NDArray[np.float32]
HALF_LOG_2PI = np.float32(0.5 * np.log(2.0 * np.pi))

Activation = Callable[[Floats], Floats]


def _relu(x: Floats) -> Floats:
    return np.maximum(x, 0.0, out=x)


def _tanh(x: Floats) -> Floats:
    return np.tanh(x, out=x)


_ACTIVATIONS: dict[type[nn.Module], Activation] = {nn.Tanh: _tanh, nn.ReLU: _relu}


class Dense:
    """Fully connected layers with activations, on the memory of a PyTorch network.

    Observations are columns inside, so that weights are multiplied as they lie, and ``dot`` is
    called, which costs less than ``@`` where there is so little to multiply.

    :param modules: ``Linear``, ``Tanh`` and ``ReLU`` on the CPU
    :raises TypeError: for any other
    """

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self._layers: list[tuple[Floats, Floats, Activation | None]] = []
        for module in modules:
            if type(module) is nn.Linear and module.bias is not None:
                weight, bias = module.weight.detach().numpy(), module.bias.detach().numpy()
                self._layers.append((weight, bias[:, None], None))
            elif type(module) in _ACTIVATIONS and self._layers and self._layers[-1][2] is None:
                self._layers[-1] = (*self._layers[-1][:2], _ACTIVATIONS[type(module)])
            else:
                raise TypeError(f"{type(module).__name__} cannot be evaluated in NumPy")

    def __call__(self, x: Floats) -> Floats:
        """
        :param x: shape (n, inputs)
        :return: shape (n, outputs)
        """
        columns = x.T
        for weight, bias, activation in self._layers:
            columns = weight.dot(columns)
            columns += bias
            if activation is not None:
                columns = activation(columns)
        rows: Floats = columns.T
        return rows


class NumpyActor:
    """What ``ActorCriticPolicy.forward`` returns for a few observations, in NumPy.

    For as long as it :meth:`fits`: an update may put other tensors into the policy.

    :param policy: plain, see :func:`numpy_actor`
    :raises TypeError: for layers other than those of :class:`Dense`
    """

    def __init__(self, policy: ActorCriticPolicy) -> None:
        self._policy, self._value = Dense(actor_layers(policy)), Dense(critic_layers(policy))
        self._discrete = isinstance(policy.action_dist, CategoricalDistribution)
        self._owner, self._structure = policy, Structure(policy)
        self._addresses, self._distribution = self._structure.addresses, policy.action_dist

    def fits(self, policy: ActorCriticPolicy) -> bool:
        """Whether it is still that policy's."""
        return (
            policy is self._owner
            and policy.action_dist is self._distribution
            and self._structure.whole
            and self._structure.addresses == self._addresses
        )

    @property
    def watched(self) -> bool:
        """Whether somebody looks into the policy's forward passes, and would see nothing here."""
        return self._structure.forward

    def values(self, observations: npt.NDArray[Any]) -> Floats:
        """:return: shape (n,)"""
        return self._value(flat(observations)).ravel()

    def __call__(self, observations: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], Floats, Floats]:
        """
        :param observations: shape (n, ...)
        :return: actions, values (n, 1), log-probabilities (n,)
        :raises ValueError: for a policy that is not finite, as SB3's distributions do
        """
        x = flat(observations)
        sample = _categorical if self._discrete else self._gaussian
        actions, log_prob = sample(finite(self._policy(x)))
        return actions, self._value(x), log_prob

    def _gaussian(self, mean: Floats) -> tuple[Floats, Floats]:
        log_std = self._owner.log_std.detach().numpy()
        noise = th.empty(mean.shape).normal_().numpy()
        actions = mean + noise * np.exp(log_std)
        densities = -0.5 * noise * noise - log_std - HALF_LOG_2PI
        shape = self._owner.action_space.shape or ()
        return actions.reshape(-1, *shape), np.add.reduce(densities, axis=1)


def _categorical(logits: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
    logits -= np.maximum.reduce(logits, axis=1, keepdims=True)
    weights = np.exp(logits)
    total = np.add.reduce(weights, axis=1)
    # as torch.multinomial draws a single sample: the smallest of exponential arrival times
    arrivals = th.empty(logits.shape).exponential_().numpy()
    actions = (weights / arrivals).argmax(axis=1)
    log_prob = logits[np.arange(len(logits)), actions] - np.log(total)
    return actions, log_prob


def finite(outputs: Floats) -> Floats:
    """:raises ValueError: unless the policy's outputs are"""
    if not math.isfinite(np.add.reduce(outputs, axis=None)):
        raise ValueError(
            "the policy's outputs are not finite: its weights or observations hold NaN or infinity"
        )
    return outputs


def flat(observations: npt.NDArray[Any]) -> Floats:
    """Observations as rows of float32."""
    return observations.reshape(len(observations), -1).astype(np.float32, copy=False)


def numpy_actor(policy: Any, known: NumpyActor | None = None) -> NumpyActor | None:
    """A policy's actor in NumPy; ``None`` for one that is more than an MLP on the CPU.

    :param known: the one of before, kept where it still fits
    """
    if known is not None and known.fits(policy):
        return known
    try:
        return NumpyActor(policy) if is_plain(policy) else None
    except TypeError:  # an activation that it does not know
        return None
