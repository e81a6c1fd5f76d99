"""Histories from real artefacts: the RL Zoo's folders, SB3's progress.csv and event files."""

import subprocess
import sys

import numpy as np
import pytest
import torch as th
from stable_baselines3 import A2C, SAC
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure

from sb3_ac_ext.monitoring.history import read_history
from sb3_ac_ext.monitoring.records import RunInfo, Snapshot, Verdict
from sb3_ac_ext.monitoring.sinks.jsonl import JsonlSink
from sb3_ac_ext.monitoring.sinks.tensorboard import LoggerSink
from sb3_ac_ext.monitoring.sources import load_history, run_folders


@pytest.fixture(autouse=True)
def one_thread():
    before = th.get_num_threads()
    th.set_num_threads(1)
    yield
    th.set_num_threads(before)


def train_zoo(folder, algo, *more):
    command = [
        *(sys.executable, "-m", "rl_zoo3.train", "--algo", algo, "--env", "CartPole-v1"),
        *("-n", "3000", "--eval-freq", "1000", "--seed", "1", "--device", "cpu"),
        *("-f", str(folder), "--num-threads", "1", *more),
    ]
    subprocess.run(command, check=True, capture_output=True, cwd=folder)


@pytest.fixture(scope="module")
def zoo_logs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zoo")
    train_zoo(folder, "ppo", "-tb", str(folder / "tb"))
    train_zoo(folder, "a2c")
    return folder


def test_the_zoo_folders_are_found(zoo_logs):
    found = [str(path.relative_to(zoo_logs)) for path in run_folders(zoo_logs)]
    assert found == ["a2c/CartPole-v1_1", "ppo/CartPole-v1_1", "tb/CartPole-v1/PPO_1"]


@pytest.mark.parametrize(("algo", "n_envs", "gamma"), [("ppo", 8, 0.98), ("a2c", 8, None)])
def test_a_zoo_folder(zoo_logs, algo, n_envs, gamma):
    history = load_history(zoo_logs / algo / "CartPole-v1_1")
    info = history.info
    assert (info.algo, info.family, info.env_id) == (algo.upper(), "on-policy", "CartPole-v1")
    assert (info.n_envs, info.seed, info.total_timesteps, info.gamma) == (n_envs, 1, 3000, gamma)
    assert info.hyperparameters["policy"] == "MlpPolicy"
    # every episode of every worker is in, at the steps at which it ended
    assert 3000 - 8 * 100 < history.series("episodes/return_mean").steps[-1] <= 3072
    assert history.series("episodes/length_min").values.min() >= 8
    assert len(history.rows("episodes/worker_return_mean")[-1][1]) == 8
    np.testing.assert_array_equal(history.series("canary/return_mean").steps, [1000, 2000, 3000])
    assert {"gradients", "policy", "observations"} <= set(info.not_observed)
    assert not {"episodes", "canary", "timing"} & set(info.not_observed)
    assert history.notes == []


def test_tensorboard_of_a_zoo_run_agrees_with_its_monitors(zoo_logs):
    logged = load_history(zoo_logs / "tb")
    counted = load_history(zoo_logs / "ppo" / "CartPole-v1_1")
    assert (logged.info.algo, logged.info.env_id) == ("PPO", "CartPole-v1")
    assert logged.step == 3072
    assert logged.series("policy/entropy").values[0] == pytest.approx(np.log(2), abs=0.01)
    assert logged.has("train/approx_kl") and not logged.has("policy/kl")
    assert "canary" not in logged.info.not_observed
    np.testing.assert_allclose(
        logged.series("canary/return_mean").values, counted.series("canary/return_mean").values
    )
    # SB3's mean over the last 100 episodes against all episodes so far: the same for the first ones
    count = np.cumsum(counted.series("episodes/count").values)
    (early,) = np.flatnonzero(count <= 100)[-1:]
    own = counted.series("episodes/return_mean").values[: early + 1]
    weights = counted.series("episodes/count").values[: early + 1]
    step = counted.series("episodes/count").steps[early]
    at = np.searchsorted(logged.series("episodes/return_mean").steps, step)
    assert logged.series("episodes/return_mean").values[at] == pytest.approx(
        np.average(own, weights=weights), rel=0.15
    )


