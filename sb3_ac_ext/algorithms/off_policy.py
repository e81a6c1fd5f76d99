"""The off-policy update, once for all algorithms: sample, gradient step, logged means."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from torch import nn

from sb3_ac_ext.algorithms.drop_in import DropIn
from sb3_ac_ext.algorithms.losses import Scalar
from sb3_ac_ext.buffers import (
    DictNStepReplayBuffer,
    PrioritizedReplayBuffer,
    PrioritizedSamples,
    WorkerNormalizedReplayBuffer,
)

Terms = dict[str, th.Tensor]
_BUFFERS = (PrioritizedReplayBuffer, DictNStepReplayBuffer, WorkerNormalizedReplayBuffer)


class OffPolicyUpdate(DropIn, OffPolicyAlgorithm):
    """Gives an off-policy algorithm its ``train()``; stands before a class of Stable-Baselines3.

    A variant overrides :meth:`gradient_step`, or one of the parts that it is made of. ``n_steps``
    works with prioritized and per-worker normalised replay and with dictionaries of observations.
    """

    scheduled: ClassVar[tuple[str, ...]] = ("tau", "batch_size")
    losses_read: ClassVar[tuple[str, ...]] = ()
    """Attributes that losses read: gradient steps are compiled with their values."""
    max_grad_norm: Any

    def _setup_model(self) -> None:
        n_steps, self.n_steps = self.n_steps, 1  # SB3 refuses, or ignores, what follows
        self._set_up_buffer(n_steps)
        super()._setup_model()
        self.n_steps = n_steps

    def _set_up_buffer(self, n_steps: int) -> None:
        """Gives buffers of this package the number of steps and the discount factor."""
        cls = self.replay_buffer_class
        if n_steps > 1 and cls is None and isinstance(self.observation_space, spaces.Dict):
            cls = self.replay_buffer_class = DictNStepReplayBuffer
        if cls is None or not issubclass(cls, _BUFFERS):
            self.n_steps = n_steps
            return
        if n_steps == 1 and not issubclass(cls, WorkerNormalizedReplayBuffer):
            return
        wanted = {"n_steps": n_steps, "gamma": self.gamma}
        self.replay_buffer_kwargs = {**wanted, **self.replay_buffer_kwargs}

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

    def parts_of(self, step: int) -> tuple[str, ...]:
        """What a gradient step updates besides the critic.

        :param step: as of :meth:`gradient_step`
        """
        return ()

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """
        :param gradient_steps: batches to learn from
        :param batch_size: rows of each
        """
        self.policy.set_training_mode(True)
        self.follow_schedules()
        self._update_learning_rate(self.optimizers())
        if "batch_size" in self.schedules:
            batch_size = self.batch_size
        buffer: Any = self.replay_buffer
        if isinstance(buffer, PrioritizedReplayBuffer):
            buffer.anneal(self._current_progress_remaining)
        compiles = self.compiles(*self.optimizers())
        terms = []
        for step in range(gradient_steps):
            data = buffer.sample(batch_size, env=self._vec_normalize_env)
            take = self._compiled_step(data, step) if compiles else None
            terms.append(self._eager_step(data, step) if take is None else take(data))
            self._n_updates += 1
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        for name, value in _means(terms).items():
            self.logger.record(f"train/{name}", value)

    def _eager_step(self, data: Any, step: int) -> Terms:
        with self.fast_steps(*self.optimizers()):
            return self.gradient_step(data, step)

    def _compiled_step(self, data: Any, step: int) -> Callable[[Any], Terms] | None:
        """What takes a gradient step, ``None`` for an eager one: while a compiler is at work."""
        if self._compiler is None:
            from sb3_ac_ext.algorithms.compiled.replay_update import ReplayCompiler

            self._compiler = ReplayCompiler(self)
        taken: Callable[[Any], Terms] | None = self._compiler.step(data, step)
        return taken

    def descend(self, optimizer: th.optim.Optimizer, loss: th.Tensor) -> None:
        """One step of an optimizer down a loss, with a gradient of at most ``max_grad_norm``."""
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self.max_grad_norm is not None:
            trained = [p for group in optimizer.param_groups for p in group["params"]]
            nn.utils.clip_grad_norm_(trained, self.max_grad_norm)
        optimizer.step()

    def importance(self, data: Any, values: Sequence[th.Tensor], target: th.Tensor) -> Any:
        """Weights of the rows of a prioritized batch, whose new priorities are their TD errors.

        :param values: one of shape (n, 1) per critic
        :param target: shape (n, 1)
        :return: shape (n, 1), ``None`` for other batches
        """
        if not isinstance(data, PrioritizedSamples):
            return None
        buffer: Any = self.replay_buffer
        with th.no_grad():
            errors = th.stack([(value - target).abs() for value in values]).mean(dim=0)
        buffer.update_priorities(data.rows, errors)
        return data.weights

    def discounts(self, data: Any) -> Scalar:
        """gamma, or gamma**n per row of an n-step replay."""
        return self.gamma if data.discounts is None else data.discounts


def _means(terms: Sequence[Terms]) -> dict[str, float]:
    """Mean of every term over the gradient steps that have it, read from the device at once."""
    names = list(dict.fromkeys(name for one in terms for name in one))
    columns = {
        name: [one[name].detach().reshape(()) for one in terms if name in one] for name in names
    }
    if not columns:
        return {}
    rows = th.stack([value for column in columns.values() for value in column]).cpu().numpy()
    means, start = {}, 0
    for name, column in columns.items():
        part = rows[start : start + len(column)].astype(np.float64)
        means[name] = float(np.add.reduce(part) / len(part))
        start += len(part)
    return means
