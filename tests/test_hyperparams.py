"""Every entry of our hyperparameters builds a model that takes an update."""

import importlib.util
from pathlib import Path

import gymnasium as gym
import pytest
import torch as th
import yaml
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from sb3_ac_ext import registry
from sb3_ac_ext.config import config_path, files, load_config, read_table
from sb3_ac_ext.config.constructor import constructor_parameters
from sb3_ac_ext.environments import EnvFactory, find_env
from sb3_ac_ext.models import new_model

DISCRETE = {"CartPole-v1", "Acrobot-v1", "MountainCar-v0", "LunarLander-v3"}
CONTINUOUS = {
    "MountainCarContinuous-v0",
    "Pendulum-v1",
    "LunarLanderContinuous-v3",
    "BipedalWalker-v3",
    "HalfCheetah-v5",
    "Hopper-v5",
    "Walker2d-v5",
    "Ant-v5",
}
ON_POLICY = {"ppo", "a2c", "trpo", "ppo_lstm"}
SMALL = {
    "n_steps": 8,
    "batch_size": 8,
    "n_epochs": 1,
    "n_critic_updates": 1,
    "buffer_size": 64,
    "learning_starts": 8,
    "train_freq": 8,
    "gradient_steps": 2,
}
ENTRIES = [
    (algo, entry) for algo in registry.names() for entry in read_table(str(config_path([algo])))
]


def fitting(algo):
    if algo in ON_POLICY:
        return DISCRETE | CONTINUOUS
    return DISCRETE if algo in ("dqn", "qrdqn") else CONTINUOUS


@pytest.mark.parametrize("algo", registry.names())
def test_every_fitting_environment_has_an_entry(algo):
    assert set(read_table(str(config_path([algo])))) == fitting(algo) | {"default"}


@pytest.mark.parametrize("algo", registry.names())
def test_the_zoo_reads_the_same_values(algo):
    """Its plain YAML 1.1 reader must not find text where ours finds numbers."""
    path = config_path([algo])
    assert yaml.safe_load(path.read_text()) == read_table(str(path))


def test_files_are_found_inside_an_installed_package(tmp_path, monkeypatch):
    installed = tmp_path / "sb3_ac_ext" / "hyperparams"
    installed.mkdir(parents=True)
    (installed / "ppo.yml").write_text("")
    monkeypatch.setattr(files, "_FOLDERS", (installed, tmp_path / "hyperparams"))
    assert config_path(["own", "ppo"]) == installed / "ppo.yml"
    with pytest.raises(ValueError, match="no hyperparameters come with 'own'"):
        config_path(["own"])


def test_files_ship_with_the_package():
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    assert 'hyperparams = "sb3_ac_ext/hyperparams"' in text


def smaller(algo):
    """The entry with less of everything, so that one update is quick."""
    parameters = constructor_parameters(registry.algorithm(algo))
    # n_steps means the return's horizon off-policy
    dropped = set() if algo in ON_POLICY else {"n_steps"}
    return {key: SMALL[key] for key in SMALL if key in parameters and key not in dropped}


@pytest.mark.parametrize(("algo", "entry"), ENTRIES)
def test_every_entry_takes_an_update(algo, entry):
    config = load_config(algo, entry)  # as it stands
    assert config.entry == entry
    assert config.n_timesteps >= 20_000
    env_id = entry if entry != "default" else sorted(fitting(algo) - {"Ant-v5"})[-1]
    need_package(env_id)
    overrides = {**smaller(algo), "n_envs": min(config.environment.n_envs, 2)}
    config = load_config(algo, entry, overrides=overrides)
    env = EnvFactory(find_env(env_id), config.environment).training(seed=0)
    model = new_model(config, env, env_id, seed=0, device="cpu", verbose=0, tensorboard_log=None)
    before = [weight.clone() for weight in model.policy.parameters()]
    n_steps = 16 * env.num_envs if isinstance(model, OnPolicyAlgorithm) else 24
    model.learn(n_steps)
    assert model._n_updates > 0
    assert any(
        not th.equal(old, new) for old, new in zip(before, model.policy.parameters(), strict=True)
    )
    env.close()


def need_package(env_id):
    entry_point = str(gym.registry[env_id].entry_point)
    for part, package in (("box2d", "Box2D"), ("mujoco", "mujoco")):
        if part in entry_point and importlib.util.find_spec(package) is None:
            pytest.skip(f"{env_id} needs {package}")
