"""A healthy update that runs again gives the recorded weights bit for bit."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
import torch as th
from sb3_contrib import TQC, RecurrentPPO
from stable_baselines3 import A2C, DDPG, DQN, PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

import sb3_ac_ext
from sb3_ac_ext.flight import read_dump, replay
from tests.flight.runs import OFF_POLICY, ON_POLICY, SMALL, DictCartPole, recorded, recorder

LATE: dict[str, Any] = {"steps": 70, **OFF_POLICY}
CASES: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "ppo": (PPO, "CartPole-v1", {**ON_POLICY, "learning_rate": lambda left: 1e-3 * left}),
    "ppo-gsde": (PPO, "Pendulum-v1", {**ON_POLICY, "use_sde": True, "clip_range_vf": 0.2}),
    "a2c": (A2C, "CartPole-v1", {}),
    "sac": (SAC, "Pendulum-v1", LATE),
    "sac-gsde": (SAC, "Pendulum-v1", {**LATE, "use_sde": True}),
    "sac-nstep": (SAC, "Pendulum-v1", {**LATE, "n_steps": 3, "ent_coef": 0.1}),
    "td3": (TD3, "Pendulum-v1", {**LATE, "train_freq": 2, "gradient_steps": 3}),
    "ddpg": (DDPG, "Pendulum-v1", LATE),
    "dqn": (DQN, "CartPole-v1", {**LATE, "train_freq": 1}),
    "tqc": (TQC, "Pendulum-v1", LATE),
    "ours-ppo": (sb3_ac_ext.PPO, "CartPole-v1", ON_POLICY),
    "ours-ppo-box": (sb3_ac_ext.PPO, "Pendulum-v1", {**ON_POLICY, "clip_range_vf": 0.2}),
    "ours-a2c": (sb3_ac_ext.A2C, "CartPole-v1", {}),
    "ours-sac": (sb3_ac_ext.SAC, "Pendulum-v1", LATE),
}


@pytest.mark.parametrize("case", CASES)
def test_every_recorded_update_is_reproduced(case: str, tmp_path: Path) -> None:
    cls, env_id, kwargs = CASES[case]
    recorded(cls, env_id, tmp_path, **kwargs)
    dump = next(tmp_path.glob("flight_*"))
    generator = th.get_rng_state()
    for index in range(3):
        result = replay(dump, index)
        assert result.reproduced is True and result.note == ""
        assert result.first is None and result.error is None
        assert bool(result.jumps) == (index > 0)
    assert result.logged["train/n_updates"] > 0 and min(result.gradient_norms.values()) > 0.0
    assert th.equal(generator, th.get_rng_state()), "a replay must not disturb other runs"


def test_lstm_states_are_part_of_the_data(tmp_path: Path) -> None:
    kwargs = {"policy_kwargs": {"net_arch": [8], "lstm_hidden_size": 8}, "n_steps": 32}
    recorded(RecurrentPPO, "CartPole-v1", tmp_path, 64, "MlpLstmPolicy", n_epochs=2, **kwargs)
    assert replay(next(tmp_path.glob("flight_*"))).reproduced is True


def test_dict_observations_and_normalised_workers(tmp_path: Path) -> None:
    env = VecNormalize(make_vec_env(DictCartPole, n_envs=2, seed=3))
    recorded(PPO, env, tmp_path, 384, "MultiInputPolicy", **ON_POLICY)
    dump = next(tmp_path.glob("flight_*"))
    assert replay(dump).reproduced is True
    assert list(read_dump(dump).updates[0].data.arrays["observations"]) == ["velocity", "angle"]


def test_replay_batches_are_those_that_were_normalised(tmp_path: Path) -> None:
    env = VecNormalize(make_vec_env("Pendulum-v1", n_envs=2, seed=3))
    recorded(SAC, env, tmp_path, **LATE)
    assert replay(next(tmp_path.glob("flight_*"))).reproduced is True


@pytest.mark.parametrize("case", ["ppo", "ppo-gsde", "a2c", "sac", "sac-gsde", "td3", "ddpg"])
def test_training_is_bit_identical_with_the_recorder_on(case: str, tmp_path: Path) -> None:
    cls, env_id, kwargs = CASES[case]
    kwargs = {name: value for name, value in kwargs.items() if name != "steps"}

    def train(watch: Any) -> BaseAlgorithm:
        env = VecNormalize(make_vec_env(env_id, n_envs=2, seed=5))
        model = cls("MlpPolicy", env, seed=5, policy_kwargs=dict(SMALL), device="cpu", **kwargs)
        return model.learn(130, callback=watch)

    watch = recorder(tmp_path)
    watched, plain = train(watch), train(None)
    assert watch.flight.seconds > 0.0, "it must have recorded for this to count"
    for name, weights in watched.policy.state_dict().items():
        assert th.equal(weights, plain.policy.state_dict()[name]), name
    assert "train" not in vars(watched)
    assert "sample" not in vars(getattr(watched, "replay_buffer", None) or watched)


def test_a_change_between_the_updates_is_not_taken_for_the_updates_own(tmp_path: Path) -> None:
    """``data`` is written to behind autograd's back, as users do who reset a network."""
    from tests.flight.runs import At, asked

    model = PPO("MlpPolicy", gym.make("CartPole-v1"), seed=0, policy_kwargs=SMALL, **ON_POLICY)
    watch = recorder(tmp_path)

    def change(model: Any) -> None:
        model.policy.value_net.bias.data += 0.5

    model.learn(200, callback=[watch, At(150, change), At(200, asked(watch))])
    dump = next(tmp_path.glob("flight_*"))
    assert replay(dump, 0).reproduced is True
    middle = replay(dump, 1)
    assert middle.reproduced is None and "were changed between" in middle.note
    assert replay(dump, 2).reproduced is True
