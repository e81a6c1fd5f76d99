"""The crash benchmark kills, damages and counts; here a few times."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sb3_ac_ext.benchmark.crash.victim import train
from sb3_ac_ext.checkpoints.bundle import bundles, newest_complete
from sb3_ac_ext.cli import main


def test_nothing_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "crash", "--kills", "3", "--json"]) == 0
    found = {one["what"]: one for one in json.loads(capsys.readouterr().out)}
    assert found["kill -9"]["times"] == found["kill -9"]["resumed"] == 3
    compared = found["compared with a run that was not killed"]
    assert compared["times"] == compared["resumed"] > 20
    for what in ("a file cut off", "a bit flipped"):
        assert found[what]["times"] == found[what]["resumed"] == 3
    for what in ("disk full", "read-only"):
        assert found[what]["times"] == found[what]["resumed"]
        assert found[what]["times"] == 1 or "needs root" in found[what]["note"]


def test_a_run_without_a_complete_bundle_is_refused(tmp_path: Path) -> None:
    train(tmp_path, 60)
    for path in bundles(tmp_path):
        (path / "state.json").write_text("")
    with pytest.raises(ValueError, match="holds no complete bundle"):
        newest_complete(tmp_path)
