"""What the workers did between two snapshots: rewards, actions, ends of episodes."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import (
    VecEnv,
    VecEnvWrapper,
    VecMonitor,
    is_vecenv_wrapped,
    unwrap_vec_normalize,
)

from sb3_ac_ext.monitoring.boundaries import Boundaries, BoundaryCounts
from sb3_ac_ext.monitoring.rows import Rows
from sb3_ac_ext.wrappers.vec_worker_normalize_reward import ORIGINAL

RECENT = 32
"""Steps that are kept whole, to compare them with what the buffer holds."""

_NOBODY: dict[int, Any] = {}


class Step(NamedTuple):
    """One step of all workers, seen before the buffer stores it; in the buffer's units.

    Replay buffers hold raw observations and rewards, rollout buffers normalised ones.

    :param obs: what the policy acted on
    :param new_obs: what it acts on next, after a reset where an episode ended
    :param actions: as the policy gave them
    :param executed: as ``env.step`` received them
    :param terminal_obs: worker -> last observation of its episode, where one ended
    :param timeouts: worker -> whether a time limit ended it
    """

    obs: Any
    new_obs: Any
    actions: npt.NDArray[Any]
    executed: npt.NDArray[Any]
    rewards: npt.NDArray[Any]
    dones: npt.NDArray[np.bool_]
    terminal_obs: Mapping[int, Any]
    timeouts: Mapping[int, bool]


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
    :param raw_rewards: as the environment paid them, ``rewards`` where nothing changes them
    :param recent: the newest steps, whole
    :param boundaries: where episodes begin and end, since training began
    :param timeouts: row and worker of each step that a time limit ended, with a last observation
    """

    rewards: npt.NDArray[np.float64]
    actions: npt.NDArray[np.generic]
    dones: npt.NDArray[np.bool_]
    episodes: tuple[Episode, ...]
    last_obs: Any
    raw_rewards: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 1)))
    recent: Sequence[Step] = ()
    boundaries: BoundaryCounts = field(default_factory=BoundaryCounts)
    timeouts: tuple[tuple[int, int], ...] = ()


