"""Sound environments are left alone; each defect of tests/doctor/broken.py is named."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import NormalizeObservation, TimeLimit
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecFrameStack, VecNormalize

from sb3_ac_ext.config import load_config
from sb3_ac_ext.doctor import Status, actions, episodes, examine, rewards, stacks
from sb3_ac_ext.doctor.budget import buffer_size, horizon, learning_starts, minibatches, rollouts
from sb3_ac_ext.doctor.deadline import Deadline, OutOfTime, enforced
from sb3_ac_ext.doctor.exploration import Episode, Experience
from sb3_ac_ext.doctor.layout import Layout
from tests.doctor import broken

GRAVE = (Status.FAIL, Status.WARNING)
HEALTHY = ("CartPole-v1", "Pendulum-v1", "MountainCarContinuous-v0", "Acrobot-v1", "LunarLander-v3")
# environment, check, status, words of the message
BROKEN = [
    ("Stale", "stale observations", "fail", "returns the observation of the reset"),
    ("SameArray", "shared observations", "fail", "changed at the next step"),
    ("OldState", "reset begins anew", "fail", "last observation of the episode before"),
    ("OneSeed", "worker seeds", "fail", "1 different start among 4 workers"),
    ("GlobalSeed", "determinism", "warning", "global generators"),
    ("LimitTerminates", "time limit", "warning", "terminated after exactly 30 steps"),
    ("EarlyTruncates", "early ends", "warning", "flagged truncated"),
    ("Endless", "episodes end", "warning", "no episode ended in 4,000 steps"),
    ("AtOnce", "episodes end", "warning", "no second step was ever taken"),
    ("ConstantReward", "reward varies", "warning", "pays 1, whatever the agent does"),
    ("NoReward", "reward varies", "warning", "pays 0"),
    ("NanReward", "finite rewards", "fail", "are not finite"),
    ("RareReward", "reward outliers", "warning", "times as far out"),
    ("HugeReward", "reward scale", "warning", "discounted returns up to"),
    ("NanObservation", "finite observations", "fail", "observation[1]"),
    ("Unscaled", "observation scale", "warning", "scales differ"),
    ("Blind", "constant dimensions", "fail", "2 of 2 never change"),
    ("Deaf", "actions matter", "fail", "neither observation nor reward depends on the action"),
    ("Clipping", "action bounds used", "warning", "dimension 1 of the action changes nothing"),
    ("Raises", "random policy", "fail", "RuntimeError: the simulator exploded"),
]


def found(examination, name):
    return next(check for check in examination.checks if check.name == name)


@pytest.mark.parametrize("env_id", HEALTHY)
def test_sound_environments_raise_neither_failure_nor_warning(env_id):
    if env_id.startswith("LunarLander"):
        pytest.importorskip("Box2D")
    examination = examine(env_id)
    assert [check for check in examination.checks if check.status in GRAVE] == []
    assert examination.status is Status.OK and examination.seconds < 60


def test_our_sound_environment_passes_with_and_without_a_configuration():
    for algo in (None, "sac"):
        examination = examine("DoctorDrifting-v0", algo)
        assert [check for check in examination.checks if check.status in GRAVE] == []


@pytest.mark.parametrize(("env", "name", "status", "words"), BROKEN, ids=[b[0] for b in BROKEN])
def test_each_defect_is_named(env, name, status, words):
    examination = examine(f"Doctor{env}-v0")
    check = found(examination, name)
    assert check.status.value == status, check
    assert words in check.message and check.remedy
    assert examination.status.value == status or examination.status is Status.FAIL


def test_every_broken_environment_is_tried():
    assert {"Drifting", "Hangs", *(row[0] for row in BROKEN)} == set(broken.NAMES)


def test_a_step_that_hangs_is_a_failure(monkeypatch):
    from sb3_ac_ext.doctor import environment

    monkeypatch.setattr(environment, "_SECONDS", 0.5)
    monkeypatch.setattr(environment, "_GRACE", 0.5)
    examination = examine("DoctorHangs-v0", timeout=10)
    assert found(examination, "random policy").status is Status.FAIL
    assert examination.seconds < 5


def test_a_limit_masked_as_termination_is_seen_without_reaching_it(tmp_path):
    conf = tmp_path / "ppo.yml"
    conf.write_text(
        "CartPole-v1:\n  n_timesteps: 10000\n  policy: MlpPolicy\n"
        "  env_wrapper: tests.doctor.broken.MaskedLimit\n"
    )
    check = found(examine("CartPole-v1", "ppo", conf_file=str(conf)), "time limit")
    assert check.status is Status.FAIL and "a limit shortened to 5" in check.message


def test_what_does_not_fit_into_the_time_is_skipped():
    examination = examine("CartPole-v1", timeout=1e-3)
    assert examination.status is Status.SKIPPED
    assert {check.message for check in examination.checks} >= {"the time is up"}


def test_enforced_interrupts_and_restores():
    with pytest.raises(OutOfTime), enforced(Deadline(0.05)):
        while True:
            pass
    with enforced(Deadline(0.05)):
        pass


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({}, "nothing to examine"),
        ({"env_id": "CartPole-v1", "conf_file": "x.yml"}, "name --env and --algo"),
        ({"algo": "ppo", "env_kwargs": {"a": 1}}, "name --env"),
        ({"env_id": "CartPole-v1", "timeout": 0}, "timeout=0"),
        ({"env_id": "CartPole-v1", "timeout": float("nan")}, "timeout=nan"),
        ({"env_id": "CartPole-v1", "seed": -1}, "seed=-1"),
        ({"env_id": "CartPol-v1"}, "did you mean 'CartPole-v1'"),
        ({"algo": "pppo"}, "did you mean 'ppo'"),
        ({"env_id": "CartPole-v1", "env_kwargs": {"gravity": 1}}, "refuses its arguments"),
    ],
)
def test_bad_input_is_one_sentence(kwargs, words):
    with pytest.raises(ValueError, match=words):
        examine(**kwargs)


def settings(algo="ppo", env="CartPole-v1", **overrides):
    return load_config(algo, env, None, {"policy": "MlpPolicy", **overrides})


@pytest.mark.parametrize(
    ("check", "config", "status"),
    [
        (learning_starts, settings("dqn", learning_starts=100, n_timesteps=1000), "ok"),
        (learning_starts, settings("dqn", learning_starts=600, n_timesteps=1000), "warning"),
        (learning_starts, settings("dqn", learning_starts=1000, n_timesteps=1000), "fail"),
        (buffer_size, settings("dqn", buffer_size=10**5, batch_size=64), "ok"),
        (buffer_size, settings("dqn", buffer_size=100, batch_size=64), "warning"),
        (buffer_size, settings("dqn", buffer_size=32, batch_size=64), "fail"),
        (rollouts, settings(n_steps=128, n_envs=8, n_timesteps=10**5), "ok"),
        (rollouts, settings(n_steps=2048, n_envs=8, n_timesteps=10**5), "warning"),
        (minibatches, settings(n_steps=128, n_envs=8, batch_size=256), "ok"),
        (minibatches, settings(n_steps=128, n_envs=8, batch_size=300), "warning"),
        (minibatches, settings(n_steps=8, n_envs=1, batch_size=256), "note"),
        (minibatches, settings("a2c"), "ok"),
    ],
)
def test_settings_against_the_budget(check, config, status):
    assert check(config).status.value == status


def lived(*specs, terminated=True, truncated=False):
    """An experience of episodes, each given by its rewards."""
    layout = Layout(gym.spaces.Box(-1, 1, (1,), np.float32))
    return Experience(
        layout,
        tuple(
            Episode(
                observations=np.zeros((len(paid) + 1, 1)),
                rewards=np.array(paid, float),
                terminated=terminated,
                truncated=truncated,
                overwritten=0,
                reset_overwrote=False,
                reset_seconds=0.0,
                step_seconds=np.zeros(len(paid)),
            )
            for paid in specs
        ),
    )


@pytest.mark.parametrize(
    ("gamma", "length", "status"),
    [(0.99, 200, "ok"), (0.9, 500, "note"), (0.5, 500, "warning"), (1.0, 20, "note")],
)
def test_horizon_against_episodes(gamma, length, status):
    experience = lived(*[[1.0] * length] * 3)
    assert horizon(settings(gamma=gamma), experience, None).status.value == status


def test_gamma_one_without_an_end_is_a_failure():
    experience = lived([1.0] * 50, terminated=False)
    assert horizon(settings(gamma=1.0), experience, None).status is Status.FAIL


def test_ends_at_the_limit():
    at_limit = [[1.0] * 10] * 3
    flagged = episodes.limit_flag(lived(*at_limit), 10, ())
    right = episodes.limit_flag(lived(*at_limit, terminated=False, truncated=True), 10, ())
    assert (flagged.status, right.status) == (Status.FAIL, Status.OK)
    assert episodes.limit_flag(lived([1.0] * 4), 10, ()).status is Status.SKIPPED
    assert episodes.ends(lived([1.0] * 11), 10).status is Status.FAIL


def test_another_time_limit_is_no_early_end():
    experience = lived(*[[1.0] * 5] * 4, terminated=False, truncated=True)
    assert episodes.early_flag(experience, 10).status is Status.OK


@pytest.mark.parametrize(
    ("paid", "terminated", "status"),
    [
        ([[1.0] * 9, [1.0] * 5], True, "ok"),
        ([[-1.0] * 9] * 3, False, "note"),
        ([[1.0] * 9] * 3, False, "warning"),
        ([[0.0] * 9] * 3, True, "warning"),
        ([[0.0, 1.0]], True, "ok"),
    ],
)
def test_a_reward_that_never_varies(paid, terminated, status):
    assert rewards.constant(lived(*paid, terminated=terminated)).status.value == status


def test_an_outcome_at_the_end_is_no_outlier():
    usual = [0.1, 0.2, 0.3] * 30
    assert rewards.outliers(lived([*usual, 100.0])).status is Status.OK
    assert rewards.outliers(lived([*usual, 100.0, *usual * 2])).status is Status.WARNING


@pytest.mark.parametrize(
    ("low", "high", "rescaled", "status"),
    [
        (-1, 1, False, "ok"),
        (-0.01, 0.01, False, "warning"),
        (-0.01, 0.01, None, "note"),
        (-0.01, 0.01, True, "ok"),
        (-1000, 1000, False, "warning"),
        (-np.inf, np.inf, True, "warning"),
    ],
)
def test_action_bounds(low, high, rescaled, status):
    space = gym.spaces.Box(low, high, (2,), np.float32)
    assert actions.bounds(space, rescaled).status.value == status


def made(*wrappers, **normalizer):
    env = make_vec_env("Pendulum-v1", n_envs=2, seed=0)
    if wrappers:
        env = make_vec_env("Pendulum-v1", 2, seed=0, wrapper_class=wrappers[0])
    return VecNormalize(env, **normalizer) if normalizer else env


def test_normalisers():
    twice = made(NormalizeObservation, gamma=0.9)
    assert stacks.normalized_once(twice).status is Status.WARNING
    assert stacks.normalized_once(made(gamma=0.9)).status is Status.OK
    assert stacks.normalizer_gamma(made(gamma=0.9), 0.99).status is Status.WARNING
    assert stacks.normalizer_gamma(made(gamma=0.99), 0.99).status is Status.OK
    assert stacks.normalizer_gamma(made(gamma=0.9, norm_reward=False), 0.99).status is Status.OK


def test_the_evaluation_normaliser_is_frozen_and_synchronised():
    frozen = {"training": False, "norm_reward": False}
    check = stacks.evaluation_normalizer
    assert check(made(gamma=0.9), made(**frozen)).status is Status.OK
    assert "training=True" in check(made(gamma=0.9), made(gamma=0.9)).message
    assert "norm_reward=True" in check(made(gamma=0.9), made(training=False)).message
    assert check(made(gamma=0.9), made()).status is Status.FAIL
    assert check(made(gamma=0.9), made(NormalizeObservation)).status is Status.WARNING


def test_evaluation_is_wrapped_like_training():
    env = made()
    assert stacks.parity(env, made()).status is Status.OK
    assert "observation_space" in stacks.parity(VecFrameStack(env, 2), made()).message
    other = made(lambda inner: TimeLimit(inner, 50))
    assert stacks.parity(env, other).status is Status.FAIL
    longer = made(lambda inner: TimeLimit(inner, 60))
    check = stacks.parity(other, longer)
    assert check.status is Status.NOTE and "60" in check.message


def test_large_observations_are_thinned_and_stay_different():
    layout = Layout(gym.spaces.Box(0, 255, (84, 84, 4), np.uint8))
    image = np.zeros((84, 84, 4), np.uint8)
    other = image.copy()
    other[0, 0, 1] = 1
    assert len(layout.vector(image)) == 1025 and not layout.measured.any()
    assert not np.array_equal(layout.vector(image), layout.vector(other))


def test_names_of_parts():
    inner = gym.spaces.Dict({"x": gym.spaces.Box(-1, 1, (2,)), "n": gym.spaces.Discrete(3)})
    layout = Layout(gym.spaces.Dict({"robot": inner}))
    assert layout.names == ("robot.n", "robot.x[0]", "robot.x[1]")
    assert layout.measured.tolist() == [False, True, True]
    assert layout.vector({"robot": {"x": np.ones(2), "n": 2}}).tolist() == [2.0, 1.0, 1.0]
