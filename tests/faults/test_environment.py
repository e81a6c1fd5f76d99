"""What each environment wrapper changes, as tables of numbers."""

from __future__ import annotations

from typing import Any

import cloudpickle
import gymnasium as gym
import numpy as np
import pytest

from sb3_ac_ext import faults
from sb3_ac_ext.faults import Injection

from .training import task


class Script(gym.Env[Any, Any]):
    """Observation (t, 10 t), reward t; ``received`` holds the actions, ``seeds`` the resets'."""

    def __init__(self, continuous: bool = True, ends_at: int = 0, limit: int = 0) -> None:
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)
        self.action_space: Any = (
            gym.spaces.Box(-2.0, 2.0, (1,), np.float32) if continuous else gym.spaces.Discrete(4)
        )
        self.ends_at, self.limit = ends_at, limit
        self.received: list[float] = []
        self.seeds: list[Any] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.seeds.append(seed)
        self.t = 0
        return self._observe(), {}

    def step(self, action: Any) -> Any:
        self.received.append(float(np.ravel(action)[0]))
        self.t += 1
        return self._observe(), float(self.t), self.t == self.ends_at, self.t == self.limit, {}

    def _observe(self) -> Any:
        return np.array([self.t, 10 * self.t], dtype=np.float32)


class Log:
    """Plays a fixed script through a wrapper, resetting where an episode ends."""

    def __init__(
        self,
        name: str,
        n_steps: int = 4,
        severity: float | None = None,
        worker: int = 0,
        actions: Any = (1.0, 0.5, -1.0, 2.0, 0.0, 0.25),
        **env: Any,
    ) -> None:
        self.env = Script(**env)
        wrapped: Any = faults.wrap(name, self.env, severity, worker)
        self.first, _ = wrapped.reset(seed=0)
        self.obs, self.rewards, self.ends = [], [], []
        discrete = isinstance(self.env.action_space, gym.spaces.Discrete)
        for n in range(n_steps):
            chosen = actions[n % len(actions)]
            action = np.int64(chosen) if discrete else np.array([chosen], dtype=np.float32)
            observation, reward, terminated, truncated, self.info = wrapped.step(action)
            self.obs.append(observation)
            self.rewards.append(float(reward))
            self.ends.append((bool(terminated), bool(truncated)))
            if terminated or truncated:
                self.after, _ = wrapped.reset()
        assert all(o.dtype == np.float32 for o in [self.first, *self.obs])


@pytest.mark.parametrize(
    ("name", "worker", "severity", "expected"),
    [
        ("reward_scale_large", 0, None, [1000, 2000, 3000, 4000]),
        ("reward_scale_small", 0, 0.5, [0.5, 1, 1.5, 2]),
        ("reward_sign", 0, None, [-1, -2, -3, -4]),
        ("reward_zero", 0, None, [0, 0, 0, 0]),
        ("reward_constant", 0, 0.25, [0.25] * 4),
        ("reward_delay", 0, 2, [0, 0, 1, 2]),
        ("reward_lost", 0, 1.0, [0, 0, 0, 0]),
        ("reward_nan", 0, 3, [1, 2, np.nan, 4]),
        ("reward_inf", 0, 2, [1, np.inf, 3, 4]),
        ("reward_inverted_midway", 0, 2, [1, 2, -3, -4]),
        ("reward_scale_midway", 0, 2, [1, 2, 300, 400]),
        ("reward_doubled", 0, None, [2, 4, 6, 8]),
        ("reward_offset", 0, None, [2, 3, 4, 5]),
        ("worker_reward_scale", 3, None, [10, 20, 30, 40]),
        ("worker_reward_scale", 2, None, [1, 2, 3, 4]),
        ("worker_reward_scale_small", 3, None, [0.1, 0.2, 0.3, 0.4]),
        ("worker_reward_scale_midway", 3, 2, [1, 2, 30, 40]),
        ("worker_reward_sign", 3, None, [-1, -2, -3, -4]),
        ("worker_reward_zero", 3, None, [0, 0, 0, 0]),
        ("worker_frozen", 3, 2, [1, 2, 0, 0]),
    ],
)
def test_rewards(name: str, worker: int, severity: float | None, expected: list[float]) -> None:
    log = Log(name, severity=severity, worker=worker)
    assert log.rewards == pytest.approx(expected, nan_ok=True)


def test_the_sum_of_rewards_is_paid_at_the_end() -> None:
    assert Log("reward_paid_at_end", 6, ends_at=3).rewards == [0, 0, 6, 0, 0, 6]


def test_rewards_owed_at_the_end_are_lost() -> None:
    assert Log("reward_delay", 6, severity=1, ends_at=3).rewards == [0, 1, 2, 0, 1, 2]


def test_reward_noise_has_the_scale_of_the_rewards() -> None:
    log = Log("reward_noise", 4000, severity=5.0, ends_at=1)
    assert np.std(log.rewards) == pytest.approx(5.0, rel=0.05)
    assert np.mean(log.rewards) == pytest.approx(1.0, abs=0.3)


