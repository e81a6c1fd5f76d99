"""N steps are N/2 steps, an end, a new beginning, and N/2 steps: bit for bit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch as th

from sb3_ac_ext.checkpoints.bundle import newest_complete
from tests.checkpoints.runs import CASES, train

_FAST = ("ppo", "ppo-normalised-gsde", "sac-normalised-gsde-wrapped", "ours-td3-n-step", "dqn")
_NEW_PROCESS = ("ours-ppo", "ppo-lander-subproc")


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = th.get_num_threads()
    th.set_num_threads(1)
    yield
    th.set_num_threads(before)


def _whole_and_begun(name: str, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    whole = train(CASES[name], folder)
    begun = train(CASES[name], folder, stop=CASES[name].stop)
    bundle, problems = newest_complete(folder)
    assert not problems and bundle.manifest["exact"]
    assert CASES[name].stop <= bundle.steps < CASES[name].total
    begun["logged"] = [row for row in begun["logged"] if row[0] <= bundle.steps]
    return whole, begun


def _assert_same(whole: dict[str, Any], begun: dict[str, Any], rest: dict[str, Any]) -> None:
    different = {
        path: (value, rest["state"].get(path))
        for path, value in whole["state"].items()
        if rest["state"].get(path) != value
    }
    assert not different
    assert whole["state"].keys() == rest["state"].keys()
    assert [list(row) for row in whole["logged"]] == [
        list(row) for row in (*begun["logged"], *rest["logged"])
    ]


def _in_a_new_process(name: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.checkpoints.runs", name, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", _FAST)
def test_going_on_is_as_if_nothing_had_happened(name: str, tmp_path: Path) -> None:
    whole, begun = _whole_and_begun(name, tmp_path)
    np.random.seed(99)  # noqa: NPY002
    th.manual_seed(99)
    _assert_same(whole, begun, train(CASES[name], tmp_path, going_on=True))


@pytest.mark.parametrize("name", _NEW_PROCESS)
def test_in_a_new_process(name: str, tmp_path: Path) -> None:
    whole, begun = _whole_and_begun(name, tmp_path)
    _assert_same(whole, begun, _in_a_new_process(name, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_every_case_in_a_new_process(name: str, tmp_path: Path) -> None:
    whole, begun = _whole_and_begun(name, tmp_path)
    _assert_same(whole, begun, _in_a_new_process(name, tmp_path))


def test_the_comparison_sees_a_run_that_is_not_continued(tmp_path: Path) -> None:
    whole = train(CASES["ppo"], tmp_path)
    other = train(CASES["ppo"], tmp_path / "other", stop=CASES["ppo"].stop)
    with pytest.raises(AssertionError):
        _assert_same(whole, {"logged": []}, other)
