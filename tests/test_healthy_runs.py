"""Whole healthy runs through the command, as a user starts them: solved, silent, reported. Slow."""

import json
from pathlib import Path

import pytest

from sb3_ac_ext.cli import main
from sb3_ac_ext.monitoring.history import read_history

RUNS = {
    "ppo": ("CartPole-v1", "50000", 400.0),
    "trpo": ("CartPole-v1", "60000", 400.0),
    "dqn": ("CartPole-v1", "50000", 400.0),
    "sac": ("Pendulum-v1", "8000", -300.0),
    "tqc": ("Pendulum-v1", "6000", -500.0),
}


@pytest.mark.slow
@pytest.mark.parametrize("algo", RUNS)
def test_healthy_run(algo: str, tmp_path: Path) -> None:
    env, steps, target = RUNS[algo]
    command = ["train", "--algo", algo, "--env", env, "-n", steps, "--seed", "1"]
    assert main([*command, "-f", str(tmp_path), "--num-threads", "1"]) == 0
    folder = tmp_path / algo / f"{env}_1"
    facts = json.loads((folder / "run.json").read_text())
    assert facts["outcome"] == "finished" and facts["verdict"] == "healthy"
    canary = read_history(folder / "monitor.jsonl").series("canary/return_mean").values
    assert canary[-3:].max() > target
    assert (folder / "report.html").stat().st_size < 6_000_000
    assert main(["diagnose", str(folder), "--json"]) == 0
