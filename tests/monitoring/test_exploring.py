"""Acting in evaluation as in training: sampled actions, gSDE's noise, action noise."""

from typing import Any

import numpy as np
import pytest
import torch as th
from stable_baselines3 import A2C, DQN, PPO, SAC, TD3
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.noise import NormalActionNoise, VectorizedActionNoise

from sb3_ac_ext.monitoring.exploring import explores, exploring

N = 3


@pytest.fixture
def observations() -> np.ndarray:
    env = make_vec_env("Pendulum-v1", n_envs=N, seed=0)
    return env.reset()  # type: ignore[return-value]


def test_who_acts_otherwise_in_training() -> None:
    noise = NormalActionNoise(np.zeros(1), 0.1 * np.ones(1))
    assert explores(PPO("MlpPolicy", "Pendulum-v1")) and explores(DQN("MlpPolicy", "CartPole-v1"))
    assert explores(SAC("MlpPolicy", "Pendulum-v1"))
    assert explores(TD3("MlpPolicy", "Pendulum-v1", action_noise=noise))
    assert not explores(TD3("MlpPolicy", "Pendulum-v1"))


@pytest.mark.parametrize("algo", [A2C, SAC])
def test_every_environment_has_gsde_noise_of_its_own(algo: Any, observations: np.ndarray) -> None:
    model = algo("MlpPolicy", "Pendulum-v1", use_sde=True, sde_sample_freq=2, seed=0)
    holder = (model.actor if algo is SAC else model.policy).action_dist
    before = holder.exploration_mat, holder.exploration_matrices
    same = np.repeat(observations[:1], N, axis=0)
    with exploring(model, N) as actor:
        actions = [actor.predict(same)[0] for _ in range(4)]
    assert len(np.unique(actions[0])) == N, "one matrix for each"
    assert np.array_equal(actions[0], actions[1]), "kept for two steps"
    assert not np.array_equal(actions[1], actions[2])
    assert holder.exploration_mat is before[0] and holder.exploration_matrices is before[1]


def test_action_noise_is_added_within_bounds(observations: np.ndarray) -> None:
    noise = NormalActionNoise(np.zeros(1), 5.0 * np.ones(1))
    model = TD3("MlpPolicy", "Pendulum-v1", action_noise=VectorizedActionNoise(noise, 1), seed=0)
    greedy, _ = model.predict(observations, deterministic=True)
    with exploring(model, N) as actor:
        noisy, _ = actor.predict(observations, episode_start=np.ones(N, dtype=bool))
    assert np.abs(noisy).max() <= 2.0 and len(np.unique(noisy - greedy)) > 1
    assert model.action_noise.n_envs == 1, "the model's own is left as it was"


def test_discrete_actions_are_sampled() -> None:
    model = PPO("MlpPolicy", "CartPole-v1", seed=0)
    with exploring(model, 64) as actor, th.no_grad():
        actions, _ = actor.predict(np.zeros((64, 4), np.float32), deterministic=True)
    assert set(actions) == {0, 1}
