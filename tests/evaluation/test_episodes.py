"""Which episodes are counted, and that they can be played again."""

import random

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from sb3_contrib import MaskablePPO, RecurrentPPO
from stable_baselines3 import DQN, PPO, SAC, TD3
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

from sb3_ac_ext.evaluation.episodes import play_episodes
from tests.evaluation.envs import Graded, Uneven


def small(cls, env, policy="MlpPolicy", **kwargs):
    return cls(policy, env, policy_kwargs={"net_arch": [8]}, device="cpu", seed=0, **kwargs)


@pytest.fixture(scope="module")
def ppo():
    return small(PPO, make_vec_env(Uneven), n_steps=8, batch_size=8)


@pytest.mark.parametrize("n_envs", [1, 2, 3])
def test_short_episodes_do_not_count_more(ppo, n_envs):
    """Taking what finishes first would give nine short episodes and one long one."""
    found = play_episodes(ppo, make_vec_env(Uneven, n_envs), seeds=(0, 1), episodes=10)
    assert [episode.length for episode in found] == [2] * 5 + [20] * 5
    assert [episode.seed for episode in found] == [0] * 5 + [1] * 5
    assert [episode.is_success for episode in found] == [False] * 5 + [True] * 5


@pytest.mark.parametrize(("episodes", "shares"), [(3, [1, 1, 1]), (5, [2, 2, 1]), (7, [3, 2, 2])])
def test_episodes_are_spread_over_the_seeds(ppo, episodes, shares):
    found = play_episodes(ppo, make_vec_env(Uneven, 2), seeds=(4, 7, 9), episodes=episodes)
    seeds = [episode.seed for episode in found]
    assert [seeds.count(seed) for seed in (4, 7, 9)] == shares


def test_what_a_seed_gives_does_not_depend_on_its_neighbours():
    model = small(PPO, make_vec_env(Graded), n_steps=8, batch_size=8)
    alone = play_episodes(model, make_vec_env(Graded), seeds=(5,), episodes=2)
    beside = play_episodes(model, make_vec_env(Graded, 4), seeds=(9, 5, 2, 11, 6), episodes=10)
    assert [e for e in beside if e.seed == 5] == alone
    processes = make_vec_env(Graded, 2, vec_env_cls=SubprocVecEnv)
    others = play_episodes(model, processes, seeds=(9, 5), episodes=4)
    processes.close()
    assert others == beside[:4]


def test_without_monitor_steps_are_counted(ppo):
    env = DummyVecEnv([lambda: Uneven(tells_success=False)])
    found = play_episodes(ppo, env, seeds=(1, 2), episodes=2)
    assert [(e.total_reward, e.length, e.is_success) for e in found] == [
        (20, 20, None),
        (2, 2, None),
    ]


def test_a_lost_life_is_no_episode(ppo):
    class Lives(gym.Wrapper):
        """Ends twice per game, as Atari's wrapper does, above a Monitor that counts games."""

        def step(self, action):
            observation, reward, terminated, truncated, info = self.env.step(action)
            self.lost = not terminated and self.env.unwrapped.steps == 10
            return observation, reward, terminated or self.lost, truncated, info

        def reset(self, **kwargs):
            if getattr(self, "lost", False):
                self.lost = False
                return self.env.unwrapped._observe(), {}
            return self.env.reset(**kwargs)

    env = make_vec_env(Uneven, wrapper_class=Lives)
    found = play_episodes(ppo, env, seeds=(1,), episodes=3)
    assert [episode.length for episode in found] == [20] * 3


CASES = {
    "ppo": lambda: small(PPO, "CartPole-v1"),
    "ppo-gsde": lambda: small(PPO, "Pendulum-v1", use_sde=True, sde_sample_freq=4),
    "sac": lambda: small(SAC, "Pendulum-v1", buffer_size=10),
    "sac-gsde": lambda: small(SAC, "Pendulum-v1", buffer_size=10, use_sde=True),
    "dqn": lambda: small(DQN, "CartPole-v1", buffer_size=10),
    "ppo_lstm": lambda: small(RecurrentPPO, "CartPole-v1", "MlpLstmPolicy"),
}


@pytest.mark.parametrize("case", CASES)
def test_played_twice_it_is_the_same(case):
    model = CASES[case]()
    model.exploration_rate = 0.5  # DQN's, which is set while it trains
    env = make_vec_env(model.get_env().get_attr("spec")[0].id, 2)
    stochastic = [play_episodes(model, env, (3, 8), 4, deterministic=False) for _ in range(2)]
    greedy = [play_episodes(model, env, (3, 8), 4) for _ in range(2)]
    assert stochastic[0] == stochastic[1]
    assert greedy[0] == greedy[1]
    assert stochastic[0] != greedy[0]


def test_stochastic_means_what_predict_means():
    """Action noise belongs to training: TD3's policy acts alike in both modes."""
    noise = NormalActionNoise(np.zeros(1), np.ones(1))
    model = small(TD3, "Pendulum-v1", buffer_size=10, action_noise=noise)
    env = make_vec_env("Pendulum-v1")
    greedy, stochastic = (play_episodes(model, env, (3,), 1, mode) for mode in (True, False))
    assert greedy == stochastic


def test_generators_of_the_caller_go_on_as_if_nothing_had_been(ppo):
    env, draws = make_vec_env(Uneven), []
    for play in (False, True):
        random.seed(1), th.manual_seed(1), ppo.action_space.seed(1)
        np.random.seed(1)  # noqa: NPY002
        if play:
            play_episodes(ppo, env, (1,), 1, deterministic=False)
        draws.append([random.random(), th.rand(1), ppo.action_space.sample()])
        draws[-1].append(np.random.rand())  # noqa: NPY002
    assert draws[0] == draws[1]


def test_forbidden_actions_are_not_taken():
    class Masked(gym.Wrapper):
        def action_masks(self):
            return np.array([True, False])

        def step(self, action):
            assert action == 0
            return self.env.step(action)

    env = DummyVecEnv([lambda: Masked(Uneven())])
    model = small(MaskablePPO, env, n_steps=8, batch_size=8)
    for deterministic in (True, False):
        assert len(play_episodes(model, env, (1,), 4, deterministic)) == 4
