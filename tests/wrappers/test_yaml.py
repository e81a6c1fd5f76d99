"""``vec_env_wrapper:`` in YAML, by ``sb3-ac train`` and by the stock RL Zoo."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from sb3_ac_ext.config import load_config
from sb3_ac_ext.doctor import examine
from sb3_ac_ext.environments import EnvFactory, find_env
from sb3_ac_ext.experiment import RunSpec, prepare, run
from sb3_ac_ext.wrappers import VecWorkerNormalizeReward
from sb3_ac_ext.wrappers.vec_worker_normalize_reward import worker_rewards_wrapper

WRAPPER = "sb3_ac_ext.VecWorkerNormalizeReward"
PPO: dict[str, Any] = {
    "policy": "MlpPolicy",
    "n_envs": 2,
    "n_steps": 64,
    "n_timesteps": 512,
    "gamma": 0.9,
    "vec_env_wrapper": WRAPPER,
}
SAC: dict[str, Any] = {
    "policy": "MlpPolicy",
    "n_envs": 2,
    "n_timesteps": 300,
    "learning_starts": 100,
    "gamma": 0.9,
    "replay_buffer_class": "sb3_ac_ext.WorkerNormalizedReplayBuffer",
}


def settings(folder: Path, env: str, **entry: Any) -> str:
    path = folder / "settings.yml"
    path.write_text(yaml.safe_dump({env: entry}))
    return str(path)


def spec(folder: Path, algo: str, env: str, **entry: Any) -> RunSpec:
    return RunSpec(
        algo=algo,
        env=env,
        conf_file=settings(folder, env, **entry),
        log_folder=str(folder / "logs"),
        seed=0,
        device="cpu",
        verbose=0,
        report=False,
        num_threads=1,
    )


def test_gamma_is_the_algorithms_unless_given(tmp_path: Path) -> None:
    for given, gamma in (({}, 0.9), ({"gamma": 0.5}, 0.5)):
        entry = {**PPO, "vec_env_wrapper": [{WRAPPER: {"warmup": 7, **given}}]}
        config = load_config("ppo", "CartPole-v1", settings(tmp_path, "CartPole-v1", **entry))
        made = EnvFactory(find_env("CartPole-v1"), config.environment)
        training, evaluation = made.training(0), made.evaluation(1, 0)
        found = worker_rewards_wrapper(training)
        assert found is not None and found.worker_rewards.gamma == gamma
        assert found.worker_rewards.warmup == 7
        raw = worker_rewards_wrapper(evaluation)
        assert raw is not None and not raw.worker_rewards.training
        assert not raw.worker_rewards.norm_reward
        made.close()
    config = load_config("sac", "Pendulum-v1", settings(tmp_path, "Pendulum-v1", **SAC))
    assert config.hyperparameters["replay_buffer_kwargs"] == {"gamma": 0.9}


def test_a_run_leaves_its_scales_and_a_continued_one_takes_them_up(tmp_path: Path) -> None:
    wanted = spec(tmp_path, "ppo", "CartPole-v1", **PPO, normalize={"norm_reward": False})
    done = run(wanted)
    assert not done.outcome.failed, done.outcome
    path = done.folder / "CartPole-v1" / "worker_rewards.npz"
    with np.load(path, allow_pickle=False) as saved:
        count = saved["count"]
    assert (count > 200).all()
    zip_file = str(done.folder / "CartPole-v1.zip")
    ready = prepare(replace(wanted, trained_agent=zip_file))
    found = worker_rewards_wrapper(ready.model.get_env())
    assert isinstance(found, VecWorkerNormalizeReward)
    assert (found.worker_rewards.get_state()["count"] == count).all()
    ready.factory.close()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"normalize": True}, r"normalised twice, by .* in YAML normalize: {norm_reward: false}"),
        ({"vec_env_wrapper": {WRAPPER: {"gamma": 0.5}}}, "gamma=0.5 and PPO has gamma=0.9"),
        ({"vec_env_wrapper": [WRAPPER, WRAPPER]}, "normalised twice"),
        ({"vec_env_wrapper": {WRAPPER: {"clip_reward": -1.0}}}, "clip_reward=-1.0 is not"),
    ],
)
def test_what_cannot_be_is_said_before_training(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        prepare(spec(tmp_path, "ppo", "CartPole-v1", **{**PPO, **change}))
    assert not list((tmp_path / "logs").glob("ppo/*"))


def test_off_policy(tmp_path: Path) -> None:
    assert not run(spec(tmp_path, "sac", "Pendulum-v1", **SAC)).outcome.failed
    stale = {**SAC, "vec_env_wrapper": WRAPPER}
    del stale["replay_buffer_class"]
    with pytest.raises(ValueError, match="replay_buffer_class=WorkerNormalizedReplayBuffer"):
        prepare(spec(tmp_path, "sac", "Pendulum-v1", **stale))


def test_the_doctor_reads_gamma_and_counts_normalisers(tmp_path: Path) -> None:
    conf = settings(
        tmp_path, "CartPole-v1", **{**PPO, "vec_env_wrapper": {WRAPPER: {"gamma": 0.5}}}
    )
    found = {c.name: c for c in examine("CartPole-v1", "ppo", conf_file=conf, timeout=60).checks}
    assert "has gamma 0.5, the algorithm has 0.9" in found["normaliser's gamma"].message
    assert found["algorithm"].status.value == "fail"
    assert "reward by VecWorkerNormalizeReward" in found["normalised once"].message


@pytest.mark.parametrize("normalize", ["{norm_reward: false, gamma: 0.9}", "true"])
def test_the_stock_zoo_trains_and_evaluates_raw(tmp_path: Path, normalize: str) -> None:
    entry = {**PPO, "vec_env_wrapper": {WRAPPER: {"gamma": 0.9, "warmup": 0}}}
    conf = settings(tmp_path, "CartPole-v1", **entry, normalize=yaml.safe_load(normalize))
    command = [sys.executable, "-m", "rl_zoo3.train", "--algo", "ppo", "--env", "CartPole-v1"]
    command += ["-conf", conf, "--seed", "1", "-f", "zoo", "--eval-freq", "256", "--device", "cpu"]
    command += ["--eval-episodes", "4", "--num-threads", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    if normalize == "true":
        assert done.returncode != 0 and "rewards would be normalised twice" in done.stderr
        return
    assert done.returncode == 0, done.stderr[-2000:]
    found = next(tmp_path.glob("zoo/ppo/*/evaluations.npz"))
    with np.load(found) as saved:
        assert (saved["results"] == saved["ep_lengths"]).all(), "CartPole pays 1 per step"
    command[2:3] = ["rl_zoo3.enjoy"]
    command = [*command[:7], "-f", "zoo", "--no-render", "-n", "100", "--device", "cpu"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    said = re.findall(r"Episode Reward: (\S+)\nEpisode Length (\S+)", done.stdout)
    assert said and all(float(paid) == float(length) for paid, length in said), done.stderr[-2000:]


def test_the_stock_zoo_takes_the_replay_buffer(tmp_path: Path) -> None:
    """It evaluates the name as Python."""
    buffer = "__import__('sb3_ac_ext').WorkerNormalizedReplayBuffer"
    entry = {**SAC, "replay_buffer_class": buffer, "replay_buffer_kwargs": {"gamma": 0.9}}
    conf = settings(tmp_path, "Pendulum-v1", **entry)
    command = [sys.executable, "-m", "rl_zoo3.train", "--algo", "sac", "--env", "Pendulum-v1"]
    command += ["-conf", conf, "--seed", "1", "-f", "zoo", "--eval-freq", "-1", "--device", "cpu"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
