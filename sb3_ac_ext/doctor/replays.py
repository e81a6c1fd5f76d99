"""The same states played on with other actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sb3_ac_ext.doctor.deadline import Deadline
from sb3_ac_ext.doctor.layout import Layout
from sb3_ac_ext.doctor.subject import Env

_STARTS = 8
_AFTER = 5


@dataclass(frozen=True)
class Play:
    """What came of one action.

    :param observations: from the action on, of shape (steps, n)
    :param rewards: from the action on
    """

    observations: np.ndarray
    rewards: np.ndarray

    def differs(self, other: Play) -> bool:
        return not (
            np.array_equal(self.observations, other.observations, equal_nan=True)
            and np.array_equal(self.rewards, other.rewards, equal_nan=True)
        )

    def delay(self, other: Play) -> int | None:
        """Steps after which the observations differ, ``None`` if they do not."""
        shared = min(len(self.observations), len(other.observations))
        unlike = np.any(self.observations[:shared] != other.observations[:shared], axis=1)
        if unlike.any():
            return int(np.argmax(unlike))
        return None if len(self.observations) == len(other.observations) else shared


class Replays:
    """Plays on from the same states with actions of choice.

    :param env: the environment, deterministic for a seed
    :param seed: of the first state; the states differ in seed and number of steps before
    """

    def __init__(self, env: Env, seed: int) -> None:
        self.env, self.seed = env, seed
        self.layout = Layout(env.observation_space)
        env.action_space.seed(seed)
        self._before = [[self._sample() for _ in range(start)] for start in range(_STARTS)]
        self._after = [self._sample() for _ in range(_AFTER)]
        self._known: dict[tuple[int, bytes], Play | None] = {}

    def play(self, start: int, action: Any) -> Play | None:
        """
        :param start: index of the state
        :param action: taken there, followed by random ones, always the same
        :return: ``None`` if an episode ends before the state is reached
        """
        key = start, np.asarray(action).tobytes()
        if key not in self._known:
            self._known[key] = self._play(start, action)
        return self._known[key]

    def _play(self, start: int, action: Any) -> Play | None:
        self.env.reset(seed=self.seed + start)
        for earlier in self._before[start]:
            _, _, terminated, truncated, _ = self.env.step(earlier)
            if terminated or truncated:
                return None
        observations, rewards = [], []
        for one in (action, *self._after):
            observation, reward, terminated, truncated, _ = self.env.step(one)
            observations.append(self.layout.vector(observation))
            rewards.append(float(reward))
            if terminated or truncated:
                break
        return Play(np.stack(observations), np.array(rewards))

    def pairs(self, one: Any, other: Any, deadline: Deadline) -> list[tuple[Play, Play]]:
        """Both actions from the same states.

        :param one: an action
        :param other: another
        :param deadline: when to stop
        """
        found = []
        for start in range(_STARTS):
            if deadline.over():
                break
            plays = self.play(start, one), self.play(start, other)
            if plays[0] is not None and plays[1] is not None:
                found.append((plays[0], plays[1]))
        return found

    def _sample(self) -> Any:
        return self.env.action_space.sample()
