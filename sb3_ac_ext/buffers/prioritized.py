"""Prioritized experience replay (Schaul et al., arXiv 1511.05952), proportional variant."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import DictReplayBuffer, ReplayBuffer
from stable_baselines3.common.vec_env import VecNormalize

from sb3_ac_ext.buffers.kinds import check_kind
from sb3_ac_ext.buffers.n_step import columns
from sb3_ac_ext.buffers.sum_tree import SumTree

Rows = npt.NDArray[np.int64]
_UNLEARNT = 1000
"""Batches without a new priority after which a user is told that nobody sets them."""


class PrioritizedSamples(NamedTuple):
    """``ReplayBufferSamples`` with two columns more.

    :param weights: importance weights, shape (n, 1), at most 1
    :param rows: of the buffer, for :meth:`PrioritizedReplayBuffer.update_priorities`, shape (n,)
    """

    observations: Any
    actions: th.Tensor
    next_observations: Any
    dones: th.Tensor
    rewards: th.Tensor
    discounts: th.Tensor | None
    weights: th.Tensor
    rows: Rows


class PrioritizedReplayBuffer(ReplayBuffer):
    """Draws transitions in proportion to ``priority**alpha``, and corrects for it by weights
    ``(N P(i))**-beta`` over the largest of the batch (eq. 1 and section 3.4).

    New transitions have the largest priority so far, so that each is seen; after an update that is
    ``|TD error| + epsilon``. The exponent of the weights grows linearly from ``beta`` to 1 over the
    training. Both take an algorithm that knows of it: SAC, TD3, DDPG and DQN of this package, as in
    ``SAC(..., replay_buffer_class=PrioritizedReplayBuffer)``, with ``n_steps`` as ever.
    Observations that are dictionaries need :class:`DictPrioritizedReplayBuffer`.

    :param alpha: how much priorities count, in [0, 1]: 0 draws uniformly
    :param beta: how much of that is corrected at first, in [0, 1]
    :param epsilon: added to every TD error, positive
    :param n_steps: of the return, at least 1
    :param gamma: discount factor of n-step returns, the algorithm's
    :raises ValueError: for values out of range, observations that are dictionaries, and
        ``optimize_memory_usage``, in which a row's successor may be another episode's
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        device: th.device | str = "auto",
        n_envs: int = 1,
        optimize_memory_usage: bool = False,
        handle_timeout_termination: bool = True,
        alpha: float = 0.6,
        beta: float = 0.4,
        epsilon: float = 1e-6,
        n_steps: int = 1,
        gamma: float = 0.99,
    ) -> None:
        _check_numbers(alpha, beta, epsilon, n_steps, gamma)
        check_kind(self, "PrioritizedReplayBuffer", observation_space, optimize_memory_usage)
        super().__init__(
            buffer_size,
            observation_space,
            action_space,
            device,
            n_envs,
            handle_timeout_termination=handle_timeout_termination,
        )
        self.alpha, self.beta, self.epsilon = alpha, beta, epsilon
        self.n_steps, self.gamma = n_steps, gamma
        self._beta_now = beta
        self._largest = 1.0
        self._tree = SumTree(self.buffer_size * n_envs)
        self._drawn = 0

    def add(self, *args: Any, **kwargs: Any) -> None:
        """As ``ReplayBuffer.add``."""
        rows = self.pos * self.n_envs + np.arange(self.n_envs)
        super().add(*args, **kwargs)
        self._tree.set(rows, self._largest)

    def sample(self, batch_size: int, env: VecNormalize | None = None) -> PrioritizedSamples:  # type: ignore[override]
        """One row from each of ``batch_size`` strata of equal priority.

        :param batch_size: rows
        :param env: normalises observations and rewards
        """
        self._drawn += 1
        if self._drawn == _UNLEARNT:
            warnings.warn(
                f"{type(self).__name__} has given {_UNLEARNT} batches and no priority was set: use "
                "SAC, TD3, DDPG or DQN of sb3_ac_ext, which set them",
                stacklevel=2,
            )
        total = self._tree.total
        strata = np.arange(batch_size) + np.random.random_sample(batch_size)  # noqa: NPY002
        rows = self._tree.find(strata * (total / batch_size))
        shares = self._tree[rows] / total
        weights = (self.size() * self.n_envs * shares) ** -self._beta_now
        return self._samples(rows, (weights / weights.max())[:, None], env)

    def _samples(
        self, rows: Rows, weights: npt.NDArray[np.float64], env: VecNormalize | None
    ) -> PrioritizedSamples:
        given = self.to_torch(weights.astype(np.float32))
        return PrioritizedSamples(*(*columns(self, rows, env), given, rows))

    def update_priorities(self, rows: Rows, errors: th.Tensor) -> None:
        """
        :param rows: of the batch
        :param errors: magnitudes of its TD errors, shape (n,) or (n, 1); those that are not finite
            are left out
        """
        self._drawn = 0
        sizes = errors.detach().cpu().numpy().astype(np.float64).ravel() + self.epsilon
        finite = np.isfinite(sizes)
        priorities = sizes[finite] ** self.alpha
        if len(priorities):
            self._largest = max(self._largest, float(priorities.max()))
            self._tree.set(rows[finite], priorities)

    def rows_moved(self, slots: Rows) -> None:
        """Priorities follow their rows, and all other rows are gone.

        :param slots: where the rows were that lie in 0, 1, 2, ... now, shape (n,)
        """
        old = (slots[:, None] * self.n_envs + np.arange(self.n_envs)).ravel()
        priorities = self._tree[old]
        self._tree = SumTree(self.buffer_size * self.n_envs)
        self._tree.set(np.arange(len(old)), priorities)

    def anneal(self, progress_remaining: float) -> None:
        """:param progress_remaining: 1 at the beginning of training, 0 at its end"""
        done = min(max(1.0 - progress_remaining, 0.0), 1.0)
        self._beta_now = self.beta + (1.0 - self.beta) * done


class DictPrioritizedReplayBuffer(PrioritizedReplayBuffer, DictReplayBuffer):  # type: ignore[misc]
    """:class:`PrioritizedReplayBuffer` for observations that are dictionaries."""


def _check_numbers(alpha: float, beta: float, epsilon: float, n_steps: int, gamma: float) -> None:
    for name, value in (("alpha", alpha), ("beta", beta), ("gamma", gamma)):
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"{name}={value!r} is not accepted: give a number in [0, 1]")
    if not epsilon > 0.0:
        raise ValueError(f"epsilon={epsilon!r} is not accepted: give a positive number")
    if n_steps < 1:
        raise ValueError(f"n_steps={n_steps!r} is not accepted: give at least 1")
