"""Every argument that SB3 does not have changes what it says, and only that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch as th
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.utils import ConstantSchedule

import sb3_ac_ext
from sb3_ac_ext.algorithms import losses
from sb3_ac_ext.cli import main
from sb3_ac_ext.config.constructor import parse_constructor
from sb3_ac_ext.schedules import KLAdaptiveSchedule
from tests.algorithms.environments import POLICIES, Random

PPO: dict[str, Any] = {"n_steps": 16, "batch_size": 8, "n_epochs": 2}
OFF: dict[str, Any] = {"learning_starts": 20, "batch_size": 16, "buffer_size": 200}
BASE: dict[str, dict[str, Any]] = {"PPO": PPO, "A2C": {}, "SAC": OFF, "TD3": OFF, "DDPG": OFF}
SMALL: dict[str, Any] = {"net_arch": [16]}


def made(name: str, observation: str = "box", **settings: Any) -> Any:
    action = "discrete" if name == "DQN" else "box"
    env = make_vec_env(Random, 2, seed=3, env_kwargs={"observation": observation, "action": action})
    settings = {"policy_kwargs": dict(SMALL), "exact": True, **BASE.get(name, OFF), **settings}
    policy = POLICIES.get(observation, "MultiInputPolicy")
    return getattr(sb3_ac_ext, name)(policy, env, seed=1, device="cpu", **settings)


def learnt(name: str, steps: int = 100, **settings: Any) -> Any:
    return made(name, **settings).learn(steps)


def weights(model: Any) -> th.Tensor:
    return th.cat([p.detach().reshape(-1) for p in model.policy.parameters()])


def critic(model: Any) -> list[th.Tensor]:
    if hasattr(model, "critic"):
        return [p.detach().clone() for p in model.critic.parameters()]
    nets = (model.policy.mlp_extractor.value_net, model.policy.value_net)
    return [p.detach().clone() for net in nets for p in net.parameters()]


def actor(model: Any) -> list[th.Tensor]:
    if hasattr(model, "actor"):
        return [p.detach().clone() for p in model.actor.parameters()]
    nets = (model.policy.mlp_extractor.policy_net, model.policy.action_net)
    return [p.detach().clone() for net in nets for p in net.parameters()]


def equal(some: list[th.Tensor], others: list[th.Tensor]) -> bool:
    return all(th.equal(a, b) for a, b in zip(some, others, strict=True))


SCHEDULED = [
    ("PPO", "ent_coef", 0.1),
    ("PPO", "vf_coef", 0.3),
    ("A2C", "ent_coef", 0.1),
    ("A2C", "vf_coef", 0.3),
    ("SAC", "ent_coef", 0.2),
    ("SAC", "tau", 0.05),
    ("TD3", "tau", 0.05),
    ("DDPG", "tau", 0.05),
    ("DQN", "tau", 0.5),
]


@pytest.mark.parametrize(("name", "argument", "value"), SCHEDULED)
def test_a_constant_schedule_is_the_number(name: str, argument: str, value: float) -> None:
    number = learnt(name, **{argument: value})
    scheduled = learnt(name, **{argument: ConstantSchedule(value)})
    assert th.equal(weights(number), weights(scheduled))


@pytest.mark.parametrize(("name", "argument", "value"), SCHEDULED)
def test_a_falling_schedule_is_followed_and_logged(name: str, argument: str, value: float) -> None:
    model = made(name, **{argument: f"lin_{value}"})
    assert getattr(model, argument) == value
    model.learn(100)
    last = value * max(model._current_progress_remaining, 0.0)
    assert getattr(model, argument) <= 0.3 * value
    assert getattr(model, argument) == pytest.approx(last, abs=0.2 * value)
    assert f"train/{argument}" in model.logger.name_to_value or name in ("DQN", "A2C")
    if argument != "tau" or name != "DQN":  # which copies its target every 10,000 steps
        assert not th.equal(weights(model), weights(learnt(name, **{argument: value})))


def test_the_temperature_of_sac_is_what_the_schedule_says() -> None:
    model = learnt("SAC", ent_coef="lin_0.2")
    assert float(model.ent_coef_tensor) == pytest.approx(model.ent_coef)
    assert learnt("SAC", ent_coef="auto_0.5").ent_coef == "auto_0.5"


@pytest.mark.parametrize("name", ["PPO", "SAC"])
def test_batches_grow(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = made(name, batch_size=lambda remaining: 4.0 + 12.0 * (1.0 - remaining))
    assert model.batch_size == 4
    sizes = []
    buffer = model.rollout_buffer if name == "PPO" else model.replay_buffer
    method = "get" if name == "PPO" else "sample"
    original = getattr(buffer, method)

    def noted(size: int, **kwargs: Any) -> Any:
        sizes.append(size)
        return original(size, **kwargs)

    monkeypatch.setattr(buffer, method, noted)
    model.learn(100)
    assert sizes == sorted(sizes) and sizes[-1] >= sizes[0] + 6


def test_schedules_of_sb3_may_be_strings() -> None:
    model = made("PPO", learning_rate="lin_0.001", clip_range="cos_0.2", clip_range_vf="lin_0.1")
    assert model.lr_schedule(0.5) == pytest.approx(0.0005)
    assert model.clip_range(0.5) == pytest.approx(0.1)
    assert model.clip_range_vf(0.5) == pytest.approx(0.05)


def test_schedules_survive_the_file(tmp_path: Path) -> None:
    learnt("SAC", tau="lin_0.05", critic_learning_rate="lin_0.01").save(tmp_path / "model")
    loaded = sb3_ac_ext.SAC.load(tmp_path / "model", env=made("SAC").get_env())
    loaded.learn(60)
    assert loaded.tau < 0.05
    assert loaded.critic.optimizer.param_groups[0]["lr"] < 0.01


@pytest.mark.parametrize("name", ["PPO", "A2C", "SAC", "TD3", "DDPG"])
def test_a_critic_may_have_its_own_rate(name: str) -> None:
    model = made(name, critic_learning_rate=0.0)
    before, moved = critic(model), actor(model)
    model.learn(100)
    assert equal(critic(model), before) and not equal(actor(model), moved)
    assert model.logger.name_to_value.get("train/critic_learning_rate", 0.0) == 0.0
    model = made(name, critic_learning_rate=0.01, learning_rate=0.0)
    before, moved = critic(model), actor(model)
    model.learn(100)
    assert not equal(critic(model), before) and equal(actor(model), moved)


@pytest.mark.parametrize("name", ["PPO", "A2C", "SAC", "TD3"])
def test_the_same_rate_for_both_changes_nothing(name: str) -> None:
    rate = {"PPO": 3e-4, "A2C": 7e-4, "SAC": 3e-4, "TD3": 1e-3}[name]
    own = learnt(name, critic_learning_rate=rate)
    assert th.allclose(weights(own), weights(learnt(name)), rtol=0.0, atol=1e-7)


def test_two_rates_survive_the_file(tmp_path: Path) -> None:
    model = learnt("PPO", critic_learning_rate=0.01)
    model.save(tmp_path / "model")
    loaded = sb3_ac_ext.PPO.load(tmp_path / "model", env=model.get_env())
    assert [len(g["params"]) for g in loaded.policy.optimizer.param_groups] == [
        len(g["params"]) for g in model.policy.optimizer.param_groups
    ]
    loaded.learn(64)
    assert [g["lr"] for g in loaded.policy.optimizer.param_groups] == [3e-4, 0.01]


def test_a_shared_encoder_has_one_rate() -> None:
    with pytest.raises(ValueError, match="'share_features_extractor': False"):
        made("PPO", observation="image", critic_learning_rate=0.01, policy_kwargs=None)
    apart = {"share_features_extractor": False, "normalize_images": True}
    model = made("PPO", observation="image", critic_learning_rate=0.01, policy_kwargs=apart)
    owned = {id(p) for p in model.policy.optimizer.param_groups[1]["params"]}
    assert {id(p) for p in model.policy.vf_features_extractor.parameters()} < owned


@pytest.mark.parametrize("name", ["SAC", "TD3", "DDPG"])
def test_gradients_are_scaled_down(name: str) -> None:
    norms: dict[str, list[float]] = {"critic": [], "actor": []}
    model = made(name, max_grad_norm=0.01)
    for net, seen in norms.items():
        optimizer = getattr(model, net).optimizer

        def note(optimizer: Any, *_: Any, seen: list[float] = seen) -> None:
            grads = [p.grad for g in optimizer.param_groups for p in g["params"]]
            seen.append(float(th.stack([grad.norm() for grad in grads]).norm()))

        optimizer.register_step_pre_hook(note)
    model.learn(60)
    for seen in norms.values():
        assert seen and max(seen) <= 0.01 * (1 + 1e-4) and max(seen) > 0.005


@pytest.mark.parametrize(
    ("most", "expected"), [(10.0, [-3.0, 1.0, 1.0, 1.0]), (1.0, [-2.0, 1.0, 1.0, 1.0])]
)
def test_advantages_within_deviations(most: float, expected: list[float]) -> None:
    advantages = th.tensor([-3.0, 1.0, 1.0, 1.0])  # mean 0, deviation 2
    found = losses.within_deviations(advantages, most)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["PPO", "A2C"])
def test_clipped_advantages_change_the_update(name: str) -> None:
    assert not th.equal(weights(learnt(name)), weights(learnt(name, advantage_clip=0.5)))
    assert th.equal(weights(learnt(name)), weights(learnt(name, advantage_clip=100.0)))


@pytest.mark.parametrize(
    ("kls", "rate"),
    [
        ([0.01, 0.015, 0.006], 1e-3),
        ([0.03], 1e-3 / 2.0),
        ([0.03, 0.03, 0.001], 1e-3 / 2.0),
        ([0.0] * 20, 4e-3),
        ([9.0] * 20, 1e-5),
    ],
)
def test_a_rate_adapts_to_kl(kls: list[float], rate: float) -> None:
    schedule = KLAdaptiveSchedule(1e-3, target_kl=0.01, factor=2.0, lowest=1e-5, highest=4e-3)
    for kl in kls:
        schedule.observe(kl)
    assert schedule(0.3) == pytest.approx(rate)


def test_updates_of_ppo_tell_their_kl(tmp_path: Path) -> None:
    shy = learnt("PPO", learning_rate=KLAdaptiveSchedule(3e-4, target_kl=1e-9))
    bold = learnt("PPO", learning_rate=KLAdaptiveSchedule(3e-4, target_kl=100.0))
    assert shy.policy.optimizer.param_groups[0]["lr"] < 3e-4 < bold.lr_schedule(1.0)
    assert bold.learning_rate.rate == pytest.approx(3e-4 * 1.5 ** (bold._n_updates // 2))
    bold.save(tmp_path / "model")
    loaded = sb3_ac_ext.PPO.load(tmp_path / "model", env=bold.get_env())
    before = loaded.lr_schedule(1.0)
    assert before == bold.learning_rate.rate
    loaded.learn(64)
    assert loaded.lr_schedule(1.0) > before
    assert isinstance(made("PPO", learning_rate="kl_0.001").learning_rate, KLAdaptiveSchedule)


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("PPO", {"learning_rate": "kl_5"}, "initial_value=5.0 is not accepted"),
        ("PPO", {"advantage_clip": 0.0}, "advantage_clip=0.0 is not accepted"),
        ("PPO", {"ent_coef": "lin_x"}, "ent_coef: 'lin_x' is not a schedule"),
        ("PPO", {"vf_coef": "quadratic_1"}, "vf_coef: 'quadratic_1' is not a schedule"),
        ("SAC", {"tau": "lin_-1"}, "must be finite and not negative"),
        ("SAC", {"max_grad_norm": -1.0}, "max_grad_norm=-1.0 is not accepted"),
        ("SAC", {"critic_learning_rate": "fast"}, "critic_learning_rate: 'fast' is not a schedule"),
        ("TD3", {"critic_learning_rate": float("nan")}, "must be finite"),
    ],
)
def test_nonsense_is_refused(name: str, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        made(name, **settings)


def test_from_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yml").write_text(
        "CartPole-v1:\n  policy: MlpPolicy\n  n_timesteps: 512\n  n_steps: 128\n"
        "  vf_coef: lin_0.5\n  critic_learning_rate: lin_1e-2\n  advantage_clip: 3.0\n"
        "  ent_coef: lin_0.01\n"
    )
    command = ["train", "--algo", "sb3_ac_ext.PPO", "--env", "CartPole-v1", "-conf", "mine.yml"]
    assert main([*command, "-f", "logs", "--num-threads", "1"]) == 0
    [file] = Path("logs").rglob("CartPole-v1.zip")
    model = sb3_ac_ext.PPO.load(file)
    assert model.vf_coef < 0.5 and model.advantage_clip == 3.0
    assert model.critic_lr_schedule(0.5) == pytest.approx(0.005)  # type: ignore[misc]


@pytest.mark.parametrize(
    "arguments", [{"target_kl": 0.0}, {"factor": 1.0}, {"lowest": 0.0}, {"highest": 1e-4}]
)
def test_an_adaptive_rate_has_bounds(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="is not accepted"):
        KLAdaptiveSchedule(1e-3, **arguments)


@pytest.mark.parametrize(
    ("setting", "value"), [("ent_coef", "auto"), ("ent_coef", 0.1), ("critic_learning_rate", None)]
)
def test_what_is_no_schedule_passes_through_yaml(setting: str, value: Any) -> None:
    entry = {"policy": "MlpPolicy", setting: value}
    assert parse_constructor(entry, sb3_ac_ext.SAC)[setting] == value
