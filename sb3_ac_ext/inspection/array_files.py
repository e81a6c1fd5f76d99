"""Names, shapes and dtypes in ``.npz`` and ``.safetensors``; their headers are not evaluated."""

from __future__ import annotations

import re
import struct
from typing import Any

import numpy as np

from sb3_ac_ext.inspection.archive import Entry, open_zip
from sb3_ac_ext.inspection.json_text import parse_json
from sb3_ac_ext.inspection.reader import Reader
from sb3_ac_ext.inspection.records import Tensor

_MAGIC = b"\x93NUMPY"
_LENGTHS = {(1, 0): "<H", (2, 0): "<I"}
_MOST_HEADER = 16 << 20
_HEADER = re.compile(
    r"\{'descr': '([<>|=]?[a-zA-Z?]\d*)', 'fortran_order': (?:True|False), "
    r"'shape': \(((?:\d{1,18}(?:, |,)?)*)\), ?\}\s*"
)
_SAFETENSORS = {"BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1}
_SAFETENSORS |= {"I16": 2, "U16": 2, "F16": 2, "BF16": 2}
_SAFETENSORS |= {"I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8}


class PickleInside(ValueError):
    """An array file holds objects, which only ``pickle`` could read."""


def npz_arrays(entry: Entry) -> dict[str, Tensor]:
    """
    :param entry: an ``.npz`` file
    :return: its arrays by name
    :raises PickleInside: for arrays of objects, and for entries that are no arrays
    :raises ValueError: when it is damaged
    """
    found = {}
    with open_zip(entry.open()) as archive:
        for name, part in archive.items():
            if not name.endswith(".npy"):
                raise PickleInside(f"{part.label}: is no array, only .npy is accepted")
            with part.open() as reader:
                found[name.removesuffix(".npy")] = _npy(reader)
    return found


def _npy(reader: Reader) -> Tensor:
    start = reader.read(len(_MAGIC) + 2)
    length = _LENGTHS.get((start[-2], start[-1])) if start[:-2] == _MAGIC else None
    if length is None:
        raise ValueError(f"{reader.label}: does not begin like a .npy file")
    size = _unpack(length, reader)
    text = reader.read(min(size, _MOST_HEADER)).decode("latin-1")
    match = _HEADER.fullmatch(text)
    if match is None:
        raise ValueError(f"{reader.label}: is no plain array: {text[:80]!r}")
    if "O" in match[1]:
        raise PickleInside(f"{reader.label}: holds objects, which only pickle could read")
    return _checked(reader, match[1], tuple(int(part) for part in re.findall(r"\d+", match[2])))


def _checked(reader: Reader, code: str, shape: tuple[int, ...]) -> Tensor:
    try:
        dtype: np.dtype[Any] = np.dtype(code)
    except TypeError:
        raise ValueError(f"{reader.label}: the dtype {code!r} is not known") from None
    size = dtype.itemsize
    for part in shape:
        size *= part
    if size != reader.left:
        raise ValueError(f"{reader.label}: {reader.left:,} bytes for {size:,} declared")
    return Tensor(shape, str(dtype))


def _unpack(code: str, reader: Reader) -> int:
    data = reader.read(struct.calcsize(code))
    if len(data) != struct.calcsize(code):
        raise ValueError(f"{reader.label}: ends early")
    number: int = struct.unpack(code, data)[0]
    return number


def safetensors_arrays(entry: Entry) -> dict[str, Tensor]:
    """
    :param entry: a ``.safetensors`` file
    :return: its tensors by name
    :raises ValueError: when it is damaged
    """
    with entry.open() as reader:
        size = _unpack("<Q", reader)
        if size > min(reader.left, _MOST_HEADER):
            raise ValueError(f"{reader.label}: declares a header of {size:,} bytes")
        header = parse_json(reader.read(size), reader.label)
        if not isinstance(header, dict):
            raise ValueError(f"{reader.label}: its header is no JSON object")
        header.pop("__metadata__", None)
        return {name: _safetensor(reader, name, part) for name, part in header.items()}


def _safetensor(reader: Reader, name: str, part: Any) -> Tensor:
    try:
        dtype, shape, (start, end) = part["dtype"], part["shape"], part["data_offsets"]
        size = _SAFETENSORS[dtype]
        for length in shape:
            if type(length) is not int or length < 0:
                raise ValueError("a length that is no whole number")
            size *= length
        if not 0 <= start <= end <= reader.left or end - start != size:
            raise ValueError("offsets that do not fit")
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{reader.label}: {name[:80]!r} is no tensor: {error}") from None
    return Tensor(tuple(shape), dtype)
