"""Replay of rewards at their worker's present scale."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch as th
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import DictReplayBuffer, ReplayBuffer
from stable_baselines3.common.type_aliases import DictReplayBufferSamples, ReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize

from sb3_ac_ext.buffers.kinds import check_kind
from sb3_ac_ext.buffers.n_step import columns
from sb3_ac_ext.wrappers.callers import learner_from
from sb3_ac_ext.wrappers.once import check_gamma
from sb3_ac_ext.wrappers.vec_worker_normalize_reward import ORIGINAL
from sb3_ac_ext.wrappers.worker_rewards import WorkerRewards


class WorkerNormalizedReplayBuffer(ReplayBuffer):
    """Keeps rewards as they were paid, and gives them divided by the running deviation of their
    worker's discounted returns, as it is when they are sampled.

    The off-policy side of :class:`.VecWorkerNormalizeReward`, which it needs not, but may stand
    behind: ``SAC("MlpPolicy", env, replay_buffer_class=WorkerNormalizedReplayBuffer)``. A wrapper
    alone would leave old transitions at old scales, and ``VecNormalize`` knows one scale for all
    workers. **Wrong where workers differ by design**, as that wrapper is; ``shared_scale=True``
    then gives one scale. Observations that are dictionaries need
    :class:`DictWorkerNormalizedReplayBuffer`.

    :param gamma: discount factor, the algorithm's, which is checked when it first learns
    :param epsilon: added to variances, positive
    :param clip_reward: largest magnitude of a normalised reward, positive
    :param warmup: steps of a worker before which its rewards are only clipped
    :param shared_scale: one scale for all workers
    :param training: whether to learn from rewards; ``False`` freezes the scales
    :param norm_reward: whether to change rewards at all
    :param n_steps: of the return, at least 1
    :raises ValueError: for a value out of range, observations of the other kind, and
        ``optimize_memory_usage``; when sampled, for another ``gamma`` than the algorithm's, and for
        a ``VecNormalize`` that normalises rewards, too
    """

    _samples: ClassVar[Any] = ReplayBufferSamples

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        device: th.device | str = "auto",
        n_envs: int = 1,
        optimize_memory_usage: bool = False,
        handle_timeout_termination: bool = True,
        gamma: float = 0.99,
        epsilon: float = 1e-8,
        clip_reward: float = 10.0,
        warmup: int = 100,
        shared_scale: bool = False,
        training: bool = True,
        norm_reward: bool = True,
        n_steps: int = 1,
    ) -> None:
        check_kind(self, "WorkerNormalizedReplayBuffer", observation_space, optimize_memory_usage)
        if n_steps < 1:
            raise ValueError(f"n_steps={n_steps!r} is not accepted: give at least 1")
        self.worker_rewards = WorkerRewards(
            n_envs, gamma, epsilon, clip_reward, warmup, shared_scale, training, norm_reward
        )
        self.gamma, self.n_steps = gamma, n_steps
        self._checked = False
        super().__init__(
            buffer_size,
            observation_space,
            action_space,
            device,
            n_envs,
            handle_timeout_termination=handle_timeout_termination,
        )

    def add(
        self,
        obs: Any,
        next_obs: Any,
        action: npt.NDArray[Any],
        reward: npt.NDArray[Any],
        done: npt.NDArray[Any],
        infos: list[dict[str, Any]],
    ) -> None:
        """As ``ReplayBuffer.add``, with rewards as they were before a wrapper normalised them."""
        paid = np.array([info.get(ORIGINAL, r) for info, r in zip(infos, reward, strict=True)])
        self.worker_rewards.update(paid, done)
        super().add(obs, next_obs, action, paid, done, infos)

    def _get_samples(
        self, batch_inds: npt.NDArray[np.int64], env: VecNormalize | None = None
    ) -> ReplayBufferSamples:
        if not self._checked:
            learner = learner_from(self)
            self.check(learner, env)
            self._checked = learner is not None
        workers = np.random.randint(0, self.n_envs, size=batch_inds.shape)  # noqa: NPY002
        rows = batch_inds * self.n_envs + workers
        found: ReplayBufferSamples = self._samples(*columns(self, rows, env))
        return found

    def check(self, learner: BaseAlgorithm | None, env: VecNormalize | None) -> None:
        """
        :param learner: the algorithm, as far as it is known
        :param env: its normaliser
        :raises ValueError: if ``env`` normalises rewards, too, or ``gamma`` is not the algorithm's
        """
        name = type(self).__name__
        if env is not None and env.norm_reward and self.worker_rewards.norm_reward:
            raise ValueError(
                f"rewards would be normalised twice, by {name} and by VecNormalize: use "
                "VecNormalize(norm_reward=False), in YAML normalize: {norm_reward: false}"
            )
        if learner is not None:
            check_gamma(learner, self.worker_rewards.gamma, name)

    def normalized_rewards(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """At the present scale of the worker of each row.

        :param rows: of the buffer, the k-th step of worker w being k n_envs + w; of any shape
        """
        stored = self.rewards.reshape(-1).take(rows)
        return self.worker_rewards.normalized(stored, rows % self.n_envs)

    def _normalize_reward(  # type: ignore[override]  # SB3's is static
        self, reward: npt.NDArray[Any], env: VecNormalize | None = None
    ) -> npt.NDArray[np.float32]:
        """:param reward: shape (..., n_envs), a column per worker"""
        return self.worker_rewards.normalized(reward)


class DictWorkerNormalizedReplayBuffer(WorkerNormalizedReplayBuffer, DictReplayBuffer):  # type: ignore[misc]
    """:class:`WorkerNormalizedReplayBuffer` for observations that are dictionaries."""

    _samples: ClassVar[Any] = DictReplayBufferSamples
