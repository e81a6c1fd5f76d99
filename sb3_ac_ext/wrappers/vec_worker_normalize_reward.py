"""Rewards at one scale, whatever each worker pays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from sb3_ac_ext.wrappers.callers import layers, use_of
from sb3_ac_ext.wrappers.once import check_use, refuse_second, reward_normalizers
from sb3_ac_ext.wrappers.state_file import read_state, write_state
from sb3_ac_ext.wrappers.worker_rewards import WorkerRewards

ORIGINAL = "original_reward"
"""Key of ``infos`` under which a reward stands as it was paid."""


class VecWorkerNormalizeReward(VecEnvWrapper):
    """Divides each worker's rewards by the running deviation of that worker's discounted returns.

    ``VecNormalize`` has one scale for all workers: a worker that pays ten times as much has ten
    times the weight in every update, and a critic, which cannot see which worker it is looking at,
    fits neither. Here every worker has its own scale (see :class:`.WorkerRewards` for the formula).

    **Wrong where workers differ by design**: tasks of several difficulties, a curriculum, opponents
    or reward weights per worker. There a worker that earns more *is* better, and this wrapper takes
    that difference away. Use ``VecNormalize``, or ``shared_scale=True``. It neither replaces a look
    at the worker that pays otherwise: find the cause (``WorkerRewardCallback`` names the worker).

    Returns that ``Monitor`` reports stay as they were paid. It may stand below or above a
    ``VecNormalize(norm_reward=False)``. In an evaluation (``EvalCallback``, ``evaluate_policy``, RL
    Zoo's) rewards pass unchanged and nothing is learned. Off-policy algorithms would keep
    normalised rewards for ever, so they need :class:`.WorkerNormalizedReplayBuffer`, which works
    without this wrapper as well. Freeze it by ``env.worker_rewards.training = False``.

    :param venv: to wrap
    :param gamma: discount factor, the algorithm's, which is checked when it begins to train
    :param epsilon: added to variances, positive
    :param clip_reward: largest magnitude of a normalised reward, positive
    :param warmup: steps of a worker before which its rewards are only clipped
    :param shared_scale: one scale for all workers, as ``VecNormalize`` has
    :param training: whether to learn from rewards; ``False`` freezes the scales
    :param norm_reward: whether to change rewards at all
    :raises ValueError: for a value out of range; for rewards that something below normalises
        already; at ``reset()`` for the same above, ``VecMonitor`` above, another ``gamma`` than
        the algorithm's, and a replay buffer that keeps normalised rewards
    """

    def __init__(
        self,
        venv: VecEnv,
        gamma: float = 0.99,
        epsilon: float = 1e-8,
        clip_reward: float = 10.0,
        warmup: int = 100,
        shared_scale: bool = False,
        training: bool = True,
        norm_reward: bool = True,
    ) -> None:
        if norm_reward:
            refuse_second(reward_normalizers(venv))
        super().__init__(venv)
        # one attribute: SB3 cannot read one of a wrapper below that has the same name
        self.worker_rewards = WorkerRewards(
            self.num_envs,
            gamma,
            epsilon,
            clip_reward,
            warmup,
            shared_scale,
            training,
            norm_reward,
        )
        self._worker_evaluated = False
        self._worker_paid = np.zeros(self.num_envs, dtype=np.float32)

    def reset(self) -> VecEnvObs:
        use = use_of(self)
        self._worker_evaluated = use.evaluated
        if not use.evaluated:
            if self.worker_rewards.norm_reward:
                check_use(use, self.worker_rewards.gamma)
            self.worker_rewards.restart()
        return self.venv.reset()

    def step_wait(self) -> VecEnvStepReturn:
        obs, rewards, dones, infos = self.venv.step_wait()
        self._worker_paid = np.array(rewards)  # on-policy algorithms add to what they are given
        # what was evaluated may be trained in next, without another reset
        self._worker_evaluated = self._worker_evaluated and use_of(self).evaluated
        if self._worker_evaluated:
            return obs, rewards, dones, infos
        self.worker_rewards.update(rewards, dones)
        for worker, info in enumerate(infos):
            info[ORIGINAL] = float(rewards[worker])
        return obs, self.worker_rewards.normalized(rewards), dones, infos

    def get_original_worker_reward(self) -> npt.NDArray[np.float32]:
        """Of the last step, before normalisation, shape (n_envs,)."""
        return np.array(self._worker_paid)

    def save_worker_rewards(self, path: str | Path) -> None:
        """
        :param path: of an ``.npz`` file, under exactly this name
        :raises ValueError: if it cannot be written
        """
        write_state(path, self.worker_rewards.get_state())

    def load_worker_rewards(self, path: str | Path) -> None:
        """
        :param path: of a file of :meth:`save_worker_rewards`
        :raises ValueError: if it is missing or damaged, of other workers, or of another ``gamma``
        """
        state = read_state(path)
        try:
            self.worker_rewards.set_state(state)
        except ValueError as error:
            raise ValueError(f"{str(path)!r}: {error}") from error


def worker_rewards_wrapper(env: VecEnv | None) -> VecWorkerNormalizeReward | None:
    """The one among an environment's wrappers, if there is one."""
    found = (one for one in layers(env) if isinstance(one, VecWorkerNormalizeReward))
    return next(found, None)
