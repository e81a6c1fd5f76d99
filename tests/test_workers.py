"""Worker processes end whatever state an interrupt left them in."""

import time

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

from sb3_ac_ext import workers


class Asleep(gym.Env):
    """Its steps take for ever."""

    observation_space = gym.spaces.Box(-1, 1, (1,))
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return np.zeros(1, np.float32), {}

    def step(self, action):
        time.sleep(1000)


def cartpole():
    return gym.make("CartPole-v1")


@pytest.fixture
def pair():
    env = SubprocVecEnv([cartpole, cartpole])
    env.reset()
    yield env
    for process in env.processes:
        process.kill()


def ended(env):
    return env.closed and not any(process.is_alive() for process in env.processes)


@pytest.mark.parametrize("answers_read", [0, 1, 2])
def test_an_interrupt_anywhere_in_a_step(pair, answers_read):
    pair.step_async(np.zeros(2, int))
    for remote in pair.remotes[:answers_read]:
        remote.recv()
    started = time.monotonic()
    workers.close(pair, patience=30)
    assert ended(pair)
    assert time.monotonic() - started < 30
    assert [process.exitcode for process in pair.processes] == [0, 0]


def test_a_worker_that_never_answers_is_killed():
    env = SubprocVecEnv([Asleep])
    env.reset()
    env.step_async(np.zeros(1, int))
    workers.close(env, patience=0.5)
    assert ended(env)


def test_environments_in_this_process():
    env = DummyVecEnv([cartpole])
    workers.close(env)
