"""Faults of VecEnvs: those of the evaluation, misrouted actions, and normalisers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from stable_baselines3.common.vec_env import VecNormalize, sync_envs_normalization

from sb3_ac_ext import faults
from sb3_ac_ext.faults import Injection, Kind

from .training import vec_env


def play(env: Any, actions: Any) -> dict[str, Any]:
    env.seed(0)
    steps = [(env.reset(), np.zeros(4), np.zeros(4, bool))]
    for action in actions:
        observation, reward, done, _ = env.step(np.full((4, 2), action, dtype=np.float32))
        steps.append((observation, reward, done))
    return {
        key: np.array([step[i] for step in steps])
        for i, key in enumerate(("obs", "reward", "done"))
    }


CLEAN = play(vec_env(True), (0.5, -1.0, 2.0))


def evaluated(name: str, severity: float | None = None, actions: Any = (0.5, -1.0, 2.0)) -> Any:
    return play(Injection(faults.get(name), severity).eval_env(vec_env(True)), actions)


def test_actions_are_reversed() -> None:
    broken = evaluated("eval_action_sign", None, (-0.5, 1.0, -2.0))
    np.testing.assert_array_equal(broken["obs"], CLEAN["obs"])


@pytest.mark.parametrize(
    ("name", "key", "change"),
    [
        ("eval_obs_scale", "obs", lambda x: 10 * x),
        ("eval_obs_reversed", "obs", lambda x: x[..., ::-1]),
        ("eval_reward_scale", "reward", lambda x: 0.1 * x),
    ],
)
def test_what_the_evaluation_gives(name: str, key: str, change: Any) -> None:
    broken = evaluated(name)
    np.testing.assert_allclose(broken[key], change(CLEAN[key]), rtol=1e-5)
    other = {"obs": "reward", "reward": "obs"}[key]
    np.testing.assert_array_equal(broken[other], CLEAN[other])


def test_evaluations_end_early() -> None:
    assert evaluated("eval_time_limit_short", 2)["done"].all(axis=1).tolist() == [0, 0, 1, 0]


def test_the_normaliser_of_the_evaluation_trains() -> None:
    injection = Injection(faults.get("eval_normaliser_training"))
    normaliser = VecNormalize(vec_env(True), training=False, norm_reward=False)
    assert injection.eval_env(normaliser) is normaliser
    assert normaliser.training
    assert normaliser.norm_reward
    added: Any = injection.eval_env(vec_env(True))
    assert isinstance(added, VecNormalize)
    assert added.training


@pytest.mark.parametrize("name", ["eval_normalised_twice", "double_normalisation"])
def test_there_is_one_normaliser_more(name: str) -> None:
    injection = Injection(faults.get(name))
    for env in (vec_env(True), VecNormalize(vec_env(True), training=False)):
        before = _normalisers(env)
        after = _normalisers(injection.eval_env(env))
        assert after >= max(before + 1, 1)
    assert _normalisers(injection.vec_env(VecNormalize(vec_env(True)))) == (
        2 if name == "double_normalisation" else 1
    )


def _normalisers(env: Any) -> int:
    n = 0
    while hasattr(env, "venv"):
        n += isinstance(env, VecNormalize)
        env = env.venv
    return n


@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize(
    "name",
    [
        name
        for name in faults.names()
        if {"env", "vec_env", "eval_env"} & set(faults.get(name).seams)
    ],
)
def test_evaluation_callbacks_can_still_synchronise(name: str, normalised: bool) -> None:
    injection = Injection(faults.get(name))
    train_env, eval_env = vec_env(True, None), vec_env(True)
    if normalised:
        train_env = VecNormalize(train_env)
        eval_env = VecNormalize(eval_env, training=False, norm_reward=False)
    train_env, eval_env = injection.vec_env(train_env), injection.eval_env(eval_env)
    sync_envs_normalization(train_env, eval_env)


def test_actions_reach_the_next_worker() -> None:
    env = vec_env(True)
    assert faults.wrap("worker_actions_misrouted", env) is env
    received: list[Any] = []
    for worker in env.envs:  # type: ignore[attr-defined]
        worker.env = _Listening(worker.env, received)
    env.reset()
    env.step(np.array([[0.0, 0], [0.1, 0], [0.2, 0], [0.3, 0]], np.float32))
    assert received == pytest.approx([0.3, 0.0, 0.1, 0.2])


def _Listening(env: Any, received: list[Any]) -> Any:
    step = env.step
    env.step = lambda action: (received.append(float(action[0])), step(action))[1]
    return env


@pytest.mark.parametrize("name", faults.names("ppo"))
def test_where_a_fault_does_not_act_nothing_happens(name: str) -> None:
    fault = faults.get(name)
    injection, env, kwargs = Injection(fault), vec_env(True), {"gamma": 0.9}
    if "vec_env" not in fault.seams:
        assert injection.vec_env(env) is env
    if "kwargs" not in fault.seams:
        assert injection.kwargs(kwargs) is kwargs
    if "model" not in fault.seams:
        with injection.model(None):
            pass
    if "eval_env" not in fault.seams:
        workers = list(env.envs)  # type: ignore[attr-defined]
        assert injection.eval_env(env) is env
        assert env.envs == workers  # type: ignore[attr-defined]
    if "env" not in fault.seams:
        one = vec_env(True).envs[0]  # type: ignore[attr-defined]
        assert injection.env(one, 3) is one


def test_tasks_are_changed_alike_in_training_and_evaluation() -> None:
    for name in ("action_sign_consistent", "obs_permuted_consistent", "obs_scaled_mildly"):
        fault = faults.get(name)
        assert fault.kind is Kind.BENIGN
        actions = (0.5, -1.0)
        trained = play(vec_env(True, Injection(fault)), actions)
        tested = play(Injection(fault).eval_env(vec_env(True)), actions)
        np.testing.assert_array_equal(trained["obs"], tested["obs"])
        assert not np.array_equal(trained["obs"][1:], CLEAN["obs"][1:3])