class Recorder:
    """Collects steps in the hot path; everything costly waits for :meth:`cut`.

    :param env: the training environment
    :param model: that acts in it
    """

    def __init__(self, env: VecEnv, model: Any) -> None:
        self._model = model
        self._n_envs = env.num_envs
        monitored = is_vecenv_wrapped(env, VecMonitor) or all(env.env_is_wrapped(Monitor))
        self._running = None if monitored else np.zeros((2, self._n_envs))
        self._normaliser = unwrap_vec_normalize(env)
        self._paying = _what_was_paid(model.env)
        self._recent: deque[tuple[Any, ...]] = deque(maxlen=RECENT)
        self._boundaries = Boundaries(self._n_envs)
        # where training goes on, the last observation is no reset's
        if model._last_obs is not None and model.num_timesteps == 0:
            self._boundaries.began(self._raw_obs(model._last_obs))
        # an environment may pay whole numbers at first
        self._rewards, self._raw_rewards = Rows(np.float64), Rows(np.float64)
        self._actions, self._dones = Rows(), Rows(np.bool_)
        self._episodes: list[Episode] = []
        self._timeouts: list[tuple[int, int]] = []
        self._last_obs: Any = None

    def add(self, step_locals: Mapping[str, Any]) -> bool:
        """Record one step of all workers from the locals of ``collect_rollouts``.

        Rewards are copied, because on-policy algorithms add ``gamma * V(terminal)`` to them in
        place.

        :return: whether rewards and observations are all finite
        """
        if "rewards" not in step_locals:  # ARS steps its environments out of sight
            return True
        rewards = self._rewards.add(step_locals["rewards"])
        dones = self._dones.add(step_locals["dones"])
        actions = step_locals["actions"]
        executed = step_locals.get("clipped_actions", actions)
        self._actions.add(executed)
        self._last_obs = step_locals["new_obs"]
        raw = rewards
        if self._paying is not None:
            raw = self._raw_rewards.add(self._paying())
        if self._running is not None:
            self._running[0] += raw
            self._running[1] += 1
        if self._boundaries.waiting:
            self._boundaries.stepped(self._raw_obs(self._last_obs), dones)
        terminal, timeouts = _NOBODY, _NOBODY
        if np.count_nonzero(dones):
            infos = step_locals["infos"]
            terminal, timeouts = {}, {}
            for worker in np.flatnonzero(dones).tolist():
                terminal[worker] = infos[worker].get("terminal_observation")
                timeouts[worker] = bool(infos[worker].get("TimeLimit.truncated", False))
                if timeouts[worker] and terminal[worker] is not None:
                    self._timeouts.append((len(self._rewards) - 1, worker))
            self._finish_episodes(dones, infos)
        model = self._model
        obs, new_obs, stored = model._last_obs, self._last_obs, rewards
        if self._normaliser is not None and "replay_buffer" in step_locals:
            obs, new_obs, stored = model._last_original_obs, self._raw_obs(new_obs), raw
        if self._stores_paid(step_locals):
            stored = raw
        self._recent.append((obs, new_obs, actions, executed, stored, dones, terminal, timeouts))
        return math.isfinite(rewards.dot(rewards)) and all_finite(self._last_obs)

    @staticmethod
    def _stores_paid(step_locals: Mapping[str, Any]) -> bool:
        """Whether the replay buffer takes rewards from before a wrapper normalised them."""
        taking = hasattr(step_locals.get("replay_buffer"), "worker_rewards")
        return taking and ORIGINAL in step_locals["infos"][0]

    def _raw_obs(self, obs: Any) -> Any:
        """Before normalisation, where something normalises observations."""
        normaliser = self._normaliser
        if normaliser is None or not normaliser.norm_obs:
            return obs
        return normaliser.get_original_obs()

    def _finish_episodes(self, dones: npt.NDArray[np.bool_], infos: list[dict[str, Any]]) -> None:
        raw_obs = self._raw_obs(self._last_obs)
        for worker in np.flatnonzero(dones):
            info = infos[worker]
            terminal = info.get("terminal_observation")
            step = self._model.num_timesteps
            self._boundaries.ended(int(worker), self._last_obs, raw_obs, terminal, step)
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

    def forget_recent(self, keep: int = 0) -> None:
        """The newest steps are not what the buffer holds any more.

        :param keep: how many of them it has not stored yet
        """
        self._recent = deque(list(self._recent)[len(self._recent) - keep :], maxlen=RECENT)

    def cut(self) -> Window:
        """Everything since the last cut; recording starts afresh."""
        none = np.empty((0, self._n_envs))
        rewards = self._rewards.take(none)
        window = Window(
            rewards=rewards,
            actions=self._actions.take(none),
            dones=self._dones.take(none.astype(np.bool_)),
            episodes=tuple(self._episodes),
            last_obs=self._last_obs,
            raw_rewards=self._raw_rewards.take(rewards),
            recent=tuple(Step(*step) for step in self._recent),
            boundaries=self._boundaries.counts(),
            timeouts=tuple(self._timeouts),
        )
        self._episodes, self._timeouts, self._last_obs = [], [], None
        return window


def _what_was_paid(env: VecEnv) -> Callable[[], Any] | None:
    """What the innermost wrapper that changes rewards tells of the last step, ``None`` without."""
    found = None
    while isinstance(env, VecEnvWrapper):
        for name in ("get_original_reward", "get_original_worker_reward"):
            if hasattr(type(env), name):
                found = getattr(env, name)
        env = env.venv
    return found


def all_finite(obs: Any) -> bool:
    """Whether an observation array, or every array of a Dict observation, is finite."""
    if isinstance(obs, dict):
        return all(all_finite(part) for part in obs.values())
    if obs.dtype.kind != "f":
        return True
    # the squared norm is the cheapest test; it may overflow, so a failure is looked at closely
    return math.isfinite(np.vdot(obs, obs)) or bool(np.isfinite(obs).all())
