"""The numbers of a dump: arrays in one ``.npz``, known to the JSON beside it by their index."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch as th

Array = npt.NDArray[Any]


class Arrays:
    """Collects arrays on writing, hands them out on reading; none is ever pickled.

    :param found: arrays in the order of their index
    """

    def __init__(self, found: Sequence[Array] = ()) -> None:
        self._found = list(found)
        self._kept: list[Any] = []  # so that no id below is used twice
        self._known: dict[int, int] = {}

    def put(self, value: Array | th.Tensor) -> int:
        """
        :param value: kept once, however often it is put
        :return: its index
        :raises ValueError: for arrays of Python objects and for types that NumPy does not have
        """
        if id(value) in self._known:
            return self._known[id(value)]
        array = _as_array(value)
        if array.dtype.hasobject:
            raise ValueError("an array of Python objects cannot be written without pickle")
        self._found.append(array)
        self._kept.append(value)
        self._known[id(value)] = len(self._found) - 1
        return len(self._found) - 1

    def __getitem__(self, index: int) -> Array:
        """:raises ValueError: if there is no such array"""
        if not (isinstance(index, int) and 0 <= index < len(self._found)):
            raise ValueError(f"array {index!r} is missing")
        return self._found[index]

    def write(self, path: Path) -> None:
        """:param path: of an ``.npz``, uncompressed, for weights do not compress"""
        named: dict[str, Any] = {f"a{index}": array for index, array in enumerate(self._found)}
        np.savez(path, **named)

    @classmethod
    def read(cls, path: Path) -> Arrays:
        """:raises ValueError: if the file is missing or an array fails its checksum"""
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls([file[f"a{index}"] for index in range(len(file.files))])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            raise ValueError(f"cannot read {path}: {reason or error}") from None


def _as_array(value: Array | th.Tensor) -> Array:
    if not isinstance(value, th.Tensor):
        return value
    try:
        return value.detach().cpu().numpy()
    except TypeError:
        raise ValueError(f"NumPy has no type for {value.dtype}") from None
