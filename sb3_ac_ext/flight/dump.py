"""A dump on disk: ``flight.json`` and ``arrays.npz`` in one folder, both with checksums."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sb3_ac_ext.flight.arrays import Arrays
from sb3_ac_ext.flight.state import Tensors, weights_hash
from sb3_ac_ext.flight.update import Update

FORMAT = "sb3_ac_ext flight recorder"
VERSION = 1
JSON_NAME, ARRAYS_NAME = "flight.json", "arrays.npz"


@dataclass
class Dump:
    """The last updates of a run, and what is needed to run them again.

    :param step: environment steps when it was written
    :param reasons: why it was written, in words
    :param settings: attributes of the model as plain data, see ``lasting_settings``
    :param refused: attributes that could not be written down -> why
    :param device: of the model
    :param num_threads: of torch, for sums depend on it
    :param versions: of the packages that decide the outcome
    :param updates: the oldest first
    :param after: the weights that each left behind, ``None`` where they were changed since
    """

    step: int
    reasons: list[str]
    settings: dict[str, Any]
    refused: dict[str, str]
    device: str
    num_threads: int
    versions: dict[str, str]
    updates: list[Update]
    after: list[Tensors | None]


def write_dump(path: Path, dump: Dump) -> None:
    """Write a folder that is complete or not there.

    :param path: of the folder, which must not exist
    :raises OSError: if it cannot be written
    :raises ValueError: if something in it has no exact form without pickle
    """
    for update, after in zip(dump.updates, dump.after, strict=True):
        update.weights_hash = None if after is None else weights_hash(after)
    arrays = Arrays()
    content = {
        "step": dump.step,
        "reasons": dump.reasons,
        "settings": dump.settings,
        "refused": dump.refused,
        "device": dump.device,
        "num_threads": dump.num_threads,
        "versions": dump.versions,
        "updates": [update.to_json(arrays) for update in dump.updates],
        "after": [
            None if after is None else {name: arrays.put(t) for name, t in after.items()}
            for after in dump.after
        ],
    }
    temporary = path.with_name(f".{path.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        arrays.write(temporary / ARRAYS_NAME)
        document = {
            "format": FORMAT,
            "version": VERSION,
            "arrays_sha256": _file_hash(temporary / ARRAYS_NAME),
            "content_sha256": _content_hash(content),
            "content": content,
        }
        text = json.dumps(document, allow_nan=False, indent=1)
        (temporary / JSON_NAME).write_text(text, encoding="utf-8")
        temporary.rename(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def read_dump(path: Path | str) -> Dump:
    """
    :param path: of the folder, or of its ``flight.json``
    :raises ValueError: in one sentence, if it is missing, damaged, or no dump
    """
    path = Path(path)
    folder = path.parent if path.name == JSON_NAME else path
    content, arrays_hash = _read_content(folder)
    arrays_path = folder / ARRAYS_NAME
    if not arrays_path.is_file():
        raise ValueError(f"{folder} is incomplete: {ARRAYS_NAME} is missing")
    if _file_hash(arrays_path) != arrays_hash:
        raise ValueError(f"{arrays_path} is damaged: it is not what was written")
    arrays = Arrays.read(arrays_path)
    try:
        return _dump(content, arrays)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"{folder} is damaged: {error!r}") from None


def _dump(content: Mapping[str, Any], arrays: Arrays) -> Dump:
    import torch as th

    return Dump(
        step=int(content["step"]),
        reasons=list(content["reasons"]),
        settings=dict(content["settings"]),
        refused=dict(content["refused"]),
        device=str(content["device"]),
        num_threads=int(content["num_threads"]),
        versions=dict(content["versions"]),
        updates=[Update.from_json(update, arrays) for update in content["updates"]],
        after=[
            None
            if after is None
            else {name: th.from_numpy(arrays[index].copy()) for name, index in after.items()}
            for after in content["after"]
        ],
    )


def _read_content(folder: Path) -> tuple[dict[str, Any], str]:
    path = folder / JSON_NAME
    if not folder.exists():
        raise ValueError(f"there is no dump {folder}")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{folder} is not a dump: it holds no {JSON_NAME}") from None
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f"{path} is not a dump of the flight recorder")
    if document.get("version") != VERSION:
        raise ValueError(
            f"{path} has version {document.get('version')!r} of the format, and {VERSION} is read"
        )
    content = document.get("content")
    if not isinstance(content, dict) or document.get("content_sha256") != _content_hash(content):
        raise ValueError(f"{path} is damaged: it is not what was written")
    return content, str(document.get("arrays_sha256"))


def _content_hash(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _file_hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
