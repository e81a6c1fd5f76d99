"""The registry, and what it refuses."""

from __future__ import annotations

import dataclasses
from typing import Any

import gymnasium as gym
import pytest
from stable_baselines3 import A2C, DQN
from stable_baselines3.common.vec_env import VecEnvWrapper, VecNormalize

from sb3_ac_ext import faults
from sb3_ac_ext.faults import NEEDS, Kind
from sb3_ac_ext.faults.base import EVERY
from sb3_ac_ext.monitoring.causes import CAUSES

from .training import build, task, task_kind, vec_env

ALL = [faults.get(name) for name in faults.names()]


def test_there_are_many_and_every_algorithm_has_some() -> None:
    assert len(ALL) >= 150
    assert sum(fault.kind is not Kind.BENIGN for fault in ALL) >= 130
    assert all(len(faults.names(algo)) >= 60 for algo in EVERY)
    assert set(faults.names("sac")) < set(faults.names())


@pytest.mark.parametrize("fault", ALL, ids=lambda fault: fault.name)
def test_the_description_is_complete(fault: Any) -> None:
    assert fault.cause in CAUSES or (fault.cause == "" and fault.kind is Kind.BENIGN)
    assert fault.summary
    assert not fault.summary.endswith(".")
    assert fault.seams
    assert set(fault.algos) <= set(EVERY)
    assert set(fault.needs) <= set(NEEDS)
    assert fault.actions in ("any", "continuous", "discrete")
    assert bool(fault.unit) or fault.severity == 1.0


def test_every_cause_that_is_no_mere_outcome_is_injected() -> None:
    outcomes = {"hard_task", "policy_collapse", "critic_not_learning", "no_learning_signal"}
    outcomes |= {"deterministic_mode_collapse", "exploration_masks_policy"}
    outcomes |= {"worker_restarts"}  # only processes can be killed, and faults live in this one
    assert {fault.cause for fault in ALL} - {""} == set(CAUSES) - outcomes


def test_an_unknown_name_is_met_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=rf"'reward_sgn', did you mean .* {len(ALL)}"):
        faults.get("reward_sgn")
    with pytest.raises(ValueError, match="'dqn'"):
        faults.names("dqn")


def test_a_name_is_registered_once() -> None:
    with pytest.raises(ValueError, match="already registered"):
        faults.register(faults.get("reward_sign"))
    with pytest.raises(ValueError, match="unknown cause"):
        faults.register(dataclasses.replace(faults.get("reward_sign"), name="x", cause="magic"))


def test_a_fault_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = dataclasses.replace(faults.get("reward_sign"), name="mine")
    monkeypatch.setattr("sb3_ac_ext.faults.catalogue._FAULTS", {})
    faults.register(mine)
    assert faults.names() == ("mine",)
    assert faults.get("mine") is mine


@pytest.mark.parametrize(
    ("name", "algo", "continuous", "n_envs", "lacks", "applies"),
    [
        ("reward_sign", "ppo", False, 1, (), True),
        ("reward_sign", "ddpg", True, 1, (), True),
        ("worker_reward_scale", "ppo", False, 4, (), True),
        ("worker_reward_scale", "ppo", False, 3, (), False),
        ("stored_clipped_action", "ppo", True, 1, (), True),
        ("stored_clipped_action", "ppo", False, 1, (), False),
        ("stored_clipped_action", "sac", True, 1, (), False),
        ("policy_delay_huge", "td3", True, 1, (), True),
        ("policy_delay_huge", "ddpg", True, 1, (), False),
        ("reward_scale_large", "ppo", True, 1, ("raw_rewards",), False),
        ("reward_scale_large", "ppo", True, 1, ("raw_observations",), True),
        ("never_terminates", "ppo", True, 1, ("terminations",), False),
    ],
)
def test_where_a_fault_applies(
    name: str, algo: str, continuous: bool, n_envs: int, lacks: Any, applies: bool
) -> None:
    assert faults.get(name).applies(algo, continuous, n_envs, lacks) is applies


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("reward_sign", r"use faults\.wrap\(name, env\)"),
        ("gamma_low", r"use faults\.edit"),
        ("replay_done_always", "applies to sac, td3, ddpg, not to a2c"),
        ("stored_clipped_action", "needs continuous actions"),
        ("no_such_fault", "unknown fault"),
    ],
)
def test_a_model_is_refused_with_the_reason(name: str, message: str) -> None:
    model = A2C("MlpPolicy", task(False), device="cpu")
    with pytest.raises(ValueError, match=message), faults.inject(name, model):
        pass


