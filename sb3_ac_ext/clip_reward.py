"""Rewards within bounds, for the algorithm alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn


class VecClipReward(VecEnvWrapper):
    """Clips rewards to ``[-reward_clip, reward_clip]``.

    Returns that ``Monitor`` reports stay what was paid.

    :param venv: to wrap
    :param reward_clip: magnitude, positive
    """

    def __init__(self, venv: VecEnv, reward_clip: float) -> None:
        super().__init__(venv)
        self.reward_clip = reward_clip
        self._paid = np.zeros(self.num_envs, dtype=np.float32)

    def reset(self) -> VecEnvObs:
        return self.venv.reset()

    def step_wait(self) -> VecEnvStepReturn:
        obs, self._paid, dones, infos = self.venv.step_wait()
        return obs, np.clip(self._paid, -self.reward_clip, self.reward_clip), dones, infos

    def get_original_reward(self) -> npt.NDArray[np.float32]:
        """Of the last step, before clipping, shape (n_envs,)."""
        return np.array(self._paid)