def test_outliers_are_rare_and_large() -> None:
    rewards = np.array(Log("reward_outliers", 5000, ends_at=1).rewards)
    assert 1 <= np.sum(rewards == 1e4) <= 15
    assert np.sum(rewards == 1.0) + np.sum(rewards == 1e4) == 5000


@pytest.mark.parametrize(
    ("name", "worker", "severity", "first", "expected"),
    [
        ("obs_scale_large", 0, None, [0, 0], [[1e3, 1e4], [2e3, 2e4]]),
        ("obs_scale_one_dim", 0, None, [0, 0], [[1e4, 10], [2e4, 20]]),
        ("obs_offset", 0, 5, [5, 5], [[6, 15], [7, 25]]),
        ("obs_dead_dims", 0, None, [0, 0], [[1, 0], [2, 0]]),
        ("obs_all_zero", 0, None, [0, 0], [[0, 0], [0, 0]]),
        ("obs_stale", 0, None, [0, 0], [[0, 0], [1, 10]]),
        ("obs_dropped", 0, 1.0, [0, 0], [[0, 0], [0, 0]]),
        ("obs_nan", 0, 2, [0, 0], [[1, 10], [np.nan, 20]]),
        ("sensor_swap_midway", 0, 1, [0, 0], [[1, 10], [20, 2]]),
        ("obs_permuted_consistent", 0, None, [0, 0], [[10, 1], [20, 2]]),
        ("obs_scaled_mildly", 0, None, [0, 0], [[2, 20], [4, 40]]),
        ("worker_obs_scale", 3, None, [0, 0], [[10, 100], [20, 200]]),
        ("worker_obs_zero", 3, None, [0, 0], [[0, 0], [0, 0]]),
        ("worker_obs_zero", 1, None, [0, 0], [[1, 10], [2, 20]]),
        ("worker_frozen", 3, 1, [0, 0], [[1, 10], [1, 10]]),
    ],
)
def test_observations(
    name: str, worker: int, severity: float | None, first: Any, expected: Any
) -> None:
    log = Log(name, 2, severity=severity, worker=worker)
    np.testing.assert_array_equal(log.first, np.float32(first))
    np.testing.assert_allclose(log.obs, np.float32(expected))


def test_shuffled_entries_are_the_same_numbers_in_changing_order() -> None:
    observed = np.array(Log("obs_shuffled", 40).obs)
    expected = np.arange(1, 41)[:, None] * np.array([1, 10])
    np.testing.assert_array_equal(np.sort(observed, axis=1), expected)
    assert 5 < np.sum(observed[:, 0] > observed[:, 1]) < 35


@pytest.mark.parametrize(("name", "scale"), [("obs_noise", 3.0), ("obs_noise_tiny", 0.01)])
def test_noise_has_the_scale_of_each_entry(name: str, scale: float) -> None:
    log = Log(name, 4000, limit=20)
    clean = np.tile(np.arange(1, 21), 200)[:, None] * np.array([1, 10])
    noise = (np.array(log.obs) - clean)[1000:].std(axis=0)
    np.testing.assert_allclose(noise, scale * np.arange(21).std() * np.array([1, 10]), rtol=0.1)


def test_calibration_is_lost_at_a_steady_rate() -> None:
    log = Log("sensor_drift", 2000, severity=1000.0, limit=20)
    clean = np.tile(np.arange(1, 21), 100)
    shift = np.array(log.obs)[:, 0] - clean
    assert shift[999] == pytest.approx(np.arange(21).std(), rel=0.05)
    assert shift[1999] == pytest.approx(2 * np.arange(21).std(), rel=0.05)


@pytest.mark.parametrize(
    ("name", "severity", "ends_at", "limit", "expected"),
    [
        ("truncated_as_terminated", None, 0, 2, [(False, False), (True, False)]),
        ("truncated_as_terminated", None, 2, 0, [(False, False), (True, False)]),
        ("terminated_as_truncated", None, 2, 0, [(False, False), (False, True)]),
        ("never_terminates", None, 2, 3, [(False, False), (False, False), (False, True)]),
        ("no_time_limit", None, 2, 3, [(False, False)] * 4),
        ("done_early", 2, 4, 0, [(False, False), (True, False), (False, False), (True, False)]),
        ("time_limit_short", 2, 4, 0, [(False, False), (False, True)]),
        ("random_terminations", 1.0, 9, 0, [(True, False), (True, False)]),
        ("time_limit_twice", None, 0, 0, [(False, False)] * 3),
    ],
)
def test_ends(name: str, severity: float | None, ends_at: int, limit: int, expected: Any) -> None:
    log = Log(name, len(expected), severity=severity, ends_at=ends_at, limit=limit)
    assert log.ends == expected


