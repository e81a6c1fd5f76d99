"""``sb3-ac train``: paused, preempted, killed, and gone on with."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch as th
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sb3_ac_ext import experiment
from sb3_ac_ext.checkpoints.bundle import bundles, newest_complete
from sb3_ac_ext.cli import main
from sb3_ac_ext.experiment import RunSpec, run
from sb3_ac_ext.monitoring.history import read_history
from sb3_ac_ext.run_resume import continue_run

A2C: dict[str, Any] = {"algo": "a2c", "env": "CartPole-v1", "n_timesteps": 1600}
SMALL: dict[str, Any] = {"n_envs": 2, "n_steps": 8, "normalize": True}


def spec(folder: Path, **fields: Any) -> RunSpec:
    base = {
        **A2C,
        "seed": 1,
        "log_folder": str(folder / "logs"),
        "hyperparams": SMALL,
        "eval_freq": 400,
        "canary_episodes": 2,
        "device": "cpu",
        "num_threads": 1,
        "verbose": 0,
        "report": False,
        "log_interval": 10,
    }
    return RunSpec(**{**base, **fields})


def weights(folder: Path) -> dict[str, Any]:
    with zipfile.ZipFile(next(folder.glob("*-v*.zip"))) as archive:
        return {
            f"{name}/{key}": value
            for name in ("policy.pth", "policy.optimizer.pth")
            for key, value in _flat(th.load(io.BytesIO(archive.read(name)), weights_only=True))
        }


def _flat(value: Any, path: str = "") -> Any:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _flat(part, f"{path}.{key}")
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _flat(part, f"{path}[{index}]")
    else:
        yield path, value


def assert_same_weights(a: Path, b: Path) -> None:
    left, right = weights(a), weights(b)
    assert left.keys() == right.keys()
    for name, value in left.items():
        same = (
            th.equal(value, right[name]) if isinstance(value, th.Tensor) else value == right[name]
        )
        assert same, name


def returns(folder: Path, worker: int = 0) -> list[str]:
    """Rows of a worker's ``monitor.csv`` without the wall time."""
    lines = (folder / f"{worker}.monitor.csv").read_text().splitlines()[1:]
    return [line.rpartition(",")[0] for line in lines]


def curves(tensorboard: Path) -> dict[str, list[tuple[int, float]]]:
    (folder,) = (p for p in tensorboard.rglob("*_1") if p.is_dir())
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
        if not tag.startswith(("time/", "diag/"))
    }


def test_a_paused_run_goes_on_as_if_it_had_not(tmp_path: Path) -> None:
    for name, stop in (("whole", None), ("paused", 700)):
        made = spec(tmp_path / name, tensorboard_log=str(tmp_path / name / "tb"), stop_at=stop)
        result = run(made)
        assert result.outcome.status == ("finished" if stop is None else "paused")
    folder = result.folder
    at = newest_complete(folder / "bundles")[0].steps
    assert 700 <= at < 1600 and result.steps == at
    assert continue_run(folder, verbose=0).outcome.status == "finished"
    whole = tmp_path / "whole" / "logs" / "a2c" / "CartPole-v1_1"
    assert_same_weights(whole, folder)
    assert returns(whole) == returns(folder) and returns(whole, 1) == returns(folder, 1)
    with np.load(whole / "evaluations.npz") as a, np.load(folder / "evaluations.npz") as b:
        assert a["timesteps"].tolist() == b["timesteps"].tolist() == [400, 800, 1200, 1600]
        assert a["results"].tolist() == b["results"].tolist()
    best = [json.loads((f / "best_model.json").read_text()) for f in (whole, folder)]
    assert best[0]["num_timesteps"] == best[1]["num_timesteps"]
    assert curves(tmp_path / "whole" / "tb") == curves(tmp_path / "paused" / "tb")
    facts = json.loads((folder / "run.json").read_text())
    assert (facts["outcome"], facts["steps"]) == ("finished", 1600)


def test_history_goes_on_without_gap_or_overlap(tmp_path: Path) -> None:
    folder = run(spec(tmp_path, stop_at=700)).folder
    before = read_history(folder / "monitor.jsonl")
    at = newest_complete(folder / "bundles")[0].steps
    continue_run(folder, verbose=0)
    after = read_history(folder / "monitor.jsonl")
    assert not after.notes
    steps = [snapshot.step for snapshot in after]
    assert steps == sorted(set(steps)) and steps[-1] == 1600
    kept = [snapshot for snapshot in before if snapshot.step <= at]
    for old, new in zip(kept[:-1], after, strict=False):
        assert (old.step, old.values.keys()) == (new.step, new.values.keys())
    assert max(np.diff(steps)) <= 2 * max(np.diff([snapshot.step for snapshot in kept]))


