"""NumPy arrays, numbers and dtypes in a pickle, read from their bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from sb3_ac_ext.inspection.symbols import Made, Name, Skipped

_PLAIN_DTYPE = re.compile(r"[<>|=]?[biufc?](1|2|4|8|16)?")
_FROM_BUFFER = ("numpy._core.numeric._frombuffer", "numpy.core.numeric._frombuffer")
_RECONSTRUCT = ("numpy._core.multiarray._reconstruct", "numpy.core.multiarray._reconstruct")
_SCALAR = ("numpy._core.multiarray.scalar", "numpy.core.multiarray.scalar")
_DTYPE = "numpy.dtype"


@dataclass(frozen=True, eq=False)
class ArrayInfo:
    """
    :param shape: of the array
    :param dtype: such as ``float32``
    :param values: the array itself, where it is small enough to have been kept
    """

    shape: tuple[int, ...]
    dtype: str
    values: Any = None


def array_info(value: Any) -> ArrayInfo | None:
    """
    :param value: from a pickle
    :return: what array it describes, ``None`` if it is none
    """
    if not isinstance(value, Made) or not isinstance(value.args, tuple):
        return None
    if value.called in _FROM_BUFFER and len(value.args) == 4:
        data, dtype, shape, _ = value.args
        return _info(shape, dtype, data)
    state = value.state
    if value.called in _RECONSTRUCT and isinstance(state, tuple) and len(state) == 5:
        return _info(state[1], state[2], state[4], "F" if state[3] is True else "C")
    return None


def scalar(value: Any) -> int | float | bool | None:
    """
    :param value: from a pickle
    :return: the NumPy number that it describes, ``None`` if it is none
    """
    if not isinstance(value, Made) or value.called not in _SCALAR:
        return None
    args = value.args
    if not isinstance(args, tuple) or len(args) != 2:
        return None
    dtype, data = plain_dtype(args[0]), old_bytes(args[1])
    if dtype is None or dtype.kind == "c" or not isinstance(data, bytes):
        return None
    if len(data) != dtype.itemsize:
        return None
    number: int | float | bool = np.frombuffer(data, dtype)[0].item()
    return number


def plain_dtype(value: Any) -> np.dtype[Any] | None:
    """
    :param value: from a pickle
    :return: the numeric dtype that it describes, ``None`` if it is none
    """
    if isinstance(value, Name):
        known = value.module == "numpy" and re.fullmatch(r"(u?int|float)\d+|bool_?", value.name)
        return _parse(value.name.rstrip("_")) if known else None
    if not isinstance(value, Made) or value.called != _DTYPE:
        return None
    args = value.args if isinstance(value.args, tuple) else ()
    code = args[0] if args else None
    if not isinstance(code, str) or not _PLAIN_DTYPE.fullmatch(code):
        return None
    dtype = _parse(code)
    state = value.state
    big = isinstance(state, tuple) and len(state) > 1 and state[1] == ">"
    return dtype.newbyteorder(">") if dtype is not None and big else dtype


def _parse(code: str) -> np.dtype[Any] | None:
    try:
        return np.dtype(code)
    except TypeError:
        return None


def _info(shape: Any, dtype: Any, data: Any, order: str = "C") -> ArrayInfo | None:
    if isinstance(shape, int):
        shape = (shape,)
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        return None
    parsed = plain_dtype(dtype)
    data = old_bytes(data)
    if parsed is None:
        return ArrayInfo(shape, "object" if isinstance(data, list) else "unknown")
    values = None
    if isinstance(data, bytes) and len(data) == _size(shape) * parsed.itemsize:
        values = np.frombuffer(data, parsed).reshape(shape, order="F" if order == "F" else "C")
    elif not isinstance(data, bytes | Skipped):
        return None
    return ArrayInfo(shape, parsed.name, values)


def old_bytes(data: Any) -> Any:
    """Protocols before 3 write bytes as a call: ``_codecs.encode(text, "latin1")``.

    :param data: from a pickle
    :return: the bytes that such a call makes, everything else as it is
    """
    args = data.args if isinstance(data, Made) and data.called == "_codecs.encode" else None
    if isinstance(args, tuple) and len(args) == 2 and args[1] == "latin1":
        text = args[0]
        if isinstance(text, str) and all(ord(character) < 256 for character in text):
            return text.encode("latin1")
    return data


def _size(shape: tuple[int, ...]) -> int:
    """A Python number, which does not overflow."""
    size = 1
    for length in shape:
        size *= length
    return size
