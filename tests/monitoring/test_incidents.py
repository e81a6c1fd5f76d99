"""What safe environments had to put up with: counted, found, explained."""

from __future__ import annotations

import os
import signal
from typing import Any

import numpy as np
import pytest
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from sb3_ac_ext import DiagnosticsCallback, SafeSubprocVecEnv, VecFiniteGuard
from sb3_ac_ext.monitoring.causes import CAUSES
from sb3_ac_ext.monitoring.detectors import WorkerNonFinite, WorkerRestarts
from sb3_ac_ext.monitoring.diagnosis import diagnose
from tests.vec_envs.envs import Broken

from .histories import findings, table


def small() -> dict[str, Any]:
    return {"policy_kwargs": {"net_arch": [16]}, "seed": 0, "device": "cpu"}


NONE = [(0.0, 0.0, 0.0)] * 5


def restarts(**kinds: Any) -> Any:
    """Five snapshots of three workers."""
    arrays = {f"workers/{kind}": kinds.get(kind, NONE) for kind in ("raised", "died", "hung")}
    return table({"policy/kl": [0.01] * 5}, arrays)


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ({}, []),
        (
            {"died": [(0, 0, 0), (0, 1, 0), (0, 1, 0), (0, 1, 0), (0, 1, 0)]},
            [(200, 1, "worker 1 was restarted: it died once")],
        ),
        ({"hung": [(0, 0, 2)] * 5}, [(100, 2, "worker 2 was restarted: it hung 2 times")]),
        (
            {
                "raised": [(0, 0, 0), (0, 0, 0), (0, 0, 0), (1, 0, 1), (1, 0, 2)],
                "hung": [(0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 1), (0, 0, 1)],
            },
            [
                (400, 2, "worker 2 was restarted: it raised once and hung once; restarted, too: 0"),
                (500, 2, "worker 2 was restarted: it raised once"),
            ],
        ),
    ],
)
def test_restarts_as_tables(kinds: Any, expected: Any) -> None:
    found = findings(WorkerRestarts(), restarts(**kinds))
    assert [(f.step, f.worker, f.message) for f in found] == expected
    assert all(f.severity.label == "warning" and f.since == f.step - 100 for f in found)
    for finding in found:
        assert diagnose([finding])[0].advice == CAUSES["worker_restarts"].remedy


def test_numbers_that_are_not_finite_as_a_table() -> None:
    arrays = {
        "workers/nonfinite_observations": [(0, 0), (0, 4), (0, 4)],
        "workers/nonfinite_rewards": [(0, 0), (0, 1), (0, 1)],
    }
    found = findings(WorkerNonFinite(), table({"policy/kl": [0.01] * 3}, arrays))
    assert [(f.step, f.worker, f.value) for f in found] == [(200, 1, 5.0)]
    assert "worker 1 delivered numbers that are not finite, 4 in observations and 1 in" in str(
        found[0].message
    )
    assert diagnose(found)[0].cause == "nonfinite_environment"


class Kill(BaseCallback):
    """Really kills a worker at one step."""

    def __init__(self, worker: int, at: int) -> None:
        super().__init__()
        self.worker, self.at = worker, at

    def _on_step(self) -> bool:
        if self.n_calls == self.at:
            env: Any = self.model.env
            process = env.unwrapped.processes[self.worker]
            os.kill(process.pid, signal.SIGKILL)
            process.join()
        return True


@pytest.mark.filterwarnings("ignore:worker 1 died")
@pytest.mark.parametrize(
    ("algorithm", "kwargs"),
    [
        (PPO, {"n_steps": 64, "batch_size": 64}),
        (SAC, {"learning_starts": 64, "buffer_size": 2000, "train_freq": 8}),
    ],
)
def test_a_killed_worker_is_found_and_nothing_else_is(algorithm: Any, kwargs: Any) -> None:
    """A truncated episode is no broken invariant: buffers and ends of episodes are as they are."""
    calm, watch = (_watched(algorithm, kills, **kwargs) for kills in ([], [Kill(1, 150)]))
    found = {f.detector: f for f in watch.verdict.findings}
    before = {f.detector for f in calm.verdict.findings}
    assert set(found) - before == {"worker_restarts"}
    assert found["worker_restarts"].message == "worker 1 was restarted: it died once"
    assert found["worker_restarts"].worker == 1 and 150 < found["worker_restarts"].step < 600
    diagnoses = {d.cause: d for d in watch.verdict.diagnoses}
    assert diagnoses["worker_restarts"].confidence == pytest.approx(0.7)
    values = watch.history.series("workers/restarts").values
    assert (values[0], values[-1]) == (0.0, 1.0)
    assert watch.history.series("workers/nonfinite").values.max() == 0.0


def _watched(algorithm: Any, others: list[BaseCallback], **kwargs: Any) -> DiagnosticsCallback:
    safety = {"start_method": "fork", "max_restarts": 2}
    env: VecEnv = make_vec_env(
        "Pendulum-v1", 2, seed=0, vec_env_cls=SafeSubprocVecEnv, vec_env_kwargs=safety
    )
    env = VecNormalize(VecFiniteGuard(env))
    watch = DiagnosticsCallback(every=128, canary_freq=0, verbose=0)
    algorithm("MlpPolicy", env, **small(), **kwargs).learn(1024, callback=[watch, *others])
    env.close()
    return watch


def test_what_a_guard_kept_away_is_found() -> None:
    env = make_vec_env(lambda: Broken(obs_at=(40, 41), reward_at=(45,)), 2)
    watch = DiagnosticsCallback(every=64, canary_freq=0, verbose=0)
    model = PPO("MlpPolicy", VecFiniteGuard(env, "replace"), n_steps=32, batch_size=32, **small())
    model.learn(256, callback=watch)
    found = [f for f in watch.verdict.findings if f.detector == "worker_nonfinite"]
    assert [f.worker for f in found] == [0]
    assert watch.history.series("workers/nonfinite").values[-1] == 6.0
    assert np.sum(watch.history.last.arrays["workers/nonfinite_rewards"]) == 2.0  # type: ignore[union-attr]
    # a second learn() begins to count at 0
    model.learn(64, callback=(again := DiagnosticsCallback(canary_freq=0, verbose=0)))
    assert again.history.series("workers/nonfinite").values.max() == 0.0


def test_other_environments_have_no_such_series() -> None:
    watch = DiagnosticsCallback(every=64, canary_freq=0, verbose=0)
    PPO("MlpPolicy", "CartPole-v1", n_steps=32, batch_size=32, **small()).learn(64, callback=watch)
    names = {*watch.history.names, *watch.history.last.arrays}  # type: ignore[union-attr]
    assert not [name for name in names if name.startswith("workers/")]


def test_the_canary_is_guarded_alike() -> None:
    env = VecFiniteGuard(make_vec_env("CartPole-v1", 2), "replace")
    watch = DiagnosticsCallback(every=64, canary_freq=64, canary_episodes=2, verbose=0)
    PPO("MlpPolicy", env, n_steps=32, batch_size=32, **small()).learn(128, callback=watch)
    assert watch.history.has("canary/return_mean")
