"""``sb3-ac diagnose``: what is printed, the JSON, the table of many runs, the exit status."""

import json
import subprocess
import sys

import pytest

from sb3_ac_ext.cli import main
from sb3_ac_ext.monitoring.history import write_header, write_snapshot
from sb3_ac_ext.monitoring.records import RunInfo, Snapshot, Verdict
from tests.test_sinks_files import DIAGNOSIS, FINDING

INFO = RunInfo(
    algo="PPO",
    env_id="Toy-v0",
    seed=3,
    n_envs=2,
    total_timesteps=1000,
    hyperparameters={"max_grad_norm": float("inf")},
    not_observed={"canary": "canary_freq is 0"},
)


def run_folder(path, nonfinite=0.0, n=12):
    path.mkdir(parents=True)
    info = RunInfo(**{**INFO.__dict__, "hyperparameters": {}})
    with (path / "monitor.jsonl").open("w") as stream:
        write_header(stream, info)
        for i in range(1, n + 1):
            values = {"episodes/return_mean": 10.0 * i, "rewards/nonfinite": nonfinite}
            write_snapshot(stream, Snapshot(50 * i, 0.5 * i, values))
    return path


@pytest.fixture
def verdict(monkeypatch):
    """Judge every run the same way, to test what is made of the judgement."""

    def set_verdict(verdict):
        monkeypatch.setattr("sb3_ac_ext.monitoring.watch.judge", lambda history: verdict)

    return set_verdict


def test_a_healthy_run(tmp_path, capsys):
    assert main(["diagnose", str(run_folder(tmp_path / "run"))]) == 0
    out = capsys.readouterr().out
    assert out.startswith("PPO on Toy-v0, seed 3, 600 of 1,000 steps, read from monitor.jsonl\n")
    assert "Verdict: healthy, no findings" in out
    assert "canary  canary_freq is 0" in out


def test_a_run_with_broken_rewards_is_critical(tmp_path, capsys):
    assert main(["diagnose", str(run_folder(tmp_path / "run", nonfinite=4.0))]) == 1
    out = capsys.readouterr().out
    assert "Verdict: critical" in out
    assert "Findings\nCRITICAL step 50" in out


@pytest.mark.parametrize(
    ("status", "code"),
    [("healthy", 0), ("info", 0), ("warning", 0), ("not enough evidence", 0), ("critical", 1)],
)
def test_exit_status(tmp_path, verdict, status, code):
    verdict(Verdict(status))
    assert main(["diagnose", str(run_folder(tmp_path / "run"))]) == code
    assert main(["diagnose", str(tmp_path / "run"), "--json"]) == code


def test_verbose_shows_all_causes_and_details(tmp_path, verdict, capsys):
    verdict(Verdict("critical", (FINDING,), (DIAGNOSIS,) * 5))
    path = str(run_folder(tmp_path / "run"))
    main(["diagnose", path])
    short = capsys.readouterr().out
    main(["diagnose", path, "--verbose"])
    long = capsys.readouterr().out
    assert short.count("Steps too large") == 3 and "and 2 less likely causes" in short
    assert long.count("Steps too large") == 5
    assert "policy/kl" in long and "policy/kl" not in short
    assert "inf, threshold 0.05, since step 10" in long
    assert "Lower learning_rate." in long


def test_json_is_one_document(tmp_path, verdict, capsys, monkeypatch):
    from sb3_ac_ext.monitoring import sources
    from sb3_ac_ext.monitoring.history import History

    verdict(Verdict("critical", (FINDING,), (DIAGNOSIS,)))
    history = History(INFO, [Snapshot(5, 0.1, {"episodes/return_mean": float("nan")})])
    history.notes.append("a note")
    monkeypatch.setattr(sources, "load_history", lambda path: history)
    assert main(["diagnose", str(tmp_path / "run"), "--json"]) == 1
    document = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert document["status"] == "critical"
    assert document["run"]["algo"] == "PPO"
    assert document["run"]["hyperparameters"] == {"max_grad_norm": "inf"}
    assert document["findings"][0]["detector"] == "kl"
    assert document["findings"][0]["value"] == "inf"
    assert document["diagnoses"][0]["cause"] == "learning_rate"
    assert document["not_observed"] == {"canary": "canary_freq is 0"}
    assert document["notes"] == ["a note"]
    assert (document["step"], document["snapshots"]) == (5, 1)
    assert document["last"] == {"episodes/return_mean": "nan", "canary/return_mean": None}


