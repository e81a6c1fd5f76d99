"""A state of arrays and numbers in an ``.npz`` file, written whole and read without pickle."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def write_state(path: str | Path, state: Mapping[str, Any]) -> None:
    """The file appears complete or not at all.

    :param path: of the file, under exactly this name
    :param state: of arrays and numbers
    :raises ValueError: if it cannot be written
    """
    path = Path(path)
    partial = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as stream:
            np.savez(stream, **state)
        partial.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ValueError(f"state {str(path)!r} cannot be written: {reason}") from error


def read_state(path: str | Path) -> dict[str, Any]:
    """
    :param path: of a file of :func:`write_state`
    :raises ValueError: if it is missing, no such file, or damaged
    """
    if not Path(path).is_file():
        raise ValueError(f"state {str(path)!r} does not exist")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"state {str(path)!r} cannot be read: it is no .npz file, or it is damaged"
        ) from error
