"""Environments that do what no environment should, at a moment that a test chooses."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces


def _raise() -> None:
    raise ValueError("the arm is stuck\nsecond line")


def _end_of_file() -> None:
    raise EOFError("the simulator closed its pipe")


def _hang() -> None:
    time.sleep(1000)


def _exit() -> None:
    sys.exit("licence expired")


def _die() -> None:
    os._exit(7)


DEEDS = {"raise": _raise, "eof": _end_of_file, "hang": _hang, "exit": _exit, "die": _die}


class Mischief(gym.Env[Any, Any]):
    """Observations (random number, step of the episode); episodes of ten steps.

    :param deed: key of :data:`DEEDS`
    :param where: ``step``, ``reset`` or ``make``
    :param at: calls of it that go well
    :param once: a file that is made when the deed is done, after which all goes well
    """

    observation_space = spaces.Box(-1.0, 100.0, (2,), np.float32)
    action_space = spaces.Discrete(2)
    gain = 1.0

    def __init__(
        self, deed: str = "", where: str = "step", at: int = 0, once: str = "", big: bool = False
    ) -> None:
        self.deed, self.where, self.at, self.once, self.big = deed, where, at, once, big
        self.render_mode = None
        self.t, self.seeds = 0, list[Any]()
        self.secret = lambda: None
        self._maybe("make")

    def _maybe(self, where: str) -> None:
        if not self.deed or where != self.where or (self.once and Path(self.once).exists()):
            return
        self.at -= 1
        if self.at < 0:
            if self.once:
                Path(self.once).touch()
            DEEDS[self.deed]()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self._maybe("reset")
        self.seeds.append(seed)
        self.t = 0
        return self._observe(), {"options": options}

    def step(self, action: Any) -> Any:
        self._maybe("step")
        self.t += 1
        info = {"picture": np.zeros(2_000_000, np.uint8)} if self.big else {}
        return self._observe(), self.gain, self.t >= 10, False, info

    def _observe(self) -> Any:
        return np.array([self.np_random.uniform(-1, 1), self.t], np.float32)

    def fail(self) -> None:
        raise KeyError("no such joint")

    def nap(self) -> None:
        time.sleep(1000)


class BadClose(Mischief):
    """Its end takes for ever, or raises."""

    def close(self) -> None:
        DEEDS[self.deed]()

    def _maybe(self, where: str) -> None:
        pass


class Broken(gym.Env[Any, Any]):
    """Pays 1 and observes the step, but at some steps not a number.

    :param obs_at: steps of the worker, from 1, whose observations are ``value`` in entry 1
    :param reward_at: steps whose rewards are
    :param resets_at: resets, from 0, whose observations are
    :param length: of an episode
    :param dict_obs: observe a Dict
    """

    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(
        self,
        obs_at: tuple[int, ...] = (),
        reward_at: tuple[int, ...] = (),
        resets_at: tuple[int, ...] = (),
        value: float = float("nan"),
        length: int = 10,
        dict_obs: bool = False,
    ) -> None:
        self.obs_at, self.reward_at, self.resets_at = obs_at, reward_at, resets_at
        self.value, self.length, self.dict_obs = value, length, dict_obs
        self.render_mode = None
        box = spaces.Box(-np.inf, np.inf, (2,), np.float32)
        image = spaces.Box(0, 255, (3,), np.uint8)
        self.observation_space = spaces.Dict({"pos": box, "image": image}) if dict_obs else box
        self.n_steps, self.n_resets = 0, -1

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.t = 0
        self.n_resets += 1
        return self._observe(self.n_resets in self.resets_at), {"n": self.n_resets}

    def step(self, action: Any) -> Any:
        self.n_steps += 1
        self.t += 1
        reward = self.value if self.n_steps in self.reward_at else 1.0
        obs = self._observe(self.n_steps in self.obs_at)
        return obs, reward, self.t >= self.length, False, {}

    def _observe(self, bad: bool) -> Any:
        obs = np.array([self.t, 10 * self.t], np.float32)
        if bad:
            obs[1] = self.value
        return {"pos": obs, "image": np.full(3, self.t, np.uint8)} if self.dict_obs else obs