def test_many_runs_give_a_table(tmp_path, capsys):
    run_folder(tmp_path / "ppo" / "Toy-v0_1")
    run_folder(tmp_path / "ppo" / "Toy-v0_2", nonfinite=1.0)
    (tmp_path / "ppo" / "Toy-v0_3").mkdir()
    (tmp_path / "ppo" / "Toy-v0_3" / "evaluations.npz").write_bytes(b"broken")
    assert main(["diagnose", str(tmp_path)]) == 1
    rows = [line for line in capsys.readouterr().out.splitlines() if "Toy-v0_" in line]
    assert "healthy" in rows[0] and "600" in rows[0] and "120.0" in rows[0] and "PPO" in rows[0]
    assert "critical" in rows[1]
    assert "unusable" in rows[2] and " evaluations.npz is not a readable npz" in rows[2]


def test_many_runs_in_json(tmp_path, capsys):
    run_folder(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "progress.csv").write_text("")
    assert main(["diagnose", str(tmp_path), "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)["runs"]
    assert first["status"] == "healthy"
    assert second["path"].endswith("b")
    assert "progress.csv is empty" in second["error"]


def test_only_unusable_runs_are_unusable(tmp_path, capsys):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "monitor.jsonl").write_text("junk\n")
    assert main(["diagnose", str(tmp_path)]) == 2
    rows = [line for line in capsys.readouterr().out.splitlines() if " unusable " in line]
    assert len(rows) == 2 and all("monitor.jsonl line 1" in row for row in rows)


def test_a_single_run_below_is_shown_in_full(tmp_path, capsys):
    run_folder(tmp_path / "logs" / "ppo" / "Toy-v0_1")
    assert main(["diagnose", str(tmp_path / "logs")]) == 0
    assert capsys.readouterr().out.startswith("PPO on Toy-v0")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("monitor.jsonl", "junk\n"),
        ("evaluations.npz", "junk"),
        ("progress.csv", "a,b\n1,2\n"),
        ("0.monitor.csv", "junk\n"),
        ("events.out.tfevents.1.host", "junk"),
        ("notes.txt", "junk"),
    ],
)
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_unusable_input_is_one_sentence(tmp_path, capsys, name, content, flags):
    (tmp_path / name).write_text(content)
    assert main(["diagnose", str(tmp_path / name), *flags]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1 and name.split(".")[1] in captured.err


@pytest.mark.parametrize("path", ["nowhere", "."])
def test_paths_without_a_run(tmp_path, capsys, path):
    assert main(["diagnose", str(tmp_path / path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("verb", ["diagnose", "report"])
@pytest.mark.parametrize("path", ["", " "])
def test_an_empty_path_is_not_this_folder(tmp_path, monkeypatch, capsys, verb, path):
    run_folder(tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    assert main([verb, path]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1 and "the path is empty" in captured.err
    assert main(["diagnose", "."]) == 0


def test_diagnosis_needs_neither_torch_nor_sb3(tmp_path):
    """Offline: of all sources, in a process where importing them would fail."""
    import numpy as np
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(tmp_path / "tb"))
    writer.add_scalar("train/loss", 1.0, 5)
    writer.close()
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv" / "progress.csv").write_text("time/total_timesteps,a\n1,2\n")
    (tmp_path / "npz").mkdir()
    np.savez(tmp_path / "npz" / "evaluations.npz", timesteps=[1], results=[[1.0]])
    (tmp_path / "mon").mkdir()
    (tmp_path / "mon" / "0.monitor.csv").write_text("#{}\nr,l,t\n1,2,3\n")
    run_folder(tmp_path / "own")
    code = (
        "import sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, *_):\n"
        "        roots = ('torch', 'stable_baselines3', 'gymnasium', 'rl_zoo3', 'tensorflow')\n"
        "        if name.split('.')[0] in roots:\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Blocked())\n"
        "from sb3_ac_ext.cli.diagnose import run\n"
        "import argparse, pathlib\n"
        f"path = pathlib.Path({str(tmp_path)!r})\n"
        "args = argparse.Namespace(path=path, json=True, verbose=False)\n"
        "raise SystemExit(run(args))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    runs = json.loads(result.stdout)["runs"]
    assert [run.get("error") for run in runs] == [None] * 5
