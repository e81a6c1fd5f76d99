"""A checkpoint on disk: a folder that appears complete or not at all, without a single pickle.

``manifest.json`` names every other file with its size and SHA-256, and carries its own. The folder
is written under another name, every file and the folder are forced to disk, and then it is renamed:
whatever happens meanwhile leaves the checkpoints before it as they were.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sb3_ac_ext.checkpoints.codec import Arrays

FORMAT, VERSION = "sb3_ac_ext bundle", 1
MANIFEST, STATE, ARRAYS = "manifest.json", "state.json", "arrays.npz"
_NAME = re.compile(r"bundle-(\d+)")
_FILE = re.compile(r"[A-Za-z0-9_-]+\.(json|npz)")
_MOST_MANIFEST = 64 * 2**20


@dataclass(frozen=True)
class Bundle:
    """A checkpoint that was looked at: its manifest is sound.

    :param path: its folder
    :param manifest: see :func:`write_bundle`
    """

    path: Path
    manifest: Mapping[str, Any]

    @property
    def steps(self) -> int:
        return int(self.manifest["num_timesteps"])

    def state(self) -> tuple[Any, Arrays]:
        """What :func:`~sb3_ac_ext.checkpoints.codec.decode` takes."""
        path = self.path / STATE
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise ValueError(f"{path} is damaged: {error}") from None
        return found, read_arrays(self.path / ARRAYS)

    def rows(self) -> list[tuple[int, int, Arrays]]:
        """Segments of the replay buffer in order."""
        found = []
        for name in self.row_files():
            found.append((*row_range(name), read_arrays(self.path / name)))
        return found

    def row_files(self) -> list[str]:
        names = [name for name in self.manifest["files"] if name.startswith("rows-")]
        return sorted(names, key=row_range)


def row_range(name: str) -> tuple[int, int]:
    """
    :param name: of a file of rows, ``rows-<start>-<stop>.npz``
    :return: number of its first row, and the one after its last
    """
    start, stop = map(int, Path(name).stem.split("-")[1:])
    return start, stop


@dataclass
class Content:
    """What goes into a bundle.

    :param facts: the manifest without ``format``, ``version``, ``files`` and ``sha256``
    :param state: plain data for ``state.json``
    :param arrays: what belongs to it
    :param new: further files by name
    :param linked: files of earlier bundles that belong to this one, too, with their entries
    """

    facts: dict[str, Any]
    state: Any
    arrays: Arrays
    new: dict[str, Arrays] = field(default_factory=dict)
    linked: dict[Path, dict[str, Any]] = field(default_factory=dict)


def write_bundle(folder: Path, content: Content, replace: bool = False) -> Bundle:
    """
    :param folder: where bundles are, made when missing
    :param content: of the new one
    :param replace: one that is there already, which else is left as it is if it is complete
    :return: the bundle, ``bundle-<num_timesteps>``
    :raises OSError: when it cannot be written; nothing is left of it then
    """
    name = f"bundle-{content.facts['num_timesteps']}"
    final = folder / name
    if not replace:
        with suppress(ValueError):
            return verified(final)
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{name}.part"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        manifest = _fill(partial, content)
        if final.exists():  # damaged, or to be replaced
            final.rename(folder / f".{name}.old")
        partial.rename(final)
        _sync(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(folder / f".{name}.old", ignore_errors=True)
    return Bundle(final, manifest)


def _fill(folder: Path, content: Content) -> dict[str, Any]:
    files: dict[str, Any] = {}
    for path, entry in content.linked.items():
        _link(path, folder / path.name)
        files[path.name] = entry
    files[STATE] = _write(folder / STATE, json.dumps(content.state, allow_nan=False).encode())
    for name, arrays in {ARRAYS: content.arrays, **content.new}.items():
        with (folder / name).open("wb") as stream:
            np.savez(stream, **arrays)  # type: ignore[arg-type]
            _flush(stream)
        files[name] = _entry(folder / name)
    manifest = {"format": FORMAT, "version": VERSION, **content.facts, "files": files}
    manifest["sha256"] = _digest(manifest)
    _write(folder / MANIFEST, json.dumps(manifest, indent=1).encode())
    _sync(folder)
    return manifest


def _link(source: Path, target: Path) -> None:
    """The same file under a second name; a copy where the file system cannot."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        with target.open("rb+") as stream:
            _flush(stream)


