"""Bundles on disk: complete or not there, and whatever is damaged is one sentence."""

from __future__ import annotations

import errno
import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sb3_ac_ext.checkpoints import bundle as module
from sb3_ac_ext.checkpoints.bundle import (
    Content,
    newest_complete,
    read_arrays,
    verified,
    write_bundle,
)
from sb3_ac_ext.checkpoints.codec import decode, encode


def content(steps: int, value: Any = None) -> Content:
    arrays: dict[str, Any] = {}
    state = encode({"steps": steps, "value": value, "x": np.arange(5.0)}, arrays)
    return Content({"num_timesteps": steps, "created": f"{steps:04}"}, state, arrays)


def read(path: Path) -> Any:
    return decode(*verified(path).state())


def test_what_is_written_is_read(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path, content(7, "text"))
    assert bundle.path == tmp_path / "bundle-7"
    assert sorted(p.name for p in bundle.path.iterdir()) == [
        "arrays.npz",
        "manifest.json",
        "state.json",
    ]
    found = read(bundle.path)
    assert (found["steps"], found["value"], found["x"].tolist()) == (7, "text", [0, 1, 2, 3, 4])


def test_the_newest_complete_one_is_found(tmp_path: Path) -> None:
    for steps in (5, 20, 100):
        write_bundle(tmp_path, content(steps))
    (tmp_path / "bundle-100" / "arrays.npz").write_bytes(b"")
    (tmp_path / ".bundle-200.part").mkdir()
    bundle, problems = newest_complete(tmp_path)
    assert bundle.steps == 20
    assert len(problems) == 1 and "0 bytes instead of" in problems[0]


def test_of_several_runs_in_a_folder_the_last_one_goes_on(tmp_path: Path) -> None:
    for created, steps in enumerate((50, 900, 10, 20)):  # the second run took fewer steps so far
        made = content(steps)
        made.facts["created"] = f"2026-01-0{created + 1}T00:00:00.000000+00:00"
        write_bundle(tmp_path, made)
    assert newest_complete(tmp_path)[0].steps == 20


