"""Replay at present scales: rewards as they were paid go in, each worker's scale comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sb3_contrib
import stable_baselines3 as sb3
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.utils import set_random_seed
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

import sb3_ac_ext
from sb3_ac_ext import (
    DiagnosticsCallback,
    DictWorkerNormalizedReplayBuffer,
    VecWorkerNormalizeReward,
    WorkerNormalizedReplayBuffer,
)
from sb3_ac_ext.wrappers.once import check_reward_normalization
from tests.wrappers.environments import Paying, workers

BOX = spaces.Box(-1.0, 1.0, (1,), np.float32)
SMALL: dict[str, Any] = {
    "learning_starts": 20,
    "train_freq": 8,
    "batch_size": 64,
    "buffer_size": 2_000,
    "seed": 0,
    "device": "cpu",
}


def filled(n: int = 400, infos: Any = None, **kwargs: Any) -> WorkerNormalizedReplayBuffer:
    """Two workers; observation and action tell the worker, which pays 1 or 10 times."""
    buffer = WorkerNormalizedReplayBuffer(1000, BOX, BOX, "cpu", 2, **kwargs)
    rewards = np.random.default_rng(0).normal(1.0, 1.0, (n, 2)) * [1.0, 10.0]
    who = np.array([[0.0], [1.0]])
    for k, row in enumerate(rewards):
        buffer.add(who, who, who, row, np.full(2, k % 10 == 9), infos or [{}, {}])
    return buffer


def test_stored_as_paid_and_sampled_at_the_present_scale_of_its_worker() -> None:
    buffer = filled()
    scales = buffer.worker_rewards.scales
    assert scales[1] == pytest.approx(10.0 * scales[0], rel=0.2)
    found = buffer.sample(500)
    who = found.actions.numpy().ravel().astype(int)
    assert set(who) == {0, 1}
    rewards = found.rewards.numpy().ravel()
    paid = buffer.rewards[:400, :]
    for worker in (0, 1):
        expected = np.clip(paid[:, worker] / scales[worker], -10, 10)
        apart = np.abs(rewards[who == worker][:, None] - expected).min(axis=1)
        assert apart.max() < 1e-5


def test_old_transitions_follow_the_statistics() -> None:
    buffer = filled()
    generator = np.random.default_rng(1)
    set_random_seed(1)
    before = buffer.sample(64).rewards
    for _ in range(400):
        buffer.worker_rewards.update(generator.normal(size=2) * [50.0, 10.0], np.zeros(2))
    set_random_seed(1)
    found = buffer.sample(64)
    ratio = (before / found.rewards).numpy().ravel()
    first = found.actions.numpy().ravel() == 0.0
    assert (ratio[first] > 5.0).all() and (ratio[~first] < 5.0).all()


def test_with_normalisation_off_it_is_the_stock_buffer() -> None:
    ours, theirs = filled(norm_reward=False), ReplayBuffer(1000, BOX, BOX, "cpu", 2)
    theirs.__dict__.update({n: v for n, v in vars(ours).items() if n in vars(theirs)})
    batches = []
    for buffer in (ours, theirs):
        set_random_seed(0)
        batches.append(buffer.sample(32))
    assert all((a == b).all() for a, b in zip(*(b[:5] for b in batches), strict=True))


def test_n_step_returns_are_of_normalised_rewards() -> None:
    one, three = filled(gamma=0.5), filled(gamma=0.5, n_steps=3)
    rows = np.arange(0, 8, 2)  # of worker 0, far from the end of the episode
    normalised = one.normalized_rewards(np.array([0, 2, 4, 6, 8, 10]))
    expected = [normalised[k : k + 3] @ [1.0, 0.5, 0.25] for k in range(4)]
    from sb3_ac_ext.buffers.n_step import columns

    found = columns(three, rows, None)
    assert found[4].numpy().ravel() == pytest.approx(expected, rel=1e-5)
    assert found[5].numpy().ravel() == pytest.approx([0.125] * 4)
    with pytest.raises(ValueError, match="n_steps=0"):
        filled(n_steps=0)


def test_arguments_reach_the_scales() -> None:
    settings = {"epsilon": 0.1, "clip_reward": 2.0, "warmup": 5, "shared_scale": True}
    state = filled(training=False, **settings).worker_rewards.get_state()
    assert {name: state[name] for name in settings} == settings and state["training"] is False
    assert (filled(training=False).worker_rewards.scales == 1.0).all(), "frozen in its warm-up"
    with pytest.raises(ValueError, match="optimize_memory_usage"):
        filled(optimize_memory_usage=True)
    with pytest.raises(ValueError, match="replay_buffer_class=DictWorkerNormalizedReplayBuffer"):
        WorkerNormalizedReplayBuffer(10, spaces.Dict({"a": BOX}), BOX)
    with pytest.raises(ValueError, match="replay_buffer_class=WorkerNormalizedReplayBuffer"):
        DictWorkerNormalizedReplayBuffer(10, BOX, BOX)


def test_state() -> None:
    one, other = filled(), filled(n=5)
    other.worker_rewards.set_state(one.worker_rewards.get_state())
    assert (other.worker_rewards.scales == one.worker_rewards.scales).all()
    with pytest.raises(ValueError, match="n_envs=2, this is n_envs=1"):
        WorkerNormalizedReplayBuffer(10, BOX, BOX).worker_rewards.set_state(
            one.worker_rewards.get_state()
        )


def model(env: VecEnv, cls: Any = sb3.SAC, dictionary: bool = False, **kwargs: Any) -> Any:
    buffer = DictWorkerNormalizedReplayBuffer if dictionary else WorkerNormalizedReplayBuffer
    policy = "MultiInputPolicy" if dictionary else "MlpPolicy"
    settings = {**SMALL, "replay_buffer_class": buffer, "policy_kwargs": {"net_arch": [8]}}
    return cls(policy, env, **{**settings, **kwargs})


def env(dictionary: bool = False, box: bool = True) -> VecEnv:
    return workers(Paying(1.0, dictionary, box), Paying(10.0, dictionary, box))


@pytest.mark.parametrize("dictionary", [False, True])
@pytest.mark.parametrize("wrapper", [False, True])
@pytest.mark.parametrize("normaliser", ["none", "above", "below"])
def test_learning(dictionary: bool, wrapper: bool, normaliser: str, tmp_path: Path) -> None:
    """With the wrapper or without, rewards are stored as they were paid."""
    given: VecEnv = env(dictionary)
    if normaliser == "below":
        given = VecNormalize(given, norm_reward=False)
    if wrapper:
        given = VecWorkerNormalizeReward(given)
    if normaliser == "above":
        given = VecNormalize(given, norm_reward=False)
    made = model(given, dictionary=dictionary)
    made.learn(400)
    buffer: Any = made.replay_buffer
    stored = buffer.rewards[: buffer.size()]
    assert stored.std(axis=0) == pytest.approx([1.0, 10.0], rel=0.25)
    found = buffer.normalized_rewards(np.arange(2 * buffer.size())).reshape(-1, 2)
    assert found.std(axis=0)[1] == pytest.approx(found.std(axis=0)[0], rel=0.25)
    state = buffer.worker_rewards.get_state()
    made.save_replay_buffer(tmp_path / "buffer.pkl")
    made.load_replay_buffer(tmp_path / "buffer.pkl")
    again = made.replay_buffer.worker_rewards.get_state()
    assert all(np.array_equal(part, again[name]) for name, part in state.items())
    made.learn(40, reset_num_timesteps=False)


@pytest.mark.parametrize(
    ("cls", "box"),
    [
        (sb3.TD3, True),
        (sb3.DQN, False),
        (sb3_contrib.TQC, True),
        (sb3_ac_ext.SAC, True),
        (sb3_ac_ext.DQN, False),
    ],
)
def test_other_algorithms(cls: Any, box: bool) -> None:
    made = model(env(box=box), cls)
    made.learn(100)
    assert made.replay_buffer.worker_rewards.get_state()["count"] == pytest.approx(
        made.num_timesteps / 2, abs=0.01
    )


def test_the_drop_ins_give_gamma_and_n_steps() -> None:
    made = model(env(), sb3_ac_ext.SAC, gamma=0.9, n_steps=3)
    assert (made.replay_buffer.gamma, made.replay_buffer.n_steps) == (0.9, 3)
    assert made.replay_buffer.worker_rewards.gamma == 0.9
    made.learn(60)


def test_gamma_is_the_algorithms() -> None:
    made = model(env(), gamma=0.9)
    message = "WorkerNormalizedReplayBuffer has gamma=0.99 and SAC has gamma=0.9"
    with pytest.raises(ValueError, match=message):
        check_reward_normalization(made)
    with pytest.raises(ValueError, match=message):
        made.learn(60)
    model(env(), gamma=0.9, replay_buffer_kwargs={"gamma": 0.9}).learn(60)


def test_rewards_are_not_normalised_twice() -> None:
    made = model(VecNormalize(env()))
    for act in (lambda: check_reward_normalization(made), lambda: made.learn(60)):
        with pytest.raises(ValueError, match=r"twice, by WorkerNorm.* and by VecNormalize"):
            act()


@pytest.mark.parametrize("cls", [sb3.SAC, sb3_ac_ext.SAC])
def test_a_buffer_that_would_keep_normalised_rewards_is_refused(cls: Any) -> None:
    made = cls("MlpPolicy", VecWorkerNormalizeReward(env()), **SMALL)
    for act in (lambda: check_reward_normalization(made), lambda: made.learn(60)):
        with pytest.raises(ValueError, match="replay_buffer_class=WorkerNormalizedReplayBuffer"):
            act()


@pytest.mark.parametrize("wrapper", [False, True])
@pytest.mark.parametrize("normalise", [False, True])
def test_the_monitor_finds_the_buffer_as_it_should_be(wrapper: bool, normalise: bool) -> None:
    given = VecWorkerNormalizeReward(env()) if wrapper else env()
    given = VecNormalize(given, norm_reward=False) if normalise else given
    callback = DiagnosticsCallback(canary_freq=0, verbose=0)
    model(given).learn(1_000, callback=callback)
    errors = callback.history.series("probe/stored_reward_error").values
    assert len(errors) and (errors == 0.0).all()