def test_reset_returns_the_last_observation() -> None:
    log = Log("reset_returns_old", 3, ends_at=3)
    np.testing.assert_array_equal(log.after, [3, 30])
    assert log.env.t == 0


def test_reset_does_not_reach_the_simulator() -> None:
    log = Log("reset_skipped", 4, severity=1.0, ends_at=3)
    np.testing.assert_array_equal(log.after, [3, 30])
    assert log.env.t == 4


@pytest.mark.parametrize(
    ("name", "worker", "severity", "continuous", "expected"),
    [
        ("action_delayed", 0, None, True, [1, 1, 0.5, -1]),
        ("action_delayed", 0, 2, True, [1, 1, 1, 0.5]),
        ("action_sticky", 0, 1.0, True, [1, 1, 1, 1]),
        ("action_scaled", 0, 0.5, True, [0.5, 0.25, -0.5, 1]),
        ("action_clipped_small", 0, 0.25, True, [0.5, 0.5, -0.5, 0.5]),
        ("action_sign_consistent", 0, None, True, [-1, -0.5, 1, -2]),
        ("action_sign_consistent", 0, None, False, [2, 3, 0, 1]),
        ("action_swap_midway", 0, 1, True, [1, 0.5, 1, -2]),
        ("env_drift", 0, 1, True, [1, 0.5, 1, -2]),
        ("action_bounds_narrow", 0, 0.5, True, [2, 1, -2, 2]),
        ("worker_action_sign", 3, None, False, [2, 3, 0, 1]),
        ("worker_action_sign", 0, None, False, [1, 0, 3, 2]),
    ],
)
def test_actions(
    name: str, worker: int, severity: float | None, continuous: bool, expected: list[float]
) -> None:
    actions = (1.0, 0.5, -1.0, 2.0) if continuous else (1, 0, 3, 2)
    log = Log(name, 4, severity, worker, actions, continuous=continuous)
    assert log.env.received == pytest.approx(expected)


@pytest.mark.parametrize("continuous", [True, False])
@pytest.mark.parametrize(("name", "worker"), [("action_ignored", 0), ("worker_action_ignored", 3)])
def test_ignored_actions_are_uniform(name: str, worker: int, continuous: bool) -> None:
    received = Log(name, 400, worker=worker, continuous=continuous, actions=(1,)).env.received
    assert np.mean(received) == pytest.approx(0.0 if continuous else 1.5, abs=0.2)
    assert np.std(received) == pytest.approx(4 / 12**0.5 if continuous else 1.118, rel=0.1)


@pytest.mark.parametrize("continuous", [True, False])
def test_actions_mean_something_else_in_every_episode(continuous: bool) -> None:
    log = Log("action_permuted_every_episode", 60, ends_at=3, continuous=continuous, actions=(1,))
    episodes = np.array(log.env.received).reshape(20, 3)
    assert (episodes == episodes[:, :1]).all()
    assert set(episodes[:, 0]) == ({-1.0, 1.0} if continuous else {0.0, 1.0, 2.0, 3.0})


def test_workers_are_seeded_alike() -> None:
    assert Log("worker_same_seed", 6, ends_at=3).env.seeds == [7, None, None]
    assert Log("worker_same_seed_every_reset", 6, ends_at=3).env.seeds == [7, 7, 7]


def test_drifting_observations_are_shifted() -> None:
    log = Log("env_drift", 4, severity=2)
    np.testing.assert_array_equal(log.obs[1], [2, 20])
    assert (log.obs[2] > [3, 30]).all()


def test_more_infos() -> None:
    assert Log("extra_info_keys", 2).info == {"lives": 3, "debug/episode_steps": 2}


def test_slow_steps_are_otherwise_the_same() -> None:
    assert Log("slow_env", 3).rewards == [1, 2, 3]


def env_faults() -> list[str]:
    return [name for name in faults.names() if "env" in faults.get(name).seams]


@pytest.mark.parametrize("name", env_faults())
def test_same_seeds_give_the_same_run_in_another_process_too(name: str) -> None:
    injection = Injection(faults.get(name))
    copy = cloudpickle.loads(cloudpickle.dumps(injection))

    def run(chosen: Injection) -> Any:
        env = chosen.env(task(True), worker=3)
        env.reset(seed=5)
        steps = []
        for n in range(30):
            observation, reward, *ends, _ = env.step(np.array([np.sin(n), 0.0], np.float32))
            steps.append([*observation, reward, *ends])
            if any(ends):
                env.reset()
        return np.array(steps, dtype=float)

    np.testing.assert_array_equal(run(injection), run(copy))


def test_images_and_dictionaries_are_refused_where_observations_change() -> None:
    env = gym.wrappers.FlattenObservation(Script())
    env.observation_space = gym.spaces.Box(0, 255, (8, 8, 3), np.uint8)
    with pytest.raises(ValueError, match="Box of floats"):
        faults.wrap("obs_noise", env)
    faults.wrap("reward_sign", env)
