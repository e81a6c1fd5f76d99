"""Bundles by hand: complete ones, damaged ones, and what does not belong in one."""

import io
import json
import zipfile

import numpy as np
import pytest

from sb3_ac_ext.inspection import Verdict, inspect_file
from sb3_ac_ext.inspection.records import Tensor
from tests.inspection.files import bundle_files, folder, listed, npz, safetensors, zipped


@pytest.mark.parametrize("how", ["folder", "zip", "zip of the folder"])
def test_a_complete_bundle(tmp_path, how):
    if how == "folder":
        path = folder(tmp_path / "bundle-640", bundle_files())
    else:
        root = "bundle-640/" if how == "zip of the folder" else ""
        path = zipped(tmp_path / "bundle-640.zip", bundle_files(), root)
    report = inspect_file(path)
    assert (report.kind, report.verdict, report.uses) == ("bundle", Verdict.EXPECTED, [])
    assert report.title == "bundle of PPO at 640 steps, complete"
    assert report.facts["complete"] is True
    assert report.facts["exact"] is False
    assert report.facts["not exact because"] == ["the environment's state is not kept"]
    assert report.facts["observation_space"] == (
        "Dict(position: Box(low=-1.0, high=1.0, shape=[3], dtype=<f4))"
    )
    assert report.facts["action_space"] == "Discrete(2)"
    assert report.parameters == {"policy": {"action_net.weight": Tensor((2, 3), "float32")}}
    assert report.hyperparameters["net_arch"] == [64, 64]
    assert {file.name: file.note for file in report.files} == {
        "policy.safetensors": "1 array",
        "replay.npz": "2 arrays",
        "state.json": "",
    }


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"state.json": b'{"num_timesteps": 641}'}, "state.json: damaged: its content"),
        ({"state.json": b'{"num_times'}, "state.json: damaged: 11 bytes, not 22"),
        ({"replay.npz": b"PK"}, "replay.npz: damaged: 2 bytes"),
        ({"state.json": None}, "state.json: missing"),
        ({"more.json": b"{}"}, "more.json: is not in the manifest"),
    ],
)
def test_damage_names_the_file(tmp_path, change, problem):
    files = {name: data for name, data in {**bundle_files(), **change}.items() if data is not None}
    report = inspect_file(folder(tmp_path / "bundle-640", files))
    assert report.verdict is Verdict.DAMAGED
    assert report.title.endswith("NOT complete")
    assert [found for found in report.problems if found.startswith(problem)]
    assert len(report.problems) == 1


def test_a_manifest_that_tells_other_shapes(tmp_path):
    files = listed({**bundle_files(), "policy.safetensors": safetensors(
        "action_net.weight", np.zeros((3, 2), np.float32)
    )})  # fmt: skip
    report = inspect_file(folder(tmp_path / "bundle", files))
    assert report.problems == ["action_net.weight: the manifest tells shape [2, 3], it has [3, 2]"]


def objects() -> bytes:
    return npz(rewards=np.array([{}], object))


def other_entry() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("x.pkl", b"N.")
    return stream.getvalue()


def short_array() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros(10))
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("x.npy", stream.getvalue()[:-8])
    return inner.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("policy.pkl", b"N.", "policy.pkl: does not belong in a bundle, accepted are .json, .npz"),
        ("policy.pth", b"N.", "policy.pth: does not belong"),
        ("code.py", b"", "code.py: does not belong"),
        ("replay.npz", objects(), "rewards.npy: holds objects, which only pickle could read"),
        ("replay.npz", other_entry(), "x.pkl: is no array, only .npy"),
        ("replay.npz", npz(a=np.zeros(2, [("x", "f4")])), "is no plain array"),
        ("replay.npz", short_array(), "72 bytes for 80 declared"),
        ("replay.npz", b"\x80\x04N.", "replay.npz: does not begin like a zip file"),
        ("state.json", b"\x80\x04N.", "state.json: is no JSON"),
        ("state.json", b'{"a": ' * 100_000, "state.json: is nested too deep"),
        ("policy.safetensors", b"\x80\x04N.", "policy.safetensors: ends early"),
        ("policy.safetensors", b"\xff" * 9, "declares a header of"),
        ("policy.safetensors", (2).to_bytes(8, "little") + b"[]", "its header is no JSON object"),
        (
            "policy.safetensors",
            safetensors("w", np.zeros(3, np.float32))[:-4],
            "'w' is no tensor: offsets",
        ),
    ],
)
def test_what_does_not_belong_in_a_bundle_is_refused(tmp_path, name, data, message):
    path = folder(tmp_path / "bundle", listed({**bundle_files(), name: data}))
    with pytest.raises(ValueError, match=message):
        inspect_file(path)


def test_objects_are_refused_in_files_that_are_not_listed_or_damaged(tmp_path):
    for name in ("more.npz", "replay.npz"):
        path = folder(tmp_path / name, {**bundle_files(), name: objects()})
        with pytest.raises(ValueError, match="holds objects"):
            inspect_file(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "format is 'other', accepted: 'sb3_ac_ext bundle'"),
        ({"version": 2}, "version is 2, accepted: 1"),
        ({"num_timesteps": "640"}, "'num_timesteps' is '640', accepted: a int"),
        ({"num_timesteps": True}, "'num_timesteps' is True"),
        ({"summary": None}, "'summary' is None"),
        ({"reasons": "none"}, "'reasons' is 'none'"),
        ({"files": {"a.json": {}}}, "the file 'a.json' has no sha256"),
        ({"files": {"a.json": {"sha256": "0" * 64, "bytes": -1}}}, "'a.json' has -1 bytes"),
        ({"files": {"../a.json": {"sha256": "0" * 64, "bytes": 1}}}, "leads out of the bundle"),
        ({"summary": {"parameters": {"w": {"shape": "x"}}}}, "the parameter 'w' has no shape"),
    ],
)
def test_manifests_that_cannot_be_used(tmp_path, change, message):
    path = folder(tmp_path / "bundle", bundle_files(**change))
    with pytest.raises(ValueError, match=f"manifest.json: .*{message}|{message}") as caught:
        inspect_file(path)
    assert str(path) in str(caught.value)


def test_a_manifest_without_a_field(tmp_path):
    files = bundle_files()
    manifest = json.loads(files["manifest.json"])
    del manifest["exact"]
    files["manifest.json"] = json.dumps(manifest).encode()
    with pytest.raises(ValueError, match="'exact' is missing, accepted: a bool"):
        inspect_file(folder(tmp_path / "bundle", files))


def test_folders_that_are_no_bundle(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"is no bundle, for it holds no manifest\.json$"):
        inspect_file(tmp_path / "empty")
    folder(tmp_path / "many" / "bundle-1", bundle_files())
    with pytest.raises(ValueError, match="name one of bundle-1 in it"):
        inspect_file(tmp_path / "many")


def test_a_model_that_pretends_to_be_a_bundle(tmp_path):
    path = zipped(tmp_path / "x.zip", {**bundle_files(), "data": b"{}"})
    with pytest.raises(ValueError, match="both an SB3 model and a bundle"):
        inspect_file(path)


def test_links_in_a_bundle(tmp_path):
    path = folder(tmp_path / "bundle", bundle_files())
    (path / "more.json").symlink_to("/etc/passwd")
    with pytest.raises(ValueError, match=r"more\.json is a link"):
        inspect_file(path)