def test_no_bundle_at_all(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no complete bundle$"):
        newest_complete(tmp_path / "missing")
    write_bundle(tmp_path, content(5))
    (tmp_path / "bundle-5" / "state.json").unlink()
    with pytest.raises(ValueError, match=r"holds no complete bundle: .*state\.json is missing"):
        newest_complete(tmp_path)


def test_a_damaged_one_is_replaced_and_a_complete_one_left(tmp_path: Path) -> None:
    write_bundle(tmp_path, content(5, "first"))
    write_bundle(tmp_path, content(5, "second"))
    assert read(tmp_path / "bundle-5")["value"] == "first"
    (tmp_path / "bundle-5" / "state.json").write_text("{}")
    write_bundle(tmp_path, content(5, "third"))
    assert read(tmp_path / "bundle-5")["value"] == "third"
    assert [p.name for p in tmp_path.iterdir()] == ["bundle-5"]


@pytest.mark.parametrize("call", range(12))
def test_a_full_disk_at_any_moment_loses_nothing(
    call: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bundle(tmp_path, content(1))
    calls = iter(range(10**6))

    def failing(original: Any) -> Any:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if next(calls) == call:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return original(*args, **kwargs)

        return wrapped

    monkeypatch.setattr(module.np, "savez", failing(np.savez))
    monkeypatch.setattr(module.os, "fsync", failing(os.fsync))
    monkeypatch.setattr(Path, "rename", failing(Path.rename))
    monkeypatch.setattr(Path, "mkdir", failing(Path.mkdir))
    try:
        write_bundle(tmp_path, content(2))
        failed = False
    except OSError as error:
        assert error.errno == errno.ENOSPC
        failed = True
    monkeypatch.undo()
    assert read(tmp_path / "bundle-1")["steps"] == 1
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["bundle-1"] + ["bundle-2"] * (
        not failed
    )
    if not failed:
        assert read(tmp_path / "bundle-2")["steps"] == 2


def test_the_disk_fails_somewhere_in_that_test(tmp_path: Path) -> None:
    """Else the test above would show nothing."""
    calls = []
    original = os.fsync
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.os, "fsync", lambda fd: calls.append(fd) or original(fd))
        write_bundle(tmp_path, content(2))
    assert len(calls) >= 4


def _forged(path: Path, change: Any) -> None:
    manifest = json.loads((path / "manifest.json").read_text())
    change(manifest)
    manifest["sha256"] = module._digest(manifest)
    (path / "manifest.json").write_text(json.dumps(manifest))


def _pickle(path: Path) -> None:
    np.savez(path / "arrays.npz", a0=np.array([{"a": 1}], dtype=object))  # pickled by NumPy
    _forged(path, lambda m: m["files"].update({"arrays.npz": module._entry(path / "arrays.npz")}))


def _compressed(path: Path) -> None:
    with zipfile.ZipFile(path / "arrays.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a0.npy", b"0" * 10**6)
    _forged(path, lambda m: m["files"].update({"arrays.npz": module._entry(path / "arrays.npz")}))


def _linked(path: Path) -> None:
    (path / "state.json").rename(path.parent / "elsewhere")
    (path / "state.json").symlink_to(path.parent / "elsewhere")


DAMAGE: dict[str, tuple[Any, str]] = {
    "another file": (lambda p: (p / "evil.pkl").write_bytes(b"x"), "does not belong"),
    "pickled arrays": (_pickle, "Object arrays"),
    "compressed arrays": (_compressed, "compressed"),
    "link": (_linked, "is missing"),
    "traversal": (
        lambda p: _forged(p, lambda m: m["files"].update({"../../x.json": {}})),
        r"names '\.\./\.\./x\.json'",
    ),
    "pickle by name": (
        lambda p: _forged(p, lambda m: m["files"].update({"x.pkl": {}})),
        r"\.json and \.npz files only",
    ),
    "other version": (lambda p: _forged(p, lambda m: m.update(version=99)), "version 99"),
    "other format": (lambda p: _forged(p, lambda m: m.update(format="x")), "not the manifest"),
    "edited manifest": (
        lambda p: (p / "manifest.json").write_text(
            (p / "manifest.json").read_text().replace('"num_timesteps": 3', '"num_timesteps": 4')
        ),
        "SHA-256 is another",
    ),
    "no manifest": (lambda p: (p / "manifest.json").unlink(), "is no bundle"),
    "no JSON": (lambda p: (p / "manifest.json").write_text("[" * 10**5), "is damaged"),
    "a number": (lambda p: (p / "manifest.json").write_text("3"), "not the manifest"),
    "truncated": (
        lambda p: (p / "arrays.npz").write_bytes((p / "arrays.npz").read_bytes()[:-9]),
        "bytes instead of",
    ),
    "a flipped bit": (
        lambda p: (p / "arrays.npz").write_bytes(
            (p / "arrays.npz").read_bytes()[:-1] + bytes([(p / "arrays.npz").read_bytes()[-1] ^ 1])
        ),
        "SHA-256 is another",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_one_sentence(kind: str, tmp_path: Path) -> None:
    path = write_bundle(tmp_path, content(3)).path
    damage, message = DAMAGE[kind]
    damage(path)
    with pytest.raises(ValueError, match=message) as caught:
        read(path)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    return write_bundle(folder, content(3, [1.5, float("inf"), (2, {"a": b"bytes"})])).path


@given(data=st.data())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_flipped_byte_or_cut_is_noticed(sound: Path, tmp_path: Path, data: Any) -> None:
    path = tmp_path / "bundle-3"
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(sound, path)
    file = path / data.draw(st.sampled_from(["manifest.json", "state.json", "arrays.npz"]))
    content = bytearray(file.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[at] ^= data.draw(st.integers(1, 255))
        file.write_bytes(content)
    else:
        file.write_bytes(content[:at])
    try:
        found = read(path)
    except ValueError as error:
        assert "\n" not in str(error)
    else:  # white space of the manifest, whose meaning is the same
        assert file.name == "manifest.json"
        assert found["x"].tolist() == [0, 1, 2, 3, 4]


def test_a_missing_file_of_arrays(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot read"):
        read_arrays(tmp_path / "none.npz")
