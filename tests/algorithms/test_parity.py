"""The drop-in algorithms against Stable-Baselines3: same seed, same weights, same logged values."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import stable_baselines3 as sb3
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import VecNormalize

import sb3_ac_ext
from tests.algorithms.environments import POLICIES, Random

SMALL = {"net_arch": [16, 16]}
SHARED = {"share_features_extractor": True}
PPO: dict[str, Any] = {"n_steps": 16, "batch_size": 8, "n_epochs": 3}
OFF: dict[str, Any] = {"learning_starts": 20, "batch_size": 16, "buffer_size": 500}


def noise() -> NormalActionNoise:
    return NormalActionNoise(np.zeros(2), 0.1 * np.ones(2))


ON_POLICY = [
    ("PPO", "box", "discrete", PPO),
    ("PPO", "discrete", "multi_discrete", PPO),
    ("PPO", "dict", "multi_binary", PPO),
    ("PPO", "image", "discrete", {**PPO, "n_epochs": 1}),
    ("PPO", "box", "box", {**PPO, "clip_range_vf": 0.1, "ent_coef": 0.01}),
    ("PPO", "box", "box", {**PPO, "use_sde": True, "sde_sample_freq": 4, "target_kl": 1e-3}),
    ("PPO", "box", "box", {**PPO, "normalize_advantage": False, "batch_size": 7}),
    ("A2C", "box", "discrete", {"ent_coef": 0.01}),
    ("A2C", "discrete", "multi_discrete", {"use_rms_prop": False}),
    ("A2C", "dict", "box", {"normalize_advantage": True}),
    ("A2C", "image", "discrete", {}),
    ("A2C", "box", "box", {"use_sde": True, "gae_lambda": 0.9}),
]
OFF_POLICY = [
    ("SAC", "box", OFF),
    ("SAC", "box", {**OFF, "ent_coef": 0.1, "gradient_steps": 2, "target_update_interval": 2}),
    ("SAC", "box", {**OFF, "use_sde": True, "n_steps": 3}),
    ("SAC", "dict", OFF),
    ("SAC", "image", {**OFF, "learning_starts": 30}),
    ("SAC", "image", {**OFF, "learning_starts": 30, "policy_kwargs": SHARED}),
    ("TD3", "image", {**OFF, "learning_starts": 30, "policy_kwargs": SHARED}),
    ("TD3", "box", {**OFF, "action_noise": noise(), "n_steps": 3}),
    ("TD3", "dict", {**OFF, "policy_delay": 3, "gradient_steps": 4, "train_freq": 4}),
    ("TD3", "image", {**OFF, "learning_starts": 30}),
    ("DDPG", "box", {**OFF, "action_noise": noise()}),
    ("DDPG", "dict", OFF),
    ("DQN", "box", {**OFF, "target_update_interval": 10}),
    ("DQN", "dict", {**OFF, "gradient_steps": 2, "exploration_fraction": 0.5}),
    ("DQN", "box", {**OFF, "n_steps": 3, "max_grad_norm": 0.1}),
]


def trained(
    cls: Callable[..., BaseAlgorithm],
    observation: str,
    action: str,
    steps: int,
    normalise: bool = False,
    **settings: Any,
) -> tuple[BaseAlgorithm, list[dict[str, Any]]]:
    """A model, and what each of its updates logged."""
    n_envs = 2 if action != "box" or "n_epochs" in settings else 1
    env: Any = make_vec_env(
        Random, n_envs, seed=3, env_kwargs={"observation": observation, "action": action}
    )
    if normalise:
        env = VecNormalize(env)
    policy = POLICIES.get(observation, "MultiInputPolicy")
    settings = {**settings, "policy_kwargs": {**SMALL, **settings.get("policy_kwargs", {})}}
    model = cls(policy, env, seed=1, device="cpu", **settings)
    logged: list[dict[str, Any]] = []
    train = model.train

    def noted(*args: Any, **kwargs: Any) -> None:
        train(*args, **kwargs)
        values = model.logger.name_to_value
        logged.append({k: v for k, v in values.items() if k.startswith("train/")})

    model.train = noted
    model.learn(steps)
    return model, logged


def assert_equal(ours: BaseAlgorithm, theirs: BaseAlgorithm, tolerance: float = 0.0) -> None:
    mine, other = ours.policy.state_dict(), theirs.policy.state_dict()
    assert mine.keys() == other.keys()
    for name, tensor in mine.items():
        assert th.allclose(tensor, other[name], rtol=tolerance, atol=tolerance), name


@pytest.mark.parametrize(("algo", "observation", "action", "settings"), ON_POLICY)
def test_on_policy_is_bit_identical(
    algo: str, observation: str, action: str, settings: dict[str, Any]
) -> None:
    case = (observation, action, 120)
    ours, mine = trained(getattr(sb3_ac_ext, algo), *case, exact=True, **settings)
    theirs, other = trained(getattr(sb3, algo), *case, **settings)
    assert_equal(ours, theirs)
    assert len(mine) >= 3 and mine == other


@pytest.mark.parametrize(("algo", "observation", "settings"), OFF_POLICY)
def test_off_policy_is_bit_identical(algo: str, observation: str, settings: dict[str, Any]) -> None:
    action, steps = ("discrete", 60) if algo == "DQN" else ("box", 12)
    case = (observation, action, settings["learning_starts"] + steps)
    ours, mine = trained(getattr(sb3_ac_ext, algo), *case, exact=True, **settings)
    theirs, other = trained(getattr(sb3, algo), *case, **settings)
    assert_equal(ours, theirs)
    assert len(mine) >= 3 and mine == other


@pytest.mark.parametrize(
    ("algo", "action", "settings"),
    [("PPO", "discrete", PPO), ("A2C", "box", {}), ("SAC", "box", OFF), ("TD3", "box", OFF)],
)
def test_with_a_normaliser(algo: str, action: str, settings: dict[str, Any]) -> None:
    case = ("box", action, 100 if algo in ("PPO", "A2C") else 32)
    ours, mine = trained(getattr(sb3_ac_ext, algo), *case, normalise=True, exact=True, **settings)
    theirs, other = trained(getattr(sb3, algo), *case, normalise=True, **settings)
    assert_equal(ours, theirs)
    assert len(mine) >= 3 and mine == other


@pytest.mark.parametrize(
    ("algo", "action", "settings"),
    [
        ("PPO", "discrete", PPO),
        ("PPO", "box", {**PPO, "gae_lambda": 0.8}),
        ("A2C", "discrete", {}),
        ("A2C", "box", {"normalize_advantage": True}),
    ],
)
def test_the_default_mode_differs_by_rounding_only(
    algo: str, action: str, settings: dict[str, Any]
) -> None:
    steps = 32 if algo == "PPO" else 10
    ours, mine = trained(getattr(sb3_ac_ext, algo), "box", action, steps, **settings)
    theirs, other = trained(getattr(sb3, algo), "box", action, steps, **settings)
    assert_equal(ours, theirs, 1e-5)
    assert len(mine) == len(other) >= 1
    for name, value in other[0].items():
        assert mine[0][name] == pytest.approx(value, rel=1e-5, abs=1e-6), name
    assert np.array_equal(ours.rollout_buffer.actions, theirs.rollout_buffer.actions) or (
        np.allclose(ours.rollout_buffer.actions, theirs.rollout_buffer.actions, atol=1e-5)
    )


@pytest.mark.parametrize("algo", ["PPO", "A2C", "SAC", "TD3", "DDPG", "DQN"])
def test_files_load_on_either_side(algo: str, tmp_path: Any) -> None:
    settings = {"PPO": PPO, "A2C": {}}.get(algo, OFF)
    action = "discrete" if algo == "DQN" else "box"
    ours, _ = trained(getattr(sb3_ac_ext, algo), "box", action, 40, **settings)
    ours.save(tmp_path / "ours.zip")
    there = getattr(sb3, algo).load(tmp_path / "ours.zip", env=ours.get_env())
    assert_equal(ours, there)
    there.learn(40)
    there.save(tmp_path / "theirs.zip")
    back = getattr(sb3_ac_ext, algo).load(tmp_path / "theirs.zip", env=ours.get_env())
    assert_equal(back, there)
    assert back.exact is False
    back.learn(40)