def test_an_algorithm_that_no_fault_knows_is_refused() -> None:
    model = DQN("MlpPolicy", task(False), buffer_size=10, device="cpu")
    with pytest.raises(ValueError, match="not to DQN"), faults.inject("frozen_policy", model):
        pass


def test_an_environment_is_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match="needs continuous actions"):
        faults.wrap("action_scaled", task(False))
    with pytest.raises(ValueError, match=r"use faults\.inject"):
        faults.wrap("frozen_policy", vec_env(False))
    with pytest.raises(ValueError, match=r"use faults\.wrap\(name, vec_env\)"):
        faults.wrap("worker_actions_misrouted", task(False))
    with pytest.raises(ValueError, match=r"use faults\.wrap"):
        faults.edit("reward_sign", {})


def test_a_vec_env_is_wrapped_below_monitor_and_keeps_its_layers() -> None:
    env = VecNormalize(vec_env(False), norm_reward=False)
    assert faults.wrap("reward_constant", env, severity=2.5) is env
    env.reset()
    for _ in range(12):
        _, rewards, _, infos = env.step([1] * 4)
        assert (rewards == 2.5).all()
    ended = [info["episode"] for info in infos if "episode" in info]
    assert all(episode["r"] == pytest.approx(2.5 * episode["l"]) for episode in ended)
    assert not isinstance(env.venv, VecEnvWrapper)


def test_workers_in_other_processes_are_refused() -> None:
    class Remote(VecEnvWrapper):
        unwrapped = property(lambda self: self)
        reset = step_wait = None  # type: ignore[assignment]

    Remote.__abstractmethods__ = frozenset()
    with pytest.raises(ValueError, match="out of reach"):
        faults.wrap("reward_sign", Remote(vec_env(False)))


@pytest.mark.parametrize("name", [f.name for f in ALL if "kwargs" in f.seams])
def test_given_arguments_stay_as_they_are(name: str) -> None:
    given: dict[str, Any] = {"gamma": 0.9, "policy_kwargs": {"activation_fn": "kept"}}
    edited = faults.edit(name, given)
    assert given == {"gamma": 0.9, "policy_kwargs": {"activation_fn": "kept"}}
    assert edited != given
    assert edited["policy_kwargs"]["activation_fn"] == "kept"


@pytest.mark.parametrize(
    ("name", "given", "severity", "key", "expected"),
    [
        ("learning_rate_high", {}, None, "learning_rate", 0.03),
        ("learning_rate_high", {}, 0.5, "learning_rate", 0.5),
        ("batch_tiny", {"batch_size": 64}, None, "batch_size", 2),
        ("gamma_slightly_higher", {}, None, "gamma", 0.995),
        ("gamma_slightly_lower", {"gamma": 0.9}, None, "gamma", 0.8),
        ("other_seed", {"seed": 3}, None, "seed", 1003),
    ],
)
def test_arguments(name: str, given: Any, severity: Any, key: str, expected: Any) -> None:
    value = faults.edit(name, given, severity)[key]
    assert value == pytest.approx(expected)
    assert type(value) is type(expected)


def test_policy_arguments_are_added_to_the_given_ones() -> None:
    edited = faults.edit("net_arch_larger", {"policy_kwargs": {"share": True}}, 16)
    assert edited["policy_kwargs"] == {"share": True, "net_arch": [16, 16]}


def test_the_table_has_a_row_for_each() -> None:
    lines = faults.table().splitlines()
    assert len(lines) == len(ALL) + 2
    assert all(line.count("|") == lines[0].count("|") for line in lines)
    assert any(
        "| reward_scale_large | rewards | reward_scale | harmful |" in line for line in lines
    )


def test_the_root_of_the_package_does_not_import_faults() -> None:
    import subprocess
    import sys

    code = "import sb3_ac_ext, sys; print([m for m in ('gymnasium', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.filterwarnings("ignore:You have specified a mini-batch size")
def test_every_setting_is_accepted_by_its_algorithms() -> None:
    for fault in ALL:
        for algo in fault.algos if "kwargs" in fault.seams else ():
            build(algo, vec_env(task_kind(fault, algo)), faults.Injection(fault))


def test_a_plain_environment_can_be_wrapped_and_checked() -> None:
    env = faults.wrap("reward_sign", gym.make("CartPole-v1"))
    env.reset(seed=0)
    assert env.step(0)[1] == -1.0
