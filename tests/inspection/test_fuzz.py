"""Damaged at random, a file gives a report or a ``ValueError``, and nothing in it is executed."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path

import cloudpickle
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sb3_ac_ext.inspection import Report, inspect_file
from sb3_ac_ext.inspection.scan import scan_bytes
from tests.inspection import files

FUZZ = settings(
    deadline=None,
    database=None,  # nothing is written beside the tests
    max_examples=80,
    derandomize=True,  # the same cases in every run
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
FLIPS = st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), min_size=0, max_size=6)
KEPT = st.one_of(st.just(1.0), st.floats(0, 1))
OPCODES = st.lists(
    st.sampled_from(
        [
            *(b"\x80\x04", b"(", b")", b"]", b"}", b"N", b"\x88", b"K\x01", b"\x8c\x02os", b"."),
            *(b"\x8c\x06system", b"\x93", b"cos\nsystem\n", b"R", b"b", b"\x81", b"\x92", b"o"),
            *(b"\x94", b"h\x00", b"q\x00", b"t", b"\x85", b"\x86", b"\x87", b"l", b"d", b"s"),
            *(b"u", b"a", b"e", b"\x90", b"\x91", b"0", b"1", b"2", b"Q", b"Pid\n", b"\x82\x01"),
            *(b"iposix\nsystem\n", b"\x8b\xff\xff\xff\x7f", b"\x8a\x01\xff", b"\x97", b"\x98"),
            b"cnumpy\ndtype\n",
            b"\x8c\x02f4",
            b"cnumpy._core.numeric\n_frombuffer\n",
            b"ctorch._utils\n_rebuild_tensor_v2\n",
            b"ctorch.storage\n_load_from_bytes\n",
            b"ccloudpickle.cloudpickle\n_builtin_type\n\x8c\x08CodeType\x85R",
            b"cgymnasium.spaces.box\nBox\n",
            b"C\x04\x00\x00\x00\x00",
        ]
    ),
    max_size=40,
).map(b"".join)


class Sources:
    """The files that are damaged: (name, content), and the marker that must not appear."""

    def __init__(self, root: Path) -> None:
        self.marker = root / "marker"
        self.root = root
        model = files.ppo(root / "ppo.zip")
        evil = {
            "data": files.evil_data(model, self.marker),
            "policy.pth": files.evil_weights(self.marker),
        }
        values = {"f": lambda p: p, "a": np.ones(3), "evil": files.Evil(self.marker)}
        self.files = {
            "ppo.zip": model.read_bytes(),
            "evil.zip": files.rewritten(model, root / "evil.zip", evil).read_bytes(),
            "evil.pth": files.evil_weights(self.marker),
            "legacy.pth": files.evil_weights(self.marker, legacy=True),
            "values.pkl": cloudpickle.dumps(values),
            "old.pkl": pickle.dumps(files.Evil(self.marker), 0),
            "bundle.zip": files.zipped(root / "bundle.zip", files.bundle_files()).read_bytes(),
        }
        with zipfile.ZipFile(io.BytesIO(self.files["evil.zip"])) as archive:
            self.parts = {name: archive.read(name) for name in archive.namelist()}

    def inspect(self, name: str, data: bytes) -> Report | None:
        """The report, ``None`` for a ``ValueError``."""
        path = self.root / f"damaged-{name}"
        path.write_bytes(data)
        try:
            report = inspect_file(path)
        except ValueError as error:
            assert str(error)
            return None
        finally:
            assert not self.marker.exists()
        json.dumps(report.to_json(), allow_nan=False)
        return report


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    return Sources(tmp_path_factory.mktemp("fuzz"))


@pytest.fixture(autouse=True)
def nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something was loaded")

    for name in ("pickle.load", "pickle.loads", "pickle.Unpickler", "torch.load", "numpy.load"):
        monkeypatch.setattr(name, refuse)


def damaged(data: bytes, flips: list[tuple[float, int]], kept: float) -> bytes:
    changed = bytearray(data[: round(len(data) * kept)])
    for place, value in flips:
        if changed:
            changed[min(len(changed) - 1, int(place * len(changed)))] ^= value
    return bytes(changed)


@FUZZ
@given(
    name=st.sampled_from(
        ["ppo.zip", "evil.zip", "evil.pth", "legacy.pth", "values.pkl", "old.pkl", "bundle.zip"]
    ),
    flips=FLIPS,
    kept=KEPT,
)
@example(name="evil.zip", flips=[], kept=1.0)
@example(name="values.pkl", flips=[], kept=1.0)
def test_whole_files(sources, name, flips, kept):
    report = sources.inspect(name, damaged(sources.files[name], flips, kept))
    if not flips and kept == 1.0:
        expected = {"ppo.zip": "expected", "bundle.zip": "expected"}.get(name, "suspicious")
        assert report is not None and report.verdict.value == expected


@FUZZ
@given(
    name=st.sampled_from(["data", "policy.pth", "policy.optimizer.pth", "system_info.txt"]),
    flips=FLIPS,
    kept=KEPT,
)
def test_entries_of_a_model_with_a_checksum_that_fits(sources, name, flips, kept):
    parts = {**sources.parts, name: damaged(sources.parts[name], flips, kept)}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for part, data in parts.items():
            archive.writestr(part, data)
    report = sources.inspect("parts.zip", stream.getvalue())
    if report is not None and (name != "data" or not (flips or kept < 1)):
        assert report.verdict.value == "suspicious"


@FUZZ
@given(
    name=st.sampled_from(sorted(files.bundle_files())),
    flips=FLIPS,
    kept=KEPT,
    relisted=st.booleans(),
)
def test_files_of_a_bundle(sources, name, flips, kept, relisted):
    content = files.bundle_files()
    before = content[name]
    content[name] = damaged(before, flips, kept)
    if relisted and name != "manifest.json":
        content = files.listed(content)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for part, data in content.items():
            archive.writestr(part, data)
    report = sources.inspect("bundle-parts.zip", stream.getvalue())
    if content[name] != before and name != "manifest.json" and not relisted:
        assert report is None or report.verdict.value == "damaged"


@settings(FUZZ, max_examples=250)
@given(data=st.one_of(OPCODES, st.binary(max_size=60)))
def test_instructions_in_any_order(sources, data):
    for start in (b"", b"\x80\x04"):
        sources.inspect("any.pkl", start + data + b".")


@FUZZ
@given(data=OPCODES)
def test_a_call_is_never_overlooked(data):
    """Whatever stands before and behind: where the pickle can be read, its call is told."""
    evil = b"cposix\nsystem\n(S'ls'\ntR0"
    try:
        found = scan_bytes(b"\x80\x04" + evil + data.replace(b".", b"") + b".", "file", "entry")
    except ValueError as error:
        assert "posix.system" in str(error)
        return
    assert "posix.system" in [use.name for use in found.uses]
