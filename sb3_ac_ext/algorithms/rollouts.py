"""On-policy rollouts without PyTorch's overhead per step, and with SB3's results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from sb3_ac_ext.algorithms.acting import NumpyActor, numpy_actor

Floats = npt.NDArray[np.float32]


class FastRollouts(OnPolicyAlgorithm):
    """Rollouts in which small policies act in NumPy and time limits are bootstrapped in one go.

    The same observations, actions and random numbers as SB3's, up to rounding. Policies and
    buffers that this does not know are left to SB3.
    """

    exact: bool = False
    _actor: NumpyActor | None = None

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: RolloutBuffer,
        n_rollout_steps: int,
    ) -> bool:
        """As ``OnPolicyAlgorithm.collect_rollouts``."""
        plain = type(rollout_buffer) is RolloutBuffer and not self.exact
        self._actor = actor = numpy_actor(self.policy, self._actor) if plain else None
        if actor is None or actor.watched:
            return super().collect_rollouts(env, callback, rollout_buffer, n_rollout_steps)
        self.policy.set_training_mode(False)
        rollout_buffer.reset()
        callback.on_rollout_start()
        new_obs: Any = self._last_obs
        limits: list[tuple[int, int, Any]] = []
        for n_steps in range(n_rollout_steps):
            # callbacks look into these locals: they have the names and types that SB3 gives them
            obs_tensor = th.from_numpy(new_obs)
            actions, *evaluated = actor(new_obs)
            values, log_probs = map(th.from_numpy, evaluated)
            clipped_actions = self._executed(actions)
            new_obs, rewards, dones, infos = env.step(clipped_actions)
            self.num_timesteps += env.num_envs
            callback.update_locals(locals())
            if not callback.on_step():
                return False
            self._update_info_buffer(infos, dones)
            if dones.any():
                limits += [(n_steps, *limit) for limit in _time_limits(infos, dones)]
            row = (self._last_obs, actions, rewards, self._last_episode_starts, *evaluated)
            _store(rollout_buffer, row)
            self._last_obs, self._last_episode_starts = new_obs, dones
        if limits:
            steps, workers, terminal = zip(*limits, strict=True)
            bootstrap = self.gamma * actor.values(np.stack(terminal))
            rollout_buffer.rewards[list(steps), list(workers)] += bootstrap
        last_values = actor.values(new_obs)
        values = th.from_numpy(last_values)
        _estimate_advantages(rollout_buffer, last_values, dones)
        callback.update_locals(locals())
        callback.on_rollout_end()
        return True

    def _executed(self, actions: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if not isinstance(self.action_space, spaces.Box):
            return actions
        clipped: npt.NDArray[Any] = np.clip(actions, self.action_space.low, self.action_space.high)
        return clipped


def _time_limits(
    infos: list[dict[str, Any]], dones: npt.NDArray[np.bool_]
) -> list[tuple[int, Any]]:
    """(worker, last observation) of the episodes that a time limit ended."""
    return [
        (worker, infos[worker]["terminal_observation"])
        for worker in np.flatnonzero(dones).tolist()
        if infos[worker].get("terminal_observation") is not None
        and infos[worker].get("TimeLimit.truncated", False)
    ]


def _store(buffer: RolloutBuffer, row: Sequence[Any]) -> None:
    """``RolloutBuffer.add`` without its copies of copies."""
    columns = (
        buffer.observations,
        buffer.actions,
        buffer.rewards,
        buffer.episode_starts,
        buffer.values,
        buffer.log_probs,
    )
    for column, values in zip(columns, row, strict=True):
        column[buffer.pos] = values.reshape(column.shape[1:])
    buffer.pos += 1
    buffer.full = buffer.pos == buffer.buffer_size


def _estimate_advantages(
    buffer: RolloutBuffer, last_values: Floats, dones: npt.NDArray[np.bool_]
) -> None:
    """Generalised advantages (arXiv 1506.02438, eq. 16), to the bit those of the buffer's own.

    In float32, in SB3's order; ``monitoring.functional.generalised_advantages`` checks them by a
    computation of its own, and must not be this one.
    """
    going_on = 1.0 - np.concatenate([buffer.episode_starts[1:], dones[None]], dtype=np.float32)
    following = np.concatenate([buffer.values[1:], last_values[None]])
    delta = buffer.rewards + buffer.gamma * following * going_on - buffer.values
    decay = buffer.gamma * buffer.gae_lambda * going_on
    advantage = np.zeros_like(last_values)
    for step in range(buffer.buffer_size - 1, -1, -1):
        advantage = delta[step] + decay[step] * advantage
        buffer.advantages[step] = advantage
    buffer.returns = buffer.advantages + buffer.values