def test_what_was_done_after_the_last_bundle_is_done_again(tmp_path: Path) -> None:
    """As after ``kill -9``: records reach further than the bundle."""
    tensorboard = tmp_path / "tb"
    whole = run(spec(tmp_path / "a")).folder
    folder = run(spec(tmp_path / "b", tensorboard_log=str(tensorboard), bundle_freq=600)).folder
    for path in bundles(folder / "bundles")[:1]:  # that of the end
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    assert newest_complete(folder / "bundles")[0].steps < 1600
    continue_run(folder, verbose=0)
    assert_same_weights(whole, folder)
    assert returns(whole) == returns(folder)
    for points in curves(tensorboard).values():
        steps = [step for step, _ in points]
        assert steps == sorted(set(steps))


def test_a_larger_budget_asks_what_schedules_do(tmp_path: Path) -> None:
    linear = {**SMALL, "learning_rate": "lin_1e-3"}
    folder = run(spec(tmp_path, hyperparams=linear)).folder
    with pytest.raises(ValueError, match="has done 1,600 of 1,600 steps: a larger n_timesteps"):
        continue_run(folder, verbose=0)
    with pytest.raises(ValueError, match="learning_rate follows the budget, which was 1,600 steps"):
        continue_run(folder, 2400, verbose=0)
    assert continue_run(folder, 2400, schedules="keep", verbose=0).steps == 2400
    assert _rate(folder) == 0.0
    assert continue_run(folder, 4000, schedules="extend", verbose=0).steps == 4000
    assert _rate(folder) == pytest.approx(0.0, abs=1e-4)


def test_a_new_budget_is_remembered(tmp_path: Path) -> None:
    linear = {**SMALL, "learning_rate": "lin_1e-3"}
    folder = run(spec(tmp_path, hyperparams=linear)).folder
    result = continue_run(folder, 2400, stop_at=2000, schedules="keep", verbose=0)
    assert result.outcome.status == "paused" and result.steps < 2400
    assert continue_run(folder, verbose=0).steps == 2400
    assert _rate(folder) == 0.0


def test_huge_replay_buffers_are_bundled_only_if_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sac = {"n_envs": 1, "learning_starts": 20, "batch_size": 8, "buffer_size": 500}
    fields = {"algo": "sac", "env": "Pendulum-v1", "n_timesteps": 60, "hyperparams": sac}
    assert (run(spec(tmp_path, **fields)).folder / "bundles").exists()
    monkeypatch.setattr(experiment, "_MOST_BUNDLED", 1000)
    assert not (run(spec(tmp_path, **fields)).folder / "bundles").exists()
    assert (run(spec(tmp_path, **fields, bundle_freq=50)).folder / "bundles").exists()


def _rate(folder: Path) -> float:
    name = next(key for key in weights(folder) if key.endswith(".lr"))
    return float(weights(folder)[name])


def test_a_constant_rate_needs_no_question(tmp_path: Path) -> None:
    constant = {**SMALL, "learning_rate": 1e-3}
    folder = run(spec(tmp_path, hyperparams=constant)).folder
    assert continue_run(folder, 2000, verbose=0).steps == 2000


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda f: f.rename(f.with_name("moved")), "does not exist"),
        (lambda f: (f / "CartPole-v1" / "args.yml").unlink(), "is no run folder"),
        (lambda f: (f / "CartPole-v1" / "config.yml").unlink(), r"cannot read .*config\.yml"),
        (
            lambda f: (f / "CartPole-v1" / "config.yml").write_text("3"),
            r"config\.yml holds int, not a mapping",
        ),
        (lambda f: (f / "bundles").rename(f / "other"), "holds no complete bundle"),
        (
            lambda f: (f / "CartPole-v1" / "config.yml").write_text(
                (f / "CartPole-v1" / "config.yml").read_text().replace("n_envs: 2", "n_envs: 3")
            ),
            "n_envs differs: 2 in the bundle, 3 in the model",
        ),
    ],
)
def test_bad_input_is_one_sentence_and_changes_nothing(
    prepare: Any, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run(spec(tmp_path, n_timesteps=200, stop_at=100)).folder
    prepare(folder)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    assert main(["train", "--resume", str(folder)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("sb3-ac: error: ") and err.count("\n") == 1
    import re

    assert re.search(message, err)
    after = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    assert {p: t for p, t in after.items() if p.suffix != ".csv"} == {
        p: t for p, t in before.items() if p.suffix != ".csv"
    }


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--resume", "x", "--algo", "sac"], "--algo does not go with --resume"),
        (["--schedules", "keep"], "--schedules keep goes with --resume RUN"),
        (["--stop-at", "0"], "stop_at=0 must be a positive"),
        (["--stop-at", "5", "--bundle-freq", "0"], "stop_at=5 pauses with a bundle"),
        (["--bundle-freq", "-1"], "bundle_freq=-1 must be at least 0"),
    ],
)
def test_flags_that_do_not_fit(
    flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *flags]) == 2
    assert message in capsys.readouterr().err


