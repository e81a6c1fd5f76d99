"""``sb3-ac replay``: what it prints, its exit codes, and damaged or foreign input."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from stable_baselines3 import A2C

from sb3_ac_ext.cli import main
from tests.flight.runs import At, FailsOnce, asked, recorder


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    watch = recorder(tmp_path_factory.mktemp("healthy"))
    model = A2C("MlpPolicy", "CartPole-v1", seed=0, device="cpu")
    model.learn(30, callback=[watch, At(26, asked(watch))])
    return watch.flight.dumps[0]


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    watch = recorder(tmp_path_factory.mktemp("broken"))
    env = FailsOnce(gym.make("CartPole-v1"), 13, float("nan"))
    with pytest.raises(ValueError):
        A2C("MlpPolicy", env, seed=0, device="cpu").learn(60, callback=watch)
    return watch.flight.dumps[0]


def refused(capsys: pytest.CaptureFixture[str], *arguments: Any) -> str:
    """The one sentence that bad input gets."""
    assert main(["replay", *map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("sb3-ac: error: ") and err.count("\n") == 1
    return err


def test_a_healthy_update(healthy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(healthy)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("A2C, update 2 at step 25 (3 recorded, counted from 0)\n")
    assert "dumped because: critical finding: asked for" in out
    assert "All tensors stay finite." in out and "times the" in out
    assert out.endswith("The replay reproduced the recorded weights bit for bit.\n")


def test_a_broken_update(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(broken), "--update", "-1"]) == 1
    out = capsys.readouterr().out
    assert "dumped because: reward of worker 0 = nan at step 13" in out
    assert "First wrong tensor: advantages: nan in 3 of 5 entries (data, epoch 0" in out
    assert "advantages = nan, from rewards[2, worker 0] = nan" in out
    assert main(["replay", str(broken), "--update", "0"]) == 0


def test_json(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(broken / "flight.json"), "--json"]) == 1

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    data = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert data["wrong"][0]["name"] == "advantages" and data["reproduced"] is True
    assert data["wrong"][0]["n_rows"] == 3 and data["logged"]["train/value_loss"] == "nan"


@pytest.mark.parametrize("index", ["3", "-4"])
def test_an_update_that_is_not_there(
    index: str, healthy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"no update {index}" in refused(capsys, healthy, "--update", index)


def test_missing_and_foreign(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no dump" in refused(capsys, tmp_path / "nothing")
    assert "not a dump: it holds no flight.json" in refused(capsys, tmp_path)
    (tmp_path / "flight.json").write_text('{"format": "another"}')
    assert "not a dump of the flight recorder" in refused(capsys, tmp_path)
    (tmp_path / "flight.json").write_text('{"format": "sb3_ac_ext flight recorder", "version": 9}')
    assert "version 9" in refused(capsys, tmp_path)


@pytest.fixture
def copy(healthy: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(healthy, tmp_path / "copy"))


@pytest.mark.parametrize("name", ["flight.json", "arrays.npz"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_truncated(name: str, share: float, copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: int(len(content) * share)])
    assert "damaged" in refused(capsys, copy)


@pytest.mark.parametrize("name", ["flight.json", "arrays.npz"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_one_flipped_bit(
    name: str, share: float, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = bytearray((copy / name).read_bytes())
    at = int(len(content) * share)
    if name == "flight.json":  # spaces between the parts mean nothing
        at = next(i for i in range(at, len(content)) if chr(content[i]).isalnum())
    content[at] ^= 1
    (copy / name).write_bytes(bytes(content))
    assert "damaged" in refused(capsys, copy)


def test_without_its_arrays(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / "arrays.npz").unlink()
    assert "arrays.npz is missing" in refused(capsys, copy)


def test_a_custom_class_is_imported_and_asked_for_when_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = "from stable_baselines3 import A2C\n\n\nclass Mine(A2C):\n    pass\n"
    (tmp_path / "my_algorithms.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    from my_algorithms import Mine  # type: ignore[import-not-found]

    watch = recorder(tmp_path / "run")
    model = Mine("MlpPolicy", "CartPole-v1", seed=0, device="cpu")
    model.learn(30, callback=[watch, At(26, asked(watch))])
    assert main(["replay", str(watch.flight.dumps[0])]) == 0
    assert capsys.readouterr().out.startswith("Mine, update")
    (tmp_path / "my_algorithms.py").unlink()
    monkeypatch.delitem(sys.modules, "my_algorithms")
    message = refused(capsys, watch.flight.dumps[0])
    assert "my_algorithms.Mine cannot be imported here: there is no module" in message
