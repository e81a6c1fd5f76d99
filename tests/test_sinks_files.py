"""JSONL: what is written, a second start, a torn line before it, a full disk, a deleted folder."""

import json
import shutil

import pytest

from sb3_ac_ext.monitoring.history import read_history
from sb3_ac_ext.monitoring.records import Diagnosis, Finding, RunInfo, Severity, Snapshot, Verdict
from sb3_ac_ext.monitoring.sinks import default_sinks
from sb3_ac_ext.monitoring.sinks.jsonl import JsonlSink

FINDING = Finding(
    detector="kl",
    severity=Severity.CRITICAL,
    message="KL 0.3 above 0.05",
    step=20,
    since=10,
    value=float("inf"),
    threshold=0.05,
    series=("policy/kl",),
    causes={"learning_rate": 0.9},
    advice="Lower learning_rate.",
    worker=2,
)
DIAGNOSIS = Diagnosis(
    "learning_rate", "Steps too large", Severity.CRITICAL, 0.9, 10, ("KL 0.3",), ("kl",), "Lower it"
)
VERDICT = Verdict("critical", (FINDING,), (DIAGNOSIS,))


def snapshot(step):
    return Snapshot(step, step / 10, {"a": float(step)})


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_history_and_findings_are_written_as_they_come(tmp_path):
    sink = JsonlSink(tmp_path / "deep" / "run")
    sink.start(RunInfo(algo="PPO"))
    sink.snapshot(snapshot(10))
    sink.finding(FINDING)
    # flushed per line: readable before the end
    assert read_history(tmp_path / "deep/run/monitor.jsonl").step == 10
    assert lines(tmp_path / "deep/run/findings.jsonl") == [{"kind": "finding", **FINDING.to_json()}]
    sink.finish(VERDICT)
    sink.finish(VERDICT)
    written = lines(tmp_path / "deep/run/findings.jsonl")
    assert [line["kind"] for line in written] == ["finding", "verdict"]
    assert written[1]["diagnoses"][0]["title"] == "Steps too large"


def test_a_second_start_appends(tmp_path):
    for step in (10, 20):
        sink = JsonlSink(tmp_path)
        sink.start(RunInfo(seed=step))
        sink.snapshot(snapshot(step))
        sink.finish(VERDICT)
    kinds = [line["kind"] for line in lines(tmp_path / "monitor.jsonl")]
    assert kinds == ["run", "snapshot", "run", "snapshot"]
    history = read_history(tmp_path / "monitor.jsonl")
    assert [s.step for s in history] == [10, 20]
    assert history.info.seed == 20


def test_a_start_after_a_kill_drops_the_torn_line_only(tmp_path):
    sink = JsonlSink(tmp_path)
    sink.start(RunInfo())
    sink.snapshot(snapshot(10))
    path = tmp_path / "monitor.jsonl"
    path.write_text(path.read_text() + '{"kind":"snap')
    again = JsonlSink(tmp_path)
    again.start(RunInfo())
    again.snapshot(snapshot(20))
    assert [s.step for s in read_history(path)] == [10, 20]


def test_nothing_is_written_before_a_start(tmp_path):
    sink = JsonlSink(tmp_path / "run")
    sink.snapshot(snapshot(1))
    sink.finish(VERDICT)
    assert not (tmp_path / "run").exists()


def test_a_deleted_folder_warns_once_and_training_goes_on(tmp_path):
    sink = JsonlSink(tmp_path / "run")
    sink.start(RunInfo())
    sink.snapshot(snapshot(10))
    shutil.rmtree(tmp_path / "run")
    with pytest.warns(UserWarning, match="stops writing") as caught:
        sink.snapshot(snapshot(20))
        sink.snapshot(snapshot(30))
        sink.finding(FINDING)
        sink.finish(VERDICT)
    assert len(caught) == 1
    assert not (tmp_path / "run").exists()


def test_a_full_disk_warns_once(tmp_path):
    (tmp_path / "monitor.jsonl").symlink_to("/dev/full")
    sink = JsonlSink(tmp_path)
    with pytest.warns(UserWarning, match="No space left") as caught:
        sink.start(RunInfo())
        sink.snapshot(snapshot(10))
        sink.finish(VERDICT)
    assert len(caught) == 1


def test_a_folder_that_cannot_be_made_warns(tmp_path):
    sink = JsonlSink(tmp_path / "run" / "x")
    (tmp_path / "run").write_text("a file is in the way")
    with pytest.warns(UserWarning, match="stops writing"):
        sink.start(RunInfo())
    sink.snapshot(snapshot(1))


def test_a_file_as_log_dir_is_refused(tmp_path):
    (tmp_path / "f").write_text("")
    with pytest.raises(ValueError, match="log_dir must be a folder"):
        JsonlSink(tmp_path / "f")


def test_default_sinks_follow_their_arguments(tmp_path):
    def names(*args):
        return [type(sink).__name__ for sink in default_sinks(*args)]

    assert names(None, None, 0) == ["WandbSink"]
    assert names(tmp_path, "http://localhost:1", 1) == [
        "JsonlSink",
        "WandbSink",
        "WebhookSink",
        "PlainConsole",
    ]
