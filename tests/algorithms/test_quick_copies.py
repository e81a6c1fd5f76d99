"""Copies that an environment in one process hands out while a drop-in algorithm learns."""

from collections import OrderedDict
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecNormalize

from sb3_ac_ext import A2C
from sb3_ac_ext.algorithms.quick_copies import quick_copies
from tests.algorithms.environments import Random


class Telling(Random):
    """Infos of all kinds, among them an array that the environment goes on writing into."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.counts = np.zeros(2)

    def step(self, action: Any) -> Any:
        self.counts += 1
        *rest, info = super().step(action)
        told = {"counts": self.counts, "nested": {"list": [1, self.counts]}, "name": "a", "n": 2}
        return (*rest, {**info, **told, "x": np.float32(0.5), "none": None})


@pytest.mark.parametrize("observation", ["box", "dict"])
def test_copies_are_those_of_deepcopy(observation: str) -> None:
    def steps(quick: bool) -> list[Any]:
        kwargs = {"observation": observation, "action": "discrete"}
        env = DummyVecEnv([lambda: Telling(**kwargs)] * 2)
        env.seed(0)
        seen = [env.reset()]
        with quick_copies(env if quick else None):
            for _ in range(15):
                seen.append(env.step(np.array([0, 1])))
        return seen

    quick, slow = steps(True), steps(False)
    np.testing.assert_equal(quick, slow)
    first, last = quick[1][3][0], quick[-1][3][0]
    assert first["counts"][0] == 1.0 < last["counts"][0], "the environment's array, copied in time"
    assert first["nested"]["list"][1][0] == 1.0
    assert type(quick[1][3]) is list and type(first) is dict


@pytest.mark.parametrize("wrap", [lambda env: env, VecNormalize])
def test_only_while_learning(wrap: Any) -> None:
    inner: Any = make_vec_env(Random, 2, env_kwargs={"action": "discrete"})
    kinds: set[Any] = set()

    def look(*_: Any) -> bool:
        kinds.add((type(inner.buf_infos), type(inner.buf_obs)))
        return True

    A2C("MlpPolicy", wrap(inner)).learn(20, callback=look)
    assert len(kinds) == 1 and (list, OrderedDict) not in kinds
    assert type(inner.buf_infos) is list and type(inner.buf_obs) is OrderedDict


def test_afterwards_even_when_something_fails() -> None:
    env: Any = DummyVecEnv([Random])
    with pytest.raises(KeyError), quick_copies(env):
        raise KeyError
    assert type(env.buf_infos) is list and type(deepcopy(env.buf_obs)) is OrderedDict


def test_environments_in_other_processes_are_left_alone() -> None:
    env = SubprocVecEnv([Random], start_method="fork")
    with quick_copies(env), quick_copies(None):
        env.reset()
    env.close()


def test_environments_that_keep_nothing_are_left_alone() -> None:
    env: Any = DummyVecEnv([Random])
    del env.buf_infos
    with quick_copies(env):
        assert "buf_infos" not in vars(env)