def _write(path: Path, data: bytes) -> dict[str, Any]:
    with path.open("wb") as stream:
        stream.write(data)
        _flush(stream)
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def _flush(stream: Any) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def _sync(folder: Path) -> None:
    """Names are on disk only once their folder is; Windows has no such call."""
    with suppress(OSError, AttributeError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _entry(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        digest = hashlib.sha256()
        while chunk := stream.read(2**20):
            digest.update(chunk)
    return {"sha256": digest.hexdigest(), "bytes": path.stat().st_size}


def _digest(manifest: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in manifest.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


# reading


def read_manifest(path: Path) -> Bundle:
    """
    :param path: of a bundle
    :raises ValueError: if it is none, or its manifest is damaged
    """
    file = path / MANIFEST
    if path.is_symlink() or file.is_symlink():
        raise ValueError(f"{path} is a link: give the bundle itself")
    try:
        if file.stat().st_size > _MOST_MANIFEST:
            raise ValueError(f"{file} is larger than any manifest")
        manifest = json.loads(file.read_bytes())
    except OSError as error:
        raise ValueError(f"{path} is no bundle: {MANIFEST}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} is damaged: {error}") from None
    _check(file, manifest)
    return Bundle(path, manifest)


def _check(file: Path, manifest: Any) -> None:
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ValueError(f"{file} is not the manifest of a bundle")
    if manifest.get("version") != VERSION:
        raise ValueError(
            f"{file} has version {manifest.get('version')!r}: this package reads {VERSION}"
        )
    if manifest.get("sha256") != _digest(manifest):
        raise ValueError(f"{file} is damaged: its SHA-256 is another one")
    _check_parts(file, manifest)
    for name, entry in manifest["files"].items():
        if not _FILE.fullmatch(name) or name == MANIFEST or not isinstance(entry, dict):
            raise ValueError(f"{file} names {name!r}: a bundle holds .json and .npz files only")
        if not {"sha256", "bytes"} <= entry.keys():
            raise ValueError(f"{file} tells neither size nor SHA-256 of {name!r}")


def _check_parts(file: Path, manifest: dict[str, Any]) -> None:
    for name, kind in (("files", dict), ("num_timesteps", int), ("created", str)):
        if not isinstance(manifest.get(name), kind):
            raise ValueError(f"{file} has no {name!r}")
    for name in (STATE, ARRAYS):
        if name not in manifest["files"]:
            raise ValueError(f"{file} does not name {name!r}")


def verified(path: Path) -> Bundle:
    """
    :param path: of a bundle
    :raises ValueError: if it is none, or is not complete to the last bit
    """
    bundle = read_manifest(path)
    present = {part.name for part in path.iterdir()} - {MANIFEST}
    for name in sorted(present - set(bundle.manifest["files"])):
        raise ValueError(f"{path / name} does not belong to the bundle")
    for name, entry in bundle.manifest["files"].items():
        file = path / name
        if file.is_symlink() or not file.is_file():
            raise ValueError(f"{file} is missing")
        if file.stat().st_size != entry["bytes"]:
            raise ValueError(
                f"{file} is damaged: it has {file.stat().st_size} bytes instead of {entry['bytes']}"
            )
        if _entry(file)["sha256"] != entry["sha256"]:
            raise ValueError(f"{file} is damaged: its SHA-256 is another one")
    return bundle


def read_arrays(path: Path) -> Arrays:
    """
    :param path: of an ``.npz`` as :func:`write_bundle` makes them: not compressed
    :raises ValueError: if it is damaged, compressed, or holds Python objects
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if any(part.compress_type != zipfile.ZIP_STORED for part in archive.infolist()):
                raise ValueError("it is compressed, which no bundle is")
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except _UNREADABLE as error:
        raise ValueError(f"cannot read {path}: {error}") from None


# an array may claim any shape
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, MemoryError, zipfile.BadZipFile)


def bundles(folder: Path) -> list[Path]:
    """Folders that are named like bundles, from the newest to the oldest."""
    if not folder.is_dir():
        return []
    found = [
        (int(match[1]), path) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))
    ]
    return [path for _, path in sorted(found, reverse=True)]


def newest_complete(folder: Path) -> tuple[Bundle, list[str]]:
    """
    :param folder: where bundles are, those of an earlier run perhaps, which may have more steps
    :return: the one that was taken last of those that are complete, and what is wrong with others
    :raises ValueError: if there is none
    """
    found, problems = [], []
    for path in bundles(folder):
        try:
            found.append(read_manifest(path))
        except ValueError as error:
            problems.append(str(error))
    for bundle in sorted(found, key=lambda bundle: bundle.manifest["created"], reverse=True):
        try:
            return verified(bundle.path), problems
        except ValueError as error:
            problems.append(str(error))
    reason = f": {problems[0]}" if problems else ""
    raise ValueError(f"{folder} holds no complete bundle{reason}")
