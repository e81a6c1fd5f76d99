"""What a random policy sees: the raw material of most checks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sb3_ac_ext.doctor.deadline import Deadline
from sb3_ac_ext.doctor.layout import Layout
from sb3_ac_ext.doctor.subject import Env

MAX_STEPS = 4_000
_STARTS = 10
_START_STEPS = 2
_HOLD = 8.0


@dataclass(frozen=True)
class Episode:
    """
    :param observations: of shape (length + 1, n), the first from ``reset``
    :param rewards: of shape (length,)
    :param terminated: at the last step
    :param truncated: at the last step; neither means that it was broken off
    :param overwritten: how many returned observations changed at the next call
    :param reset_overwrote: whether its reset changed the last observation of the episode before
    :param reset_seconds: wall time
    :param step_seconds: wall time of each step
    """

    observations: np.ndarray
    rewards: np.ndarray
    terminated: bool
    truncated: bool
    overwritten: int
    reset_overwrote: bool
    reset_seconds: float
    step_seconds: np.ndarray

    @property
    def length(self) -> int:
        return len(self.rewards)

    @property
    def ended(self) -> bool:
        return self.terminated or self.truncated


@dataclass(frozen=True)
class Experience:
    """
    :param layout: of the observations
    :param episodes: in order, the first ones broken off early to see more starts
    """

    layout: Layout
    episodes: tuple[Episode, ...]

    @property
    def ended(self) -> list[Episode]:
        return [episode for episode in self.episodes if episode.ended]

    @property
    def lengths(self) -> np.ndarray:
        """Of the episodes that ended."""
        return np.array([episode.length for episode in self.ended], dtype=int)

    @property
    def n_steps(self) -> int:
        return sum(episode.length for episode in self.episodes)

    @property
    def rewards(self) -> np.ndarray:
        return np.concatenate([episode.rewards for episode in self.episodes])

    @property
    def observations(self) -> np.ndarray:
        """Of shape (n_steps + episodes, n), without checksums."""
        rows = np.concatenate([episode.observations for episode in self.episodes])
        return rows[:, : len(self.layout.names)]


def explore(env: Env, seed: int, deadline: Deadline, max_steps: int = MAX_STEPS) -> Experience:
    """Act at random: a new action at each step, and in every other episode held for a while.

    :param env: the environment
    :param seed: of the first reset and of the actions
    :param deadline: when to stop, at the latest
    :param max_steps: when to stop
    """
    env.action_space.seed(seed)
    layout = Layout(env.observation_space)
    walk = _Walk(env, layout, np.random.default_rng(seed))
    episodes: list[Episode] = []
    left = max_steps
    while left > 0 and not (deadline.over() and episodes):
        limit = min(left, _START_STEPS if len(episodes) < _STARTS else left)
        hold = _HOLD if len(episodes) % 2 else 1.0
        episodes.append(walk.episode(seed if not episodes else None, limit, hold, deadline))
        left -= episodes[-1].length
    return Experience(layout, tuple(episodes))


class _Walk:
    """Walks through episodes and compares what was returned with what it was when returned."""

    def __init__(self, env: Env, layout: Layout, rng: np.random.Generator) -> None:
        self.env, self.layout, self.rng = env, layout, rng
        self.last: tuple[Any, np.ndarray] | None = None

    def episode(self, seed: int | None, limit: int, hold: float, deadline: Deadline) -> Episode:
        began = time.perf_counter()
        observation, _ = self.env.reset(seed=seed)
        reset_seconds = time.perf_counter() - began
        reset_overwrote = self.last is not None and self._changed(*self.last)
        rows, rewards, seconds = [self.layout.vector(observation)], [], []
        overwritten, terminated, truncated = 0, False, False
        for action in self._actions(hold):
            began = time.perf_counter()
            following, reward, terminated, truncated, _ = self.env.step(action)
            seconds.append(time.perf_counter() - began)
            overwritten += self._changed(observation, rows[-1])
            observation = following
            rows.append(self.layout.vector(observation))
            rewards.append(float(reward))
            if terminated or truncated or len(rewards) >= limit or deadline.over():
                break
        self.last = observation, rows[-1]
        return Episode(
            observations=np.stack(rows),
            rewards=np.array(rewards),
            terminated=bool(terminated),
            truncated=bool(truncated),
            overwritten=overwritten,
            reset_overwrote=reset_overwrote,
            reset_seconds=reset_seconds,
            step_seconds=np.array(seconds),
        )

    def _actions(self, hold: float) -> Iterator[Any]:
        while True:
            action = self.env.action_space.sample()
            for _ in range(int(self.rng.geometric(1.0 / hold))):
                yield action

    def _changed(self, observation: Any, as_returned: np.ndarray) -> bool:
        return not np.array_equal(self.layout.vector(observation), as_returned, equal_nan=True)
