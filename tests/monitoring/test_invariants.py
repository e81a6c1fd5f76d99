"""The exact layer on real training: silent on stock SB3, and first to name what is broken."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium as gym
import pytest
import torch as th
from stable_baselines3 import A2C, DDPG, PPO, SAC, TD3
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from sb3_ac_ext.faults import Injection, get
from sb3_ac_ext.monitoring.callback import DiagnosticsCallback

th.set_num_threads(1)

CLASSES: dict[str, Any] = {"ppo": PPO, "a2c": A2C, "sac": SAC, "td3": TD3, "ddpg": DDPG}
SETTINGS: dict[str, dict[str, Any]] = {
    "ppo": {"n_steps": 64, "batch_size": 64, "n_epochs": 3},
    "a2c": {"n_steps": 64},
    **{
        algo: {"learning_starts": 20, "batch_size": 32, "buffer_size": 2000}
        for algo in ("sac", "td3", "ddpg")
    },
}
EXACT = 1e-4


def watched(
    algo: str, env_id: str, fault: str | None = None, steps: int = 400, **kwargs: Any
) -> DiagnosticsCallback:
    """A short run, with or without a fault."""
    injection = None if fault is None else Injection(get(fault), get(fault).severity)
    made = iter(range(100))

    def make() -> gym.Env[Any, Any]:
        env: gym.Env[Any, Any] = gym.make(env_id)
        return env if injection is None else injection.env(env, next(made))

    env = make_vec_env(make, n_envs=4, seed=1)
    settings: dict[str, Any] = {"policy_kwargs": {"net_arch": [16]}, **SETTINGS[algo], **kwargs}
    callback = DiagnosticsCallback(every=100, canary_freq=0, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if injection is None:
            CLASSES[algo]("MlpPolicy", env, seed=1, device="cpu", **settings).learn(steps, callback)
            return callback
        settings = injection.kwargs(settings)
        model = CLASSES[algo]("MlpPolicy", injection.vec_env(env), seed=1, device="cpu", **settings)
        with injection.model(model):
            model.learn(steps, callback)
    return callback


@pytest.mark.parametrize(
    ("algo", "env_id"),
    [
        ("ppo", "CartPole-v1"),
        ("ppo", "Pendulum-v1"),
        ("a2c", "Pendulum-v1"),
        ("sac", "Pendulum-v1"),
        ("td3", "Pendulum-v1"),
        ("ddpg", "MountainCarContinuous-v0"),
    ],
)
def test_stock_sb3_keeps_every_invariant(algo: str, env_id: str) -> None:
    history = watched(algo, env_id).history
    errors = [name for name in history.names if name.startswith("probe/") and "_error" in name]
    assert len(errors) >= 7
    for name in errors:
        assert history.series(name).values.max() < EXACT, name
    nets = ("policy", "value") if algo in ("ppo", "a2c") else ("actor", "critic")
    for net in nets:
        assert history.series(f"probe/{net}_cosine").values.min() > 0.999
        assert history.series(f"probe/{net}_trained_share").values.min() == 1.0
        assert history.series(f"probe/{net}_change").values.min() > 0.0
    assert history.has("probe/stock_update")


def test_normalised_observations_and_rewards_keep_every_invariant() -> None:
    for algo in ("ppo", "sac"):
        callback = DiagnosticsCallback(every=100, canary_freq=0, verbose=0)
        env = VecNormalize(make_vec_env("Pendulum-v1", n_envs=2, seed=1))
        settings: dict[str, Any] = {"policy_kwargs": {"net_arch": [16]}, **SETTINGS[algo]}
        CLASSES[algo]("MlpPolicy", env, seed=1, **settings).learn(500, callback)
        for name in callback.history.names:
            if name.startswith("probe/") and "_error" in name:
                assert callback.history.series(name).values.max() < EXACT, (algo, name)
        assert callback.history.series("probe/obs_normalisers").values[-1] == 1.0


FIRST = {
    "stored_clipped_action": ("ppo", "Pendulum-v1", "log_prob_mismatch"),
    "stored_log_prob_of_other_action": ("a2c", "Pendulum-v1", "log_prob_mismatch"),
    "stored_obs_shifted": ("ppo", "CartPole-v1", "buffer_corrupted"),
    "stored_actions_shuffled": ("a2c", "CartPole-v1", "buffer_corrupted"),
    "stored_rewards_shifted": ("ppo", "Pendulum-v1", "buffer_corrupted"),
    "advantages_shuffled": ("ppo", "CartPole-v1", "advantage_computation"),
    "last_value_zero": ("a2c", "CartPole-v1", "advantage_computation"),
    "gamma_mismatch": ("ppo", "Pendulum-v1", "advantage_computation"),
    "ignores_episode_ends": ("ppo", "CartPole-v1", "advantage_computation"),
    "minibatch_advantages_shifted": ("ppo", "CartPole-v1", "sample_corrupted"),
    "policy_loss_sign": ("a2c", "CartPole-v1", "policy_update_sign"),
    "value_loss_sign": ("ppo", "CartPole-v1", "critic_update_sign"),
    "frozen_policy": ("a2c", "Pendulum-v1", "policy_not_updated"),
    "frozen_critic": ("td3", "Pendulum-v1", "critic_not_updated"),
    "optimizer_without_policy": ("ppo", "CartPole-v1", "policy_not_updated"),
    "actor_loss_sign": ("sac", "Pendulum-v1", "policy_update_sign"),
    "critic_loss_sign": ("ddpg", "Pendulum-v1", "critic_update_sign"),
    "target_frozen": ("td3", "Pendulum-v1", "target_network"),
    "target_is_online": ("ddpg", "Pendulum-v1", "target_network"),
    "target_copied_each_step": ("sac", "Pendulum-v1", "target_network"),
    "replay_done_always": ("td3", "Pendulum-v1", "buffer_corrupted"),
    "replay_actions_shuffled": ("sac", "Pendulum-v1", "buffer_corrupted"),
    "replay_next_obs_is_obs": ("ddpg", "Pendulum-v1", "buffer_corrupted"),
    "replay_reward_delayed": ("td3", "Pendulum-v1", "buffer_corrupted"),
    "sample_rewards_shuffled": ("sac", "Pendulum-v1", "sample_corrupted"),
    "dropout_in_policy": ("ppo", "CartPole-v1", "network_mode"),
}


@pytest.mark.parametrize("fault", FIRST)
def test_what_is_broken_is_named_first_and_early(fault: str) -> None:
    algo, env_id, cause = FIRST[fault]
    callback = watched(algo, env_id, fault)
    assert callback.verdict.diagnoses[0].cause == cause
    # within the first two snapshots that have an update
    assert min(finding.step for finding in callback.verdict.findings) <= 500


EPISODES = {
    "obs_stale": ("CartPole-v1", "observation_stale"),
    "worker_same_seed": ("CartPole-v1", "worker_seeding"),
    "reset_returns_old": ("CartPole-v1", "reset_broken"),
}


@pytest.mark.parametrize("fault", EPISODES)
def test_what_is_wrong_at_the_ends_of_episodes_is_named(fault: str) -> None:
    env_id, cause = EPISODES[fault]
    callback = watched("ppo", env_id, fault, steps=1500)
    assert cause in [diagnosis.cause for diagnosis in callback.verdict.diagnoses[:2]]


def test_a_time_limit_that_is_learnt_as_death_is_named() -> None:
    callback = watched("a2c", "Pendulum-v1", "truncated_as_terminated", steps=1700)
    assert callback.verdict.diagnoses[0].cause == "time_limit_handling"
