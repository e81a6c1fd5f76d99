"""The off-policy update, once for all algorithms: sample, gradient step, logged means."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from torch import nn

from sb3_ac_ext.algorithms.drop_in import DropIn
from sb3_ac_ext.algorithms.losses import Scalar

Terms = dict[str, th.Tensor]


class OffPolicyUpdate(DropIn, OffPolicyAlgorithm):
    """Gives an off-policy algorithm its ``train()``; stands before a class of Stable-Baselines3.

    A variant overrides :meth:`gradient_step`, or one of the parts that it is made of.
    """

    @abstractmethod
    def optimizers(self) -> list[th.optim.Optimizer]:
        """Those that follow the learning rate's schedule."""

    @abstractmethod
    def gradient_step(self, data: Any, step: int) -> Terms:
        """Update all networks once.

        :param data: a batch of ``replay_buffer.sample``
        :param step: of this call of ``train()``, from 0
        :return: what is logged, under SB3's names
        """

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """
        :param gradient_steps: batches to learn from
        :param batch_size: rows of each
        """
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.optimizers())
        buffer: Any = self.replay_buffer
        terms = []
        for step in range(gradient_steps):
            data = buffer.sample(batch_size, env=self._vec_normalize_env)
            terms.append(self.gradient_step(data, step))
            self._n_updates += 1
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        for name, value in _means(terms).items():
            self.logger.record(f"train/{name}", value)

    def discounts(self, data: Any) -> Scalar:
        """gamma, or gamma**n per row of an n-step replay."""
        return self.gamma if data.discounts is None else data.discounts


def descend(optimizer: th.optim.Optimizer, loss: th.Tensor) -> None:
    """One step of an optimizer down a loss."""
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Gradients pass through a network inside, and none are computed for its weights."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    _require(trained, False)
    try:
        yield
    finally:
        _require(trained, True)


def _require(parameters: Iterable[nn.Parameter], gradient: bool) -> None:
    for parameter in parameters:
        parameter.requires_grad_(gradient)


def _means(terms: Sequence[Terms]) -> dict[str, float]:
    """Mean of every term over the gradient steps that have it, read from the device at once."""
    names = list(dict.fromkeys(name for one in terms for name in one))
    columns = {
        name: [one[name].detach().reshape(()) for one in terms if name in one] for name in names
    }
    if not columns:
        return {}
    flat = th.stack([value for column in columns.values() for value in column]).cpu().numpy()
    ends = np.cumsum([len(column) for column in columns.values()])[:-1]
    parts = np.split(flat.astype(np.float64), ends)
    return {name: float(part.mean()) for name, part in zip(columns, parts, strict=True)}
