"""The history and its file: reading by name, cutting, and what a killed process leaves."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from sb3_ac_ext.monitoring.history import History, read_history, write_header, write_snapshot
from sb3_ac_ext.monitoring.records import RunInfo, Snapshot


def snapshots(*steps):
    return [Snapshot(step, step / 10, {"a": float(step)}, {"w": (1.0, step)}) for step in steps]


def written(path, *items):
    with path.open("a") as stream:
        for item in items:
            (write_header if isinstance(item, RunInfo) else write_snapshot)(stream, item)
    return path


def test_series_rows_and_progress():
    history = History(RunInfo(total_timesteps=40), snapshots(10, 20, 30))
    assert history.series("a", last=2).values.tolist() == [20.0, 30.0]
    assert history.rows("w", last=1) == [(30, (1.0, 30))]
    assert (len(history), history.step, history.progress) == (3, 30, 0.75)
    assert not history.has("b") and not history.series("b")


def test_steps_must_increase():
    history = History(snapshots=snapshots(10))
    with pytest.raises(ValueError, match="step 10 comes after step 10"):
        history.append(snapshots(10)[0])


def test_a_cut_history_sees_nothing_later_and_cannot_grow():
    history = History(RunInfo(), snapshots(10, 20, 30))
    cut = history.until(2)
    assert cut.series("a").values.tolist() == [10.0, 20.0]
    assert cut.rows("w")[-1][0] == 20
    assert cut.last is not None and cut.last.step == 20
    with pytest.raises(ValueError, match="cut history"):
        cut.append(snapshots(40)[0])


def test_round_trip_keeps_numbers_that_json_lacks(tmp_path):
    odd = Snapshot(5, 0.5, {"nan": float("nan"), "inf": float("-inf")}, {"w": (float("nan"), 2.0)})
    info = RunInfo(algo="PPO", seed=3, hyperparameters={"n": 1}, not_observed={"q": "none"})
    history = read_history(written(tmp_path / "monitor.jsonl", info, odd))
    assert history.info == info
    (read,) = list(history)
    assert np.isnan(read.values["nan"]) and read.values["inf"] == float("-inf")
    assert np.isnan(read.arrays["w"][0]) and read.arrays["w"][1] == 2.0


def test_torn_last_line_is_dropped_with_a_note(tmp_path):
    path = written(tmp_path / "monitor.jsonl", RunInfo(), *snapshots(1, 2))
    path.write_text(path.read_text()[:-9])
    history = read_history(path)
    assert history.step == 1
    assert "torn" in history.notes[0]


def test_a_damaged_line_before_the_last_is_an_error(tmp_path):
    path = written(tmp_path / "monitor.jsonl", RunInfo(), *snapshots(1))
    path.write_text(path.read_text() + "not json\n")
    written(path, *snapshots(2))
    with pytest.raises(ValueError, match=r"monitor\.jsonl line 3"):
        read_history(path)


@pytest.mark.parametrize("content", ["", "{}", "12\n", '{"kind": "snapshot"}\n', "\x00\xff"])
def test_a_file_without_header_is_an_error(tmp_path, content):
    path = tmp_path / "monitor.jsonl"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"monitor\.jsonl"):
        read_history(path)


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ((10, 20, 30), (40, 50), [10, 20, 30, 40, 50]),  # continued
        ((10, 20, 30), (25, 35), [10, 20, 25, 35]),  # resumed from a checkpoint
        ((10, 20, 30), (10, 20), [10, 20]),  # begun anew
    ],
)
def test_a_second_run_in_the_file_supersedes_what_it_repeats(tmp_path, first, second, kept):
    path = written(tmp_path / "monitor.jsonl", RunInfo(seed=1), *snapshots(*first))
    written(path, RunInfo(seed=2), *snapshots(*second))
    history = read_history(path)
    assert [snapshot.step for snapshot in history] == kept
    assert history.info.seed == 2
    assert len(history.notes) == (len(kept) < len(first) + len(second))


def test_steps_that_go_back_within_a_run_are_an_error(tmp_path):
    path = written(tmp_path / "monitor.jsonl", RunInfo(), *snapshots(10, 20), *snapshots(20, 30))
    with pytest.raises(ValueError, match=r"line 4.*step 20 comes after step 20"):
        read_history(path)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('{"kind": "snapshot", "step": 1, "values": {}}', "history: field 'seconds' is missing$"),
        ('{"step": 1}', "history: field 'kind' is missing$"),
        ("[1, 2]", "history: it is not a JSON object$"),
    ],
)
def test_a_line_that_is_json_but_no_snapshot_is_an_error(tmp_path, line, sentence):
    path = written(tmp_path / "monitor.jsonl", RunInfo())
    path.write_text(path.read_text() + line + "\n")
    written(path, *snapshots(2))
    with pytest.raises(ValueError, match=f"line 2 is not a line of a monitor {sentence}"):
        read_history(path)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="cannot read"):
        read_history(tmp_path / "monitor.jsonl")


WRITER = """
import sys
from sb3_ac_ext.monitoring.records import RunInfo, Snapshot
from sb3_ac_ext.monitoring.sinks.jsonl import JsonlSink
sink = JsonlSink(sys.argv[1])
sink.start(RunInfo(algo="PPO"))
step = 0
while True:
    step += 1
    sink.snapshot(Snapshot(step, step / 10, {"a": float(step)}))
    print(step, flush=True)
"""


def test_readable_after_kill_9(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    reported = 0
    while reported < 50 and time.monotonic() < deadline:
        reported = int(process.stdout.readline())
    os.kill(process.pid, signal.SIGKILL)
    reported = max([reported, *map(int, process.stdout.read().split())])
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()
    history = read_history(tmp_path / "monitor.jsonl")
    assert history.info.algo == "PPO"
    assert history.step >= reported >= 50
    assert len(history) == history.step