def learn(folder, model, steps):
    model.set_logger(configure(str(folder), ["csv", "tensorboard"]))
    return model.learn(steps, log_interval=10 if isinstance(model, A2C) else 1)


def test_progress_csv_and_events_of_a_plain_learn(tmp_path):
    env = make_vec_env("CartPole-v1", n_envs=2, seed=0)
    learn(tmp_path, A2C("MlpPolicy", env, seed=0, device="cpu"), 1000)
    both = load_history(tmp_path)
    (event_file,) = tmp_path.glob("*tfevents*")
    from_csv, from_events = load_history(tmp_path / "progress.csv"), load_history(event_file)
    assert both.info.source == "progress.csv, TensorBoard"
    assert both.info.family == "on-policy"
    assert [s.step for s in both] == [s.step for s in from_csv] == list(range(100, 1001, 100))
    for name in ("episodes/return_mean", "policy/entropy", "hyper/learning_rate"):
        np.testing.assert_allclose(
            from_csv.series(name).values, from_events.series(name).values, rtol=1e-5
        )
        np.testing.assert_array_equal(both.series(name).values, from_csv.series(name).values)
    assert (both.series("policy/entropy").values > 0).all()


def test_progress_csv_of_an_off_policy_learn(tmp_path):
    model = SAC("MlpPolicy", "Pendulum-v1", seed=0, device="cpu", learning_starts=200,
                train_freq=20, gradient_steps=1, policy_kwargs={"net_arch": [8]})  # fmt: skip
    learn(tmp_path, model, 800)
    history = load_history(tmp_path / "progress.csv")
    assert history.info.family == "off-policy"
    assert history.series("episodes/length_mean").values[-1] == 200
    assert history.has("hyper/ent_coef") and history.has("train/critic_loss")
    assert history.info.not_observed["value"] == "off-policy algorithms have none"
    assert history.info.not_observed["q_values"] == "progress.csv holds no Q-values"


def test_a_resumed_learn_in_one_progress_csv(tmp_path):
    """SB3 truncates progress.csv at the start, so a second learn() only shows in event files."""
    model = A2C("MlpPolicy", "CartPole-v1", seed=0, device="cpu", tensorboard_log=str(tmp_path))
    model.learn(500, log_interval=20)
    model.learn(500, log_interval=20, reset_num_timesteps=False)
    history = load_history(tmp_path / "A2C_1")
    assert history.step == 1000
    assert history.notes == []


def test_what_the_sinks_wrote_reads_back_the_same_from_both(tmp_path):
    """monitor.jsonl and the TensorBoard scalars under diag/ hold the same series."""
    logger = configure(str(tmp_path / "tb"), ["tensorboard"])
    sinks = [JsonlSink(tmp_path / "own"), LoggerSink(logger)]
    for sink in sinks:
        sink.start(RunInfo(algo="PPO"))
    for step in (256, 512, 768):
        snapshot = Snapshot(step, step / 100, {"policy/kl": step / 1e5, "q/bias": -0.5})
        for sink in sinks:
            sink.snapshot(snapshot)
        if step < 768:  # SB3 dumps no more after the last update
            logger.dump(step)
    for sink in sinks:
        sink.finish(Verdict("healthy"))
    own = load_history(tmp_path / "own")
    logged = load_history(tmp_path / "tb")
    assert own.names == logged.names == ["policy/kl", "q/bias"]
    for name in own.names:
        np.testing.assert_array_equal(own.series(name).steps, logged.series(name).steps)
        np.testing.assert_allclose(own.series(name).values, logged.series(name).values, rtol=1e-6)
    assert len(read_history(tmp_path / "own" / "monitor.jsonl")) == 3
