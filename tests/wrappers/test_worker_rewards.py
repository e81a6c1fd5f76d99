"""Scales per worker: what they are, when they learn, what of them is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stable_baselines3.common.vec_env import VecNormalize

from sb3_ac_ext.wrappers import WorkerRewards
from sb3_ac_ext.wrappers.state_file import read_state, write_state
from tests.wrappers.environments import Paying, workers

NONE = np.zeros(2, dtype=bool)


def after(rewards: Any, dones: Any = None, **kwargs: Any) -> WorkerRewards:
    """:param rewards: shape (T, n_envs)"""
    rewards = np.asarray(rewards, dtype=np.float64)
    scaling = WorkerRewards(rewards.shape[1], **{"warmup": 0, **kwargs})
    for k, row in enumerate(rewards):
        scaling.update(row, NONE if dones is None else dones[k])
    return scaling


def test_a_scale_is_the_deviation_of_that_workers_discounted_returns() -> None:
    rewards = np.random.default_rng(0).normal(1.0, 2.0, (500, 2)) * [1.0, 10.0]
    ends = np.zeros((500, 2), dtype=bool)
    ends[[99, 250]] = True
    returns, running = np.zeros((500, 2)), np.zeros(2)
    for k in range(500):
        returns[k] = running = 0.9 * running + rewards[k]
        running = np.where(ends[k], 0.0, running)
    scaling = after(rewards, ends, gamma=0.9)
    assert scaling.scales == pytest.approx(returns.std(axis=0), rel=1e-4)
    assert scaling.returns == pytest.approx(running)
    found = scaling.normalized(rewards[:10])
    assert found == pytest.approx(rewards[:10] / returns.std(axis=0), rel=1e-4)
    assert found.dtype == np.float32


def test_a_worker_that_pays_ten_times_is_brought_to_the_others_scale() -> None:
    paid = np.repeat(np.random.default_rng(1).normal(size=(400, 1)), 2, axis=1) * [1.0, 10.0]
    found = after(paid).normalized(paid)
    assert found[:, 1] == pytest.approx(found[:, 0], rel=1e-3)


def test_rewards_of_given_workers() -> None:
    scaling = after(np.random.default_rng(2).normal(size=(300, 2)) * [1.0, 10.0])
    at = np.array([[1, 0], [1, 1]])
    assert scaling.normalized(np.ones((2, 2)), at) == pytest.approx(1.0 / scaling.scales[at])


def test_shared_scale_is_that_of_vec_normalize() -> None:
    env = workers(Paying(1.0), Paying(10.0))
    theirs, ours = VecNormalize(env, norm_obs=False), WorkerRewards(2, shared_scale=True)
    theirs.reset()
    for _ in range(500):
        _, _, dones, _ = theirs.step(np.zeros(2, dtype=int))
        ours.update(theirs.get_original_reward(), dones)
    assert ours.scales == pytest.approx(np.full(2, np.sqrt(theirs.ret_rms.var)), rel=1e-3)
    assert after([[1.0, 9.0], [2.0, 5.0]], shared_scale=False).scales[0] != ours.scales[0]


def test_warm_up_clips_only() -> None:
    scaling = after(np.full((9, 2), 3.0), warmup=10)
    assert scaling.normalized(np.array([3.0, 30.0])).tolist() == [3.0, 10.0]
    scaling.update(np.full(2, 3.0), NONE)
    assert (scaling.scales != 1.0).all() and scaling.normalized(np.full(2, 3.0))[0] != 3.0


@pytest.mark.parametrize(("clip", "found"), [(10.0, 10.0), (2.0, 2.0)])
def test_clipping(clip: float, found: float) -> None:
    scaling = after(np.random.default_rng(3).normal(size=(300, 2)), clip_reward=clip)
    assert scaling.normalized(np.array([1e6, -1e6])).tolist() == [found, -found]


def test_epsilon_bounds_the_scale_of_a_worker_that_pays_nothing() -> None:
    zero = after(np.zeros((100_0, 2)), epsilon=0.25)
    assert zero.scales == pytest.approx(np.full(2, 0.5), rel=1e-3)


def test_frozen_and_off() -> None:
    scaling = after(np.random.default_rng(4).normal(size=(50, 2)))
    before, scaling.training = scaling.get_state(), False
    scaling.update(np.full(2, 100.0), NONE)
    assert all(np.array_equal(before[n], scaling.get_state()[n]) for n in ("mean", "returns"))
    scaling.norm_reward = False
    assert scaling.normalized(np.array([50.0, -50.0])).tolist() == [50.0, -50.0]


def test_a_reward_that_is_not_finite_is_passed_on_and_not_learned_from() -> None:
    rows = np.random.default_rng(5).normal(size=(300, 2))
    scaling = after(rows)
    scale = scaling.scales
    scaling.update(np.array([np.nan, 0.5]), NONE)
    assert scaling.scales[0] == scale[0] and scaling.scales[1] != scale[1]
    assert np.isnan(scaling.normalized(np.array([np.nan, 0.5]))[0])
    scaling.update(np.array([0.5, 0.5]), NONE)
    assert np.isfinite(scaling.scales).all() and scaling.returns[0] == 0.5


def test_a_state_is_arrays_and_numbers_and_goes_on_where_it_was(tmp_path: Path) -> None:
    rows = np.random.default_rng(6).normal(size=(100, 2))
    one = after(rows[:60], warmup=7, clip_reward=3, epsilon=1e-4, gamma=0.95)
    one.training = False
    state = one.get_state()
    assert all(isinstance(part, np.ndarray | bool | int | float) for part in state.values())
    write_state(tmp_path / "new" / "state.npz", state)
    other = WorkerRewards(2, gamma=0.95)
    other.set_state(read_state(tmp_path / "new" / "state.npz"))
    assert (other.warmup, other.clip_reward, other.epsilon) == (7, 3.0, 1e-4)
    assert other.training is False and type(other.warmup) is int
    for scaling in (one, other):
        scaling.training = True
        for row in rows[60:]:
            scaling.update(row, NONE)
    assert all(np.array_equal(part, other.get_state()[n]) for n, part in one.get_state().items())


def test_a_state_is_a_copy() -> None:
    scaling = after(np.ones((20, 2)))
    state = scaling.get_state()
    kept = {name: np.array(part) for name, part in state.items()}
    scaling.set_state(state)
    scaling.update(np.full(2, 7.0), NONE)
    assert all(np.array_equal(state[name], part) for name, part in kept.items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean": np.zeros(3)}, "is of n_envs=3, this is n_envs=2"),
        ({"gamma": 0.5}, "gamma=0.5, these have gamma=0.99"),
        ({"var": np.array([1.0, -1.0])}, "negative variance"),
        ({"count": np.array([1.0, 0.0])}, "negative variance or count"),
        ({"mean": np.array([1.0, np.nan])}, "unusable 'mean'"),
        ({"returns": None}, "no array 'returns'|unusable 'returns'"),
        ({"warmup": "many"}, "no number 'warmup'"),
        ({"clip_reward": float("nan")}, "unusable 'clip_reward'"),
        ({"epsilon": -1.0}, "epsilon=-1.0 is not accepted"),
    ],
)
def test_another_state_is_refused_and_changes_nothing(change: dict[str, Any], message: str) -> None:
    scaling = after(np.ones((20, 2)))
    before = scaling.get_state()
    with pytest.raises(ValueError, match=message):
        scaling.set_state({**before, "returns": np.ones(2), **change})
    assert all(np.array_equal(part, scaling.get_state()[n]) for n, part in before.items())


def test_a_state_without_a_part_is_refused() -> None:
    scaling = WorkerRewards(2)
    for name in scaling.get_state():
        state = scaling.get_state()
        del state[name]
        with pytest.raises(ValueError, match=name):
            scaling.set_state(state)


@pytest.mark.parametrize(
    "wrong",
    [{"gamma": 1.5}, {"gamma": -0.1}, {"epsilon": 0.0}, {"clip_reward": 0.0}, {"warmup": -1}],
)
def test_values_out_of_range(wrong: dict[str, float]) -> None:
    name, value = next(iter(wrong.items()))
    with pytest.raises(ValueError, match=f"{name}={value} is not accepted"):
        WorkerRewards(2, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x03\x04 half of one"])
def test_damaged_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot be read: it is no \.npz file, or it is damaged"):
        read_state(path)
    with pytest.raises(ValueError, match="does not exist"):
        read_state(tmp_path / "other.npz")


def test_a_file_cut_short_and_one_with_objects(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    write_state(path, WorkerRewards(8).get_state())
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(ValueError, match="damaged"):
        read_state(path)
    np.savez(path, mean=np.array([{"run": "code"}], dtype=object))
    with pytest.raises(ValueError, match="damaged"):
        read_state(path)
    single = tmp_path / "single.npy"
    np.save(single, np.ones(2))
    with pytest.raises(ValueError, match=r"no \.npz file"):
        read_state(single)
    with pytest.raises(ValueError, match="cannot be written"):
        write_state(path / "below" / "a_file.npz", {})
