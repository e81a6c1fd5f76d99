"""Arguments that change rewards, networks and targets: each does what it says, and only that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stable_baselines3
import torch as th
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize
from stable_baselines3.her import HerReplayBuffer

import sb3_ac_ext
from sb3_ac_ext import DiagnosticsCallback, LayerNormExtractor, LayerNormReLU, LayerNormTanh
from sb3_ac_ext.clip_reward import VecClipReward
from tests.algorithms.test_knobs import BASE, SMALL, actor, critic, equal, learnt, made, weights

ALL = ("PPO", "A2C", "SAC", "TD3", "DDPG")


@pytest.mark.parametrize("name", [*ALL, "DQN"])
def test_a_wide_clip_of_rewards_changes_nothing(name: str) -> None:
    plain = learnt(name)
    assert th.equal(weights(plain), weights(learnt(name, reward_clip=1e6)))
    clipped = learnt(name, reward_clip=0.1)
    assert not th.equal(weights(plain), weights(clipped))
    returns = [[episode["r"] for episode in model.ep_info_buffer] for model in (plain, clipped)]
    assert len(returns[1]) and max(map(abs, returns[1])) > 0.5, "reported as they were paid"


def test_stored_rewards_are_clipped_and_the_file_remembers(tmp_path: Path) -> None:
    model = learnt("SAC", reward_clip=0.25)
    stored = model.replay_buffer.rewards[: model.replay_buffer.pos]
    assert np.abs(stored).max() == 0.25 and (np.abs(stored) < 0.25).any()
    model.save(tmp_path / "model")
    loaded = sb3_ac_ext.SAC.load(tmp_path / "model", env=model.get_env())
    assert isinstance(loaded.env, VecClipReward) and not isinstance(loaded.env.venv, VecClipReward)
    loaded.set_env(made("SAC").get_env())
    assert isinstance(loaded.env, VecClipReward) and loaded.env.reward_clip == 0.25
    assert not isinstance(loaded.get_env(), VecClipReward), "another model has its own clip"


def test_on_policy_rewards_are_clipped_after_the_normaliser() -> None:
    env = VecNormalize(make_vec_env("Pendulum-v1", 2, seed=0))
    model = sb3_ac_ext.PPO("MlpPolicy", env, n_steps=64, reward_clip=0.1, seed=0).learn(128)
    assert np.abs(model.rollout_buffer.rewards).max() <= 0.1
    with pytest.raises(ValueError, match="give that clip_reward"):
        sb3_ac_ext.SAC("MlpPolicy", env, reward_clip=0.1)


def test_evaluations_synchronise_their_normaliser_beside_a_clip() -> None:
    env, other = (VecNormalize(make_vec_env("Pendulum-v1", 2, seed=k)) for k in range(2))
    model = sb3_ac_ext.PPO("MlpPolicy", env, n_steps=64, reward_clip=0.1, seed=0)
    model.learn(256, callback=EvalCallback(other, eval_freq=64, n_eval_episodes=1, verbose=0))
    assert other.obs_rms.count > 100


def test_hindsight_rewards_cannot_be_clipped() -> None:
    with pytest.raises(ValueError, match="hindsight computes"):
        made("SAC", "dict", reward_clip=1.0, replay_buffer_class=HerReplayBuffer)


def test_the_monitor_knows_what_was_paid_before_the_clip() -> None:
    watch = DiagnosticsCallback(verbose=0, canary_freq=300, canary_share=1.0)
    env = make_vec_env("Pendulum-v1", 4, seed=0)
    model = sb3_ac_ext.PPO("MlpPolicy", env, n_steps=100, reward_clip=0.01, seed=0)
    model.learn(2_000, callback=watch)
    scale = watch.history.series("parity/reward_scale").values
    assert len(scale) and (scale > 0.3).all() and (scale < 3.0).all()
    assert not watch.verdict.findings, [finding.message for finding in watch.verdict.findings]


@pytest.mark.parametrize("name", ALL)
def test_values_begin_near_zero(name: str, tmp_path: Path) -> None:
    usual, small = made(name), made(name, critic_head_scale=0.01)
    assert equal(actor(usual), actor(small))
    heads = [p for p in critic(small) if p.shape[:1] == (1,)]
    usual_heads = [p for p in critic(usual) if p.shape[:1] == (1,)]
    for head, before in zip(heads, usual_heads, strict=True):
        assert th.equal(head, before * 0.01 if head.ndim == 2 else th.zeros(1))
    if name in ("SAC", "TD3"):
        for one, target in zip(
            small.critic.parameters(), small.critic_target.parameters(), strict=True
        ):
            assert th.equal(one, target)
    small.learn(100)
    small.save(tmp_path / "model")
    loaded = getattr(sb3_ac_ext, name).load(tmp_path / "model")
    assert th.equal(weights(loaded), weights(small))


@pytest.mark.parametrize("name", ["PPO", "A2C"])
def test_log_std_stays_within_bounds(name: str) -> None:
    free = learnt(name, ent_coef=1.0, learning_rate=0.1)
    held = learnt(name, ent_coef=1.0, learning_rate=0.1, log_std_bounds=(-0.5, 0.05))
    assert float(free.policy.log_std.max()) > 0.05
    assert 0.0 < float(held.policy.log_std.max()) <= 0.05 + 1e-7
    first = made(name, log_std_bounds=(0.5, 1.0))
    assert float(first.policy.log_std.min()) == 0.5
    wide = learnt(name, log_std_bounds=(-9.0, 9.0))
    assert th.equal(weights(wide), weights(learnt(name)))


def test_log_std_of_sac_stays_within_bounds(tmp_path: Path) -> None:
    model = learnt("SAC", log_std_bounds=(-1.0, -0.9))
    obs = th.as_tensor(model.env.reset(), dtype=th.float32)

    def spread(model: Any) -> th.Tensor:
        with th.no_grad():
            log_std: th.Tensor = model.actor.get_action_dist_params(obs)[1]
        return log_std

    assert spread(model).min() >= -1.0 and spread(model).max() <= -0.9
    model.save(tmp_path / "model")
    assert th.equal(spread(sb3_ac_ext.SAC.load(tmp_path / "model")), spread(model))
    assert spread(stable_baselines3.SAC.load(tmp_path / "model")).shape == spread(model).shape
    assert th.equal(weights(learnt("SAC", log_std_bounds=(-20, 2))), weights(learnt("SAC")))


@pytest.mark.parametrize("name", ["TD3", "DDPG", "SAC"])
def test_hard_updates_every_few_steps(name: str) -> None:
    settings = {"tau": 1.0, "train_freq": 1, "gradient_steps": 1}
    model = made(name, target_update_interval=10, **settings)
    copies = []

    def note(*_: Any) -> bool:
        same = equal(critic(model), [p.detach() for p in model.critic_target.parameters()])
        copies.append((model._n_updates, same))
        return True

    model.learn(100, callback=note)
    updated = [(n, same) for n, same in copies if n]
    if name == "SAC":  # whose interval counts the gradient steps of one call, as SB3's does
        assert all(same for _, same in updated)
    else:
        assert all(same is (n % 10 == 0) for n, same in updated) and len(updated) > 20


def test_the_usual_interval_is_that_of_the_actor() -> None:
    usual = learnt("TD3")
    assert th.equal(weights(usual), weights(learnt("TD3", target_update_interval=2)))
    assert not th.equal(weights(usual), weights(learnt("TD3", target_update_interval=3)))


@pytest.mark.parametrize("name", ["SAC", "TD3"])
def test_an_ensemble_and_its_subset(name: str) -> None:
    five = {**SMALL, "n_critics": 5}
    model = made(name, critic_subset=2, policy_kwargs=dict(five))
    values = [th.full((3, 1), float(k)) for k in range(5)]
    drawn = {float(model.least_of(values)[0, 0]) for _ in range(200)}
    assert drawn == {0.0, 1.0, 2.0, 3.0}, "the least of two of five"
    model.learn(100)
    everything = learnt(name, policy_kwargs=dict(five))
    assert not th.equal(weights(model), weights(everything))


@pytest.mark.parametrize("name", ["PPO", "A2C", "SAC", "TD3", "DQN"])
@pytest.mark.parametrize("activation", [LayerNormReLU, LayerNormTanh])
def test_hidden_layers_are_normalised(name: str, activation: Any, tmp_path: Path) -> None:
    model = learnt(name, policy_kwargs={**SMALL, "activation_fn": activation})
    model.save(tmp_path / "model")
    loaded = getattr(stable_baselines3, name).load(tmp_path / "model")
    assert th.equal(weights(loaded), weights(model))
    row = th.tensor([[0.0, 0.0, 3.0, 3.0]])  # mean 1.5, deviation 1.5
    plain = {LayerNormReLU: th.relu, LayerNormTanh: th.tanh}[activation]
    expected = plain(th.tensor([[-1.0, -1.0, 1.0, 1.0]]))
    assert th.allclose(activation()(row), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("observation", "name"), [("image", "PPO"), ("dict", "SAC"), ("box", "A2C")]
)
def test_features_are_normalised(observation: str, name: str) -> None:
    kwargs = {**SMALL, "features_extractor_class": LayerNormExtractor}
    model = made(name, observation, policy_kwargs=kwargs)
    encoder = model.policy.actor.features_extractor if name == "SAC" else None
    encoder = encoder or model.policy.features_extractor
    assert isinstance(encoder, LayerNormExtractor)
    seen: list[th.Tensor] = []
    encoder.register_forward_hook(lambda module, inputs, output: seen.append(output.detach()))
    model.learn(64)
    assert seen[0].mean(dim=1).abs().max() < 1e-4
    assert any(name.endswith("norm.weight") for name, _ in model.policy.named_parameters())


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("PPO", {"reward_clip": 0.0}, "reward_clip=0.0 is not accepted"),
        ("SAC", {"critic_head_scale": 2.0}, "critic_head_scale=2.0 is not accepted"),
        ("PPO", {"log_std_bounds": (1.0, 0.0)}, r"log_std_bounds=\(1.0, 0.0\) is not accepted"),
        ("PPO", {"log_std_bounds": (-1.0, 0.0), "use_sde": True}, "without gSDE"),
        ("PPO", {"log_std_bounds": "low"}, "log_std_bounds='low' is not accepted"),
        ("SAC", {"log_std_bounds": (-5.0, 3.0)}, "SAC keeps within"),
        ("SAC", {"log_std_bounds": (-5.0, 0.0), "use_sde": True}, "none are for use_sde=True"),
        ("TD3", {"target_update_interval": 0}, "target_update_interval=0 is not accepted"),
        ("SAC", {"critic_subset": 3}, "critic_subset=3 is not accepted: give 1 to 2"),
    ],
)
def test_nonsense_is_refused(name: str, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        made(name, **settings)


def test_a_categorical_policy_has_no_log_std() -> None:
    with pytest.raises(ValueError, match="is for Gaussian policies"):
        sb3_ac_ext.PPO("MlpPolicy", "CartPole-v1", log_std_bounds=(-1.0, 0.0), **BASE["PPO"])
