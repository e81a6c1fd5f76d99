"""Prioritized replay: what is drawn, how it is weighted, and what the algorithms make of it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stable_baselines3 as sb3
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import NStepReplayBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

import sb3_ac_ext
from sb3_ac_ext.buffers import (
    DictNStepReplayBuffer,
    DictPrioritizedReplayBuffer,
    PrioritizedReplayBuffer,
)
from tests.algorithms.environments import Random

BOX = spaces.Box(-10_000.0, 10_000.0, (1,), np.float32)
DICT = spaces.Dict({"a": BOX, "b": BOX})
ACTION = spaces.Box(-1.0, 1.0, (1,), np.float32)
SMALL: dict[str, Any] = {
    "learning_starts": 20,
    "batch_size": 16,
    "buffer_size": 200,
    "policy_kwargs": {"net_arch": [16]},
    "seed": 0,
    "device": "cpu",
}
ALGORITHMS = ("SAC", "TD3", "DDPG", "DQN")


def filled(n: int = 100, n_envs: int = 1, dictionary: bool = False, **kwargs: Any) -> Any:
    """Observation, reward and action tell the step and the worker; every tenth step ends."""
    cls = DictPrioritizedReplayBuffer if dictionary else PrioritizedReplayBuffer
    space = DICT if dictionary else BOX
    buffer = cls(128 * n_envs, space, ACTION, device="cpu", n_envs=n_envs, **kwargs)
    fill(buffer, n, n_envs, dictionary)
    return buffer


def fill(buffer: Any, n: int, n_envs: int = 1, dictionary: bool = False) -> None:
    for step in range(n):
        obs: Any = (100.0 * np.arange(n_envs) + step).reshape(-1, 1)
        following: Any = obs + 0.5
        if dictionary:
            obs, following = ({"a": part, "b": -part} for part in (obs, following))
        done = np.full(n_envs, step % 10 == 9)
        infos = [{"TimeLimit.truncated": step % 20 == 19} for _ in range(n_envs)]
        buffer.add(obs, following, np.zeros((n_envs, 1)), np.full(n_envs, step), done, infos)


def test_rows_are_drawn_in_proportion_and_weighted_for_it() -> None:
    buffer = filled(alpha=0.5, beta=0.4)
    errors = th.linspace(0.0, 4.0, 100)
    buffer.update_priorities(np.arange(100), errors)
    priorities = (errors.double().numpy() + buffer.epsilon) ** 0.5
    shares = priorities / priorities.sum()
    counts = np.zeros(100)
    for _ in range(200):
        batch = buffer.sample(64)
        counts += np.bincount(batch.rows, minlength=100)
        weights = (100 * shares[batch.rows]) ** -0.4
        np.testing.assert_allclose(batch.weights[:, 0], weights / weights.max(), rtol=1e-5)
    np.testing.assert_allclose(counts / counts.sum(), shares, atol=0.004)


def test_new_transitions_have_the_largest_priority_so_far() -> None:
    buffer = filled(50, alpha=1.0)
    buffer.update_priorities(np.arange(50), th.full((50,), 7.0))
    fill(buffer, 1)
    assert buffer._tree[np.array([50])] == pytest.approx(7.0, rel=1e-5)
    buffer.update_priorities(np.array([50]), th.tensor([float("nan")]))
    assert buffer._tree[np.array([50])] == pytest.approx(7.0, rel=1e-5)


def test_an_overwritten_row_is_new_again() -> None:
    buffer = filled(128, alpha=1.0)
    buffer.update_priorities(np.arange(128), th.full((128,), 0.01))
    fill(buffer, 1)
    assert buffer.full and buffer._tree[np.array([0])] == 1.0


@pytest.mark.parametrize("dictionary", [False, True])
def test_rows_belong_together_over_workers(dictionary: bool) -> None:
    batch = filled(n_envs=3, dictionary=dictionary).sample(256)
    observed = batch.observations["a"] if dictionary else batch.observations
    following = batch.next_observations["a"] if dictionary else batch.next_observations
    if dictionary:
        assert th.equal(batch.observations["b"], -observed)
    assert th.equal(following, observed + 0.5)
    worker = th.as_tensor(batch.rows % 3)[:, None]
    assert th.equal(observed, 100.0 * worker + batch.rewards) and len(worker.unique()) == 3
    over = (batch.rewards % 20 == 9).float()  # those at 19 are time limits
    assert th.equal(batch.dones, over) and batch.discounts is None


@pytest.mark.parametrize("n", [50, 128, 200])
@pytest.mark.parametrize("n_steps", [1, 3, 15])
def test_n_step_returns_are_those_of_sb3(n: int, n_steps: int) -> None:
    ours = filled(n, n_steps=n_steps, gamma=0.9)
    theirs = NStepReplayBuffer(128, BOX, ACTION, device="cpu", n_steps=n_steps, gamma=0.9)
    fill(theirs, n)
    rows = np.arange(min(n, 128))
    found, expected = ours._samples(rows, np.ones((len(rows), 1)), None), theirs._get_samples(rows)
    for name in ("observations", "next_observations", "rewards", "dones"):
        th.testing.assert_close(getattr(found, name), getattr(expected, name))
    if n_steps > 1:
        th.testing.assert_close(found.discounts, expected.discounts)


def test_n_step_returns_of_dictionaries() -> None:
    ours = DictNStepReplayBuffer(128, DICT, ACTION, device="cpu", n_steps=3, gamma=0.9)
    theirs = NStepReplayBuffer(128, BOX, ACTION, device="cpu", n_steps=3, gamma=0.9)
    fill(ours, 100, dictionary=True)
    fill(theirs, 100)
    found, expected = ours._get_samples(np.arange(100)), theirs._get_samples(np.arange(100))
    assert th.equal(found.observations["b"], -expected.observations)
    assert th.equal(found.next_observations["a"], expected.next_observations)
    th.testing.assert_close(found.rewards, expected.rewards)
    th.testing.assert_close(found.discounts, expected.discounts)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"alpha": 1.5}, "alpha=1.5 is not accepted"),
        ({"beta": -0.1}, "beta=-0.1 is not accepted"),
        ({"epsilon": 0.0}, "epsilon=0.0 is not accepted"),
        ({"n_steps": 0}, "n_steps=0 is not accepted"),
        ({"gamma": float("nan")}, "gamma=nan is not accepted"),
        ({"optimize_memory_usage": True}, "does not work with optimize_memory_usage"),
    ],
)
def test_nonsense_is_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        PrioritizedReplayBuffer(100, BOX, ACTION, **arguments)


def test_the_wrong_kind_of_observations_names_the_right_class() -> None:
    with pytest.raises(ValueError, match="needs replay_buffer_class=DictPrioritizedReplayBuffer"):
        PrioritizedReplayBuffer(100, DICT, ACTION)
    with pytest.raises(ValueError, match="needs replay_buffer_class=PrioritizedReplayBuffer"):
        DictPrioritizedReplayBuffer(100, BOX, ACTION)


def learnt(name: str, steps: int = 60, observation: str = "box", **kwargs: Any) -> Any:
    action = "discrete" if name == "DQN" else "box"
    env = make_vec_env(lambda: Random(observation, action), n_envs=2, seed=0)
    policy = "MultiInputPolicy" if observation == "dict" else "MlpPolicy"
    cls = getattr(sb3_ac_ext, name)
    return cls(policy, env, **{**SMALL, **kwargs}).learn(steps)


@pytest.mark.parametrize("n_steps", [1, 3])
@pytest.mark.parametrize("observation", ["box", "dict"])
@pytest.mark.parametrize("name", ALGORITHMS)
def test_updates_set_the_priorities(name: str, observation: str, n_steps: int) -> None:
    cls = DictPrioritizedReplayBuffer if observation == "dict" else PrioritizedReplayBuffer
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = learnt(name, observation=observation, n_steps=n_steps, replay_buffer_class=cls)
    buffer = model.replay_buffer
    assert type(buffer) is cls and (buffer.n_steps, model.n_steps) == (n_steps, n_steps)
    assert n_steps == 1 or buffer.gamma == model.gamma
    rows = np.arange(buffer.pos * 2)
    assert len(np.unique(buffer._tree[rows])) > 10
    assert buffer._beta_now > 0.9  # at the end of training nearly all is corrected


def test_n_steps_of_dictionaries_need_no_class() -> None:
    assert isinstance(learnt("SAC", observation="dict", n_steps=3).replay_buffer.n_steps, int)
    with pytest.raises(AssertionError):
        env = make_vec_env(lambda: Random("dict", "box"), seed=0)
        sb3.SAC("MultiInputPolicy", env, n_steps=3)


@pytest.mark.parametrize("name", ["SAC", "TD3", "DQN"])
def test_weights_scale_the_gradient_of_their_rows(name: str) -> None:
    model = learnt(name, replay_buffer_class=PrioritizedReplayBuffer)
    batch = model.replay_buffer.sample(16)
    target = th.zeros(16, 1)

    def loss(weights: th.Tensor) -> float:
        return float(model.critic_loss(batch._replace(weights=weights), target).detach())

    ones = th.ones(16, 1)
    one, other = ones.clone(), ones.clone()
    one[8:], other[:8] = 0.0, 0.0
    assert loss(one) != loss(other)
    assert loss(one) + loss(other) == pytest.approx(loss(ones), rel=1e-5)
    assert loss(0.5 * ones) == pytest.approx(0.5 * loss(ones), rel=1e-5)


def test_a_normaliser_is_applied() -> None:
    env = VecNormalize(make_vec_env("Pendulum-v1", n_envs=2, seed=0))
    model = sb3_ac_ext.SAC("MlpPolicy", env, replay_buffer_class=PrioritizedReplayBuffer, **SMALL)
    model.learn(60)
    raw, normalised = (model.replay_buffer.sample(200, env=e) for e in (None, env))
    assert float(normalised.rewards.abs().mean()) < 0.5 * float(raw.rewards.abs().mean())


def test_a_buffer_survives_its_file(tmp_path: Path) -> None:
    model = learnt("SAC", replay_buffer_class=PrioritizedReplayBuffer)
    model.save_replay_buffer(tmp_path / "buffer.pkl")
    before = model.replay_buffer
    model.load_replay_buffer(tmp_path / "buffer.pkl")
    after = model.replay_buffer
    rows = np.arange(before.buffer_size * 2)
    assert after is not before and after._largest == before._largest
    np.testing.assert_array_equal(after._tree[rows], before._tree[rows])


def test_a_model_survives_its_file(tmp_path: Path) -> None:
    model = learnt("SAC", n_steps=3, replay_buffer_class=PrioritizedReplayBuffer)
    model.save(tmp_path / "model")
    loaded = sb3_ac_ext.SAC.load(tmp_path / "model", env=model.get_env())
    assert (loaded.n_steps, loaded.replay_buffer.n_steps) == (3, 3)
    loaded.learn(40)


def test_an_algorithm_that_sets_no_priorities_is_told() -> None:
    buffer = filled()
    with pytest.warns(UserWarning, match="no priority was set"):
        for _ in range(1000):
            buffer.sample(1)


def test_the_monitor_watches_prioritized_runs() -> None:
    watch = sb3_ac_ext.DiagnosticsCallback(every=20, canary_freq=0, verbose=0)
    model = sb3_ac_ext.SAC(
        "MlpPolicy", "Pendulum-v1", replay_buffer_class=PrioritizedReplayBuffer, **SMALL
    )
    model.learn(200, callback=watch)
    assert watch.history.has("q/mean") and watch.history.has("gradients/critic/norm_mean")
    assert "batches of its own" in watch.history.info.not_observed["update_probe"]
    assert watch.verdict.status != "critical"
