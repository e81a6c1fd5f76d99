"""Distributions of actions: log-probability and entropy, and their gradients."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.distributions import CategoricalDistribution
from torch import nn

from sb3_ac_ext.algorithms.acting import HALF_LOG_2PI, Floats


class Head(Protocol):
    """For one batch after another."""

    def __call__(self, out: Floats, actions: npt.NDArray[Any]) -> tuple[Floats, Floats]:
        """
        :param out: of the actor's layers, shape (n, k)
        :param actions: taken, as a rollout buffer has them
        :return: log-probabilities and entropies, shape (n,)
        """

    def backward(self, log_prob: Floats, entropy: Floats) -> Floats:
        """
        :param log_prob: gradient with respect to each log-probability, shape (n,)
        :param entropy: with respect to each entropy, shape (n,)
        :return: with respect to ``out``
        """


class Categorical:
    """Of one discrete action, from logits."""

    def __call__(self, out: Floats, actions: npt.NDArray[Any]) -> tuple[Floats, Floats]:
        shifted = out - np.maximum.reduce(out, axis=1, keepdims=True)
        weights = np.exp(shifted)
        total = np.add.reduce(weights, axis=1, keepdims=True)
        self._probs = weights / total
        self._log_probs = shifted - np.log(total)
        self._entropy = -np.add.reduce(self._probs * self._log_probs, axis=1)
        self._taken = np.arange(len(out)), actions.reshape(-1).astype(np.intp)
        return self._log_probs[self._taken], self._entropy

    def backward(self, log_prob: Floats, entropy: Floats) -> Floats:
        # d log p(a) / dz = 1 at a, less p;  dH / dz = -p (log p + H)
        away = (self._log_probs + self._entropy[:, None]) * entropy[:, None] + log_prob[:, None]
        slope: Floats = -self._probs * away
        slope[self._taken] += log_prob
        return slope


class DiagGaussian:
    """Of actions that are independent and Gaussian, from means.

    :param log_std: of the policy, shape (k,)
    """

    def __init__(self, log_std: nn.Parameter) -> None:
        self._log_std = log_std

    def __call__(self, out: Floats, actions: npt.NDArray[Any]) -> tuple[Floats, Floats]:
        log_std = self._log_std.detach().numpy()
        self._precision = np.exp(-log_std)
        self._score = (actions - out) * self._precision
        densities = -0.5 * self._score * self._score - log_std - HALF_LOG_2PI
        entropy = np.float32(np.add.reduce(log_std + (np.float32(0.5) + HALF_LOG_2PI)))
        return np.add.reduce(densities, axis=1), np.full(len(out), entropy)

    def backward(self, log_prob: Floats, entropy: Floats) -> Floats:
        """Writes the gradient of log_std, too."""
        weighted = self._score * log_prob[:, None]
        spread = np.add.reduce(weighted * self._score, axis=0)
        assert self._log_std.grad is not None
        self._log_std.grad.numpy()[:] = spread + (np.add.reduce(entropy) - np.add.reduce(log_prob))
        slope: Floats = weighted * self._precision
        return slope


def head_of(policy: Any) -> Head:
    """
    :param policy: plain, see :mod:`~sb3_ac_ext.algorithms.plain_policy`
    """
    if type(policy.action_dist) is CategoricalDistribution:
        return Categorical()
    return DiagGaussian(policy.log_std)
