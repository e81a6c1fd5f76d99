"""One of our checkpoint bundles: every hash and size compared, every file read without pickle."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from sb3_ac_ext.inspection.archive import Archive, Entry
from sb3_ac_ext.inspection.array_files import PickleInside, npz_arrays, safetensors_arrays
from sb3_ac_ext.inspection.json_text import read_json, read_object
from sb3_ac_ext.inspection.manifest import (
    MANIFEST,
    Manifest,
    space_words,
)
from sb3_ac_ext.inspection.readable import readable
from sb3_ac_ext.inspection.records import File, Report, Tensor

SUFFIXES = (".json", ".npz", ".safetensors")


def bundle_entries(archive: Archive) -> dict[str, Entry] | None:
    """
    :param archive: a folder or zip file
    :return: the files of the bundle in it by name, seen from its folder; ``None`` if it is none
    """
    if MANIFEST in archive:
        return dict(archive)
    roots = {name.partition("/")[0] for name in archive}
    root = next(iter(roots)) if len(roots) == 1 else ""
    if root and f"{root}/{MANIFEST}" in archive:
        return {name.partition("/")[2]: entry for name, entry in archive.items()}
    return None


def inspect_bundle(entries: Mapping[str, Entry], path: str) -> Report:
    """
    :param entries: from :func:`bundle_entries`
    :param path: what was inspected
    :raises ValueError: when the manifest cannot be used, for files that are neither JSON nor plain
        arrays, and for arrays of objects
    """
    for name, entry in entries.items():
        if PurePosixPath(name).suffix not in SUFFIXES:
            accepted = ", ".join(SUFFIXES)
            raise ValueError(f"{entry.label}: does not belong in a bundle, accepted are {accepted}")
    manifest = Manifest.read(read_object(entries[MANIFEST]), entries[MANIFEST].label)
    files: list[File] = []
    arrays: dict[str, Tensor] = {}
    for name in sorted({*manifest.files, *entries} - {MANIFEST}):
        file, found = _file(name, entries.get(name), manifest)
        files.append(file)
        arrays.update(found)
    problems = [f"{file.name}: {file.note}" for file in files if file.status != "ok"]
    problems += _other_shapes(manifest.parameters, arrays)
    return Report(
        path,
        "bundle",
        _title(manifest, not problems),
        sum(entry.size for entry in entries.values()),
        facts=_facts(manifest, not problems),
        hyperparameters={name: readable(v) for name, v in manifest.hyperparameters.items()},
        parameters={"policy": manifest.parameters} if manifest.parameters else {},
        versions=manifest.versions,
        files=files,
        problems=problems,
        notes=["the hashes show damage, not who wrote the files"],
    )


def _file(name: str, entry: Entry | None, manifest: Manifest) -> tuple[File, Mapping[str, Tensor]]:
    listed = manifest.files.get(name)
    if entry is None:
        assert listed is not None
        return File(name, listed.size, "missing", "missing"), {}
    if listed is None:
        _content(entry)
        return File(name, entry.size, "unknown", "is not in the manifest"), {}
    wrong = _difference(entry, listed.size, listed.sha256)
    try:
        arrays = _content(entry)
    except PickleInside:
        raise
    except ValueError:
        if not wrong:
            raise
        arrays = {}
    if wrong:
        return File(name, entry.size, "damaged", wrong), {}
    return File(name, entry.size, note=_counted(arrays)), arrays


def _counted(arrays: Mapping[str, Tensor]) -> str:
    return f"{len(arrays)} array{'' if len(arrays) == 1 else 's'}" if arrays else ""


def _difference(entry: Entry, size: int, sha256: str) -> str:
    if entry.size != size:
        return f"damaged: {entry.size:,} bytes, not {size:,}"
    digest = hashlib.sha256()
    with entry.open() as reader:
        for chunk in reader.chunks():
            digest.update(chunk)
    return "" if digest.hexdigest() == sha256 else "damaged: its content is not what was saved"


def _content(entry: Entry) -> Mapping[str, Tensor]:
    """:raises ValueError: when it is not what its name says"""
    if entry.name.endswith(".npz"):
        return npz_arrays(entry)
    if entry.name.endswith(".safetensors"):
        return safetensors_arrays(entry)
    read_json(entry)
    return {}


def _other_shapes(told: Mapping[str, Tensor], arrays: Mapping[str, Tensor]) -> list[str]:
    return [
        f"{name}: the manifest tells shape {list(told[name].shape)}, it has {list(array.shape)}"
        for name, array in arrays.items()
        if name in told and told[name].shape != array.shape
    ]


def _title(manifest: Manifest, complete: bool) -> str:
    name = manifest.algorithm.rpartition(".")[2]
    state = "complete" if complete else "NOT complete"
    return f"bundle of {name} at {manifest.num_timesteps:,} steps, {state}"


def _facts(manifest: Manifest, complete: bool) -> dict[str, Any]:
    summary = manifest.summary
    return {
        "algorithm": manifest.algorithm,
        "complete": complete,
        "num_timesteps": manifest.num_timesteps,
        "exact": manifest.exact,
        "not exact because": list(manifest.reasons) or None,
        "observation_space": space_words(summary.get("observation_space")),
        "action_space": space_words(summary.get("action_space")),
        **{name: readable(summary.get(name)) for name in ("n_updates", "n_envs", "replay_rows")},
        "created": manifest.created,
    }
