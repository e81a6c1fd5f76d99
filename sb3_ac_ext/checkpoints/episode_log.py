"""Environments whose state cannot be read are brought back by playing their episode again."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from gymnasium.core import ActType, ObsType

from sb3_ac_ext.checkpoints.codec import CannotEncode, copied
from sb3_ac_ext.checkpoints.workers import State, read, same, set_worker_state, worker_state


class EpisodeLog(gym.Wrapper[ObsType, ActType, ObsType, ActType], gym.utils.RecordConstructorArgs):
    """Remembers how the present episode came about, and answers for its state across processes.

    It belongs outside of all other wrappers. Nothing is remembered of an environment whose state
    can be read, such as those of classic control and MuJoCo; of others, such as Box2D's, the state
    of all generators before the reset, its arguments, and all actions since. They are deterministic
    then, or the observation after playing it again is another one, which is noticed.

    :param env: any environment, with its wrappers
    """

    def __init__(self, env: gym.Env[ObsType, ActType]) -> None:
        gym.utils.RecordConstructorArgs.__init__(self)
        super().__init__(env)
        self._needed: bool | None = None
        self.episode_log_record: State | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[ObsType, dict[str, Any]]:
        before = None if self._needed is False else read(self)[0]
        obs, info = self.env.reset(seed=seed, options=options)
        if self._needed is None:
            self._needed = bool(read(self)[1])
        self.episode_log_record = None
        if self._needed:
            self.episode_log_record = {
                "before": before,
                "seed": seed,
                "options": copied(options),
                "actions": [],
                "obs": copied(obs),
            }
        return obs, info

    def step(self, action: ActType) -> tuple[ObsType, Any, bool, bool, dict[str, Any]]:
        result = self.env.step(action)
        if self.episode_log_record is not None:
            self.episode_log_record["actions"].append(copied(action))
            self.episode_log_record["obs"] = result[0]
        return result

    @property
    def episode(self) -> State | None:
        """What :func:`replay` needs, ``None`` where the state can be read."""
        return None if self.episode_log_record is None else _plain(self.episode_log_record)

    def worker_state(self) -> State:
        """See :func:`~sb3_ac_ext.checkpoints.workers.worker_state`."""
        return worker_state(self)

    def set_worker_state(self, state: State) -> str | None:
        """See :func:`~sb3_ac_ext.checkpoints.workers.set_worker_state`."""
        return set_worker_state(self, state)


def _plain(episode: State) -> State | None:
    try:
        found: State = copied(episode)
    except CannotEncode:
        return None
    return found


def find_log(env: gym.Env[Any, Any]) -> EpisodeLog[Any, Any] | None:
    """The log among the wrappers of an environment."""
    while isinstance(env, gym.Wrapper):
        if isinstance(env, EpisodeLog):
            return env
        env = env.env
    return None


def replay(env: gym.Env[Any, Any], episode: State) -> str | None:
    """Play an episode again.

    :param env: with generators as they were before its reset
    :param episode: from :attr:`EpisodeLog.episode`
    :return: why it is not the same, ``None`` if its newest observation is
    """
    obs, _ = env.reset(seed=episode["seed"], options=episode["options"])
    for action in episode["actions"]:
        obs = env.step(action)[0]
    if not same(obs, episode["obs"]):
        return "the environment is not deterministic: its episode came out otherwise"
    return None