def test_without_bundles_there_are_none(tmp_path: Path) -> None:
    folder = run(spec(tmp_path, n_timesteps=100, bundle_freq=0)).folder
    assert not (folder / "bundles").exists()


COMMAND = [
    *(sys.executable, "-m", "sb3_ac_ext", "train", "--algo", "ppo", "--env", "CartPole-v1"),
    *("--seed", "1", "--eval-freq", "-1", "--canary-freq", "0", "--num-threads", "1"),
    *("--device", "cpu", "--no-report", "-params", "n_envs:2", "n_steps:64", "batch_size:32"),
]


def begun(tmp_path: Path, *flags: str) -> tuple[subprocess.Popen[str], Path]:
    """A run in a process of its own that has written a bundle."""
    command = [*COMMAND[:4], *flags, *COMMAND[4:], "-f", str(tmp_path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, **pipes, text=True, start_new_session=True)
    folder = tmp_path / "ppo" / "CartPole-v1_1"
    end = time.monotonic() + 120
    while len(bundles(folder / "bundles")) < 2:
        assert process.poll() is None and time.monotonic() < end, process.communicate()
        time.sleep(0.05)
    return process, folder


@pytest.mark.parametrize("vec_env", ["dummy", "subproc"])
def test_sigterm_ends_with_a_bundle_and_a_code_to_try_again(vec_env: str, tmp_path: Path) -> None:
    flags = ("-n", "10000000", "--bundle-freq", "500", "--vec-env", vec_env)
    process, folder = begun(tmp_path, *flags)
    start = time.monotonic()
    os.killpg(process.pid, signal.SIGTERM)  # all of its processes, as schedulers do
    out, err = process.communicate(timeout=60)
    assert process.returncode == 75, err
    assert time.monotonic() - start < 30 and err == ""
    assert "preempted: " in out and f"sb3-ac train --resume {folder}" in out
    facts = json.loads((folder / "run.json").read_text())
    assert facts["outcome"] == "preempted"
    assert newest_complete(folder / "bundles")[0].steps == facts["steps"]


def test_a_killed_run_goes_on_and_comes_to_the_same_end(tmp_path: Path) -> None:
    process, folder = begun(tmp_path, "-n", "4000", "--bundle-freq", "200")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert json.loads((folder / "run.json").read_text())["outcome"] == "running"
    goes_on = [*COMMAND[:4], "--resume", str(folder), "--no-report", "--num-threads", "1"]
    done = subprocess.run(goes_on, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "goes on at step" in done.stdout
    whole = [*COMMAND[:4], "-n", "4000", *COMMAND[4:], "-f", str(tmp_path / "whole")]
    assert subprocess.run(whole, capture_output=True, check=False).returncode == 0
    assert_same_weights(tmp_path / "whole" / "ppo" / "CartPole-v1_1", folder)


@pytest.mark.parametrize("kind", [{"vec_env": "subproc"}, {"env": "LunarLander-v3"}])
def test_environments_that_are_elsewhere_or_opaque_go_on_too(
    kind: dict[str, Any], tmp_path: Path
) -> None:
    fields = {**kind, "n_timesteps": 600, "eval_freq": -1}
    whole = run(spec(tmp_path / "whole", **fields)).folder
    folder = run(spec(tmp_path / "paused", **fields, stop_at=300)).folder
    assert newest_complete(folder / "bundles")[0].manifest["exact"]
    continue_run(folder, verbose=0)
    assert_same_weights(whole, folder)


def test_stop_at_may_be_given_again(tmp_path: Path) -> None:
    folder = run(spec(tmp_path, stop_at=300)).folder
    result = continue_run(folder, stop_at=900, verbose=0)
    assert result.outcome.status == "paused" and 900 <= result.steps < 1100
    whole = run(spec(tmp_path / "whole")).folder
    assert continue_run(folder, verbose=0).steps == 1600
    assert_same_weights(whole, folder)
