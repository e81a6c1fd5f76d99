"""What the workers did between two snapshots: rewards, actions, ends of episodes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import (
    VecEnv,
    VecMonitor,
    is_vecenv_wrapped,
    unwrap_vec_normalize,
)


@dataclass(frozen=True)
class Episode:
    """One finished episode.

    :param worker: index of the sub-environment
    :param episode_return: undiscounted sum of rewards, as ``Monitor`` counts it where there is one
    :param length: in steps
    :param truncated: ended by a time limit
    :param success: ``info["is_success"]`` where the environment tells
    """

    worker: int
    episode_return: float
    length: int
    truncated: bool
    success: bool | None


@dataclass(frozen=True)
class Window:
    """All steps since the last snapshot.

    :param rewards: shape (T, n_envs), as the algorithm received them, before any bootstrap
    :param actions: shape (T, n_envs, ...), as the environment received them
    :param dones: shape (T, n_envs)
    :param episodes: those that ended in the window
    :param last_obs: newest observations of all workers
    """

    rewards: npt.NDArray[np.float64]
    actions: npt.NDArray[np.generic]
    dones: npt.NDArray[np.bool_]
    episodes: tuple[Episode, ...]
    last_obs: Any


class Recorder:
    """Collects steps in the hot path; everything costly waits for :meth:`cut`.

    :param env: the training environment
    """

    def __init__(self, env: VecEnv) -> None:
        self._n_envs = env.num_envs
        monitored = is_vecenv_wrapped(env, VecMonitor) or all(env.env_is_wrapped(Monitor))
        self._running = None if monitored else np.zeros((2, self._n_envs))
        self._normaliser = unwrap_vec_normalize(env)
        self._clear()

    def _clear(self) -> None:
        self._rewards: list[npt.NDArray[np.float64]] = []
        self._actions: list[npt.NDArray[np.generic]] = []
        self._dones: list[npt.NDArray[np.bool_]] = []
        self._episodes: list[Episode] = []
        self._last_obs: Any = None

    def add(self, step_locals: Mapping[str, Any]) -> bool:
        """Record one step of all workers from the locals of ``collect_rollouts``.

        Rewards are copied, because on-policy algorithms add ``gamma * V(terminal)`` to them in
        place.

        :return: whether rewards and observations are all finite
        """
        if "rewards" not in step_locals:  # ARS steps its environments out of sight
            return True
        rewards = step_locals["rewards"].copy()
        dones = step_locals["dones"].copy()
        self._rewards.append(rewards)
        self._dones.append(dones)
        actions = step_locals.get("clipped_actions")
        self._actions.append(step_locals["actions"] if actions is None else actions)
        self._last_obs = step_locals["new_obs"]
        if self._running is not None:
            normaliser = self._normaliser
            self._running[0] += rewards if normaliser is None else normaliser.get_original_reward()
            self._running[1] += 1
        if np.count_nonzero(dones):
            self._finish_episodes(dones, step_locals["infos"])
        return math.isfinite(rewards.dot(rewards)) and all_finite(self._last_obs)

    def _finish_episodes(self, dones: npt.NDArray[np.bool_], infos: list[dict[str, Any]]) -> None:
        for worker in np.flatnonzero(dones):
            info = infos[worker]
            monitor = info.get("episode")
            if monitor is None and self._running is not None:
                monitor = {"r": self._running[0, worker], "l": self._running[1, worker]}
            if monitor is not None:
                success = info.get("is_success")
                self._episodes.append(
                    Episode(
                        worker=int(worker),
                        episode_return=float(monitor["r"]),
                        length=int(monitor["l"]),
                        truncated=bool(info.get("TimeLimit.truncated", False)),
                        success=None if success is None else bool(success),
                    )
                )
        if self._running is not None:
            self._running[:, dones] = 0.0

    def cut(self) -> Window:
        """Everything since the last cut; recording starts afresh."""
        shape = (0, self._n_envs)
        window = Window(
            rewards=np.asarray(self._rewards, dtype=np.float64)
            if self._rewards
            else np.empty(shape),
            actions=np.asarray(self._actions) if self._actions else np.empty(shape),
            dones=np.asarray(self._dones, dtype=np.bool_) if self._dones else np.empty(shape, bool),
            episodes=tuple(self._episodes),
            last_obs=self._last_obs,
        )
        self._clear()
        return window


def all_finite(obs: Any) -> bool:
    """Whether an observation array, or every array of a Dict observation, is finite."""
    if isinstance(obs, dict):
        return all(all_finite(part) for part in obs.values())
    if obs.dtype.kind != "f":
        return True
    # the squared norm is the cheapest test; it may overflow, so a failure is looked at closely
    return math.isfinite(np.vdot(obs, obs)) or bool(np.isfinite(obs).all())
