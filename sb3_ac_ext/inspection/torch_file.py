"""What ``torch.save`` wrote: names, shapes and dtypes of tensors, and what a load would do.

The pickle in the file is read in symbols, so neither torch nor its unpickler is involved; the
numbers of tensors are not read, only checked to be all there.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sb3_ac_ext.inspection.archive import ZIP_START, Archive, open_zip
from sb3_ac_ext.inspection.reader import Reader
from sb3_ac_ext.inspection.records import Group, Tensor, Use
from sb3_ac_ext.inspection.scan import scan
from sb3_ac_ext.inspection.symbols import Made, Name, Pairs, Stored

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_STORAGES = {
    "DoubleStorage": ("float64", 8),
    "FloatStorage": ("float32", 4),
    "HalfStorage": ("float16", 2),
    "BFloat16Storage": ("bfloat16", 2),
    "LongStorage": ("int64", 8),
    "IntStorage": ("int32", 4),
    "ShortStorage": ("int16", 2),
    "CharStorage": ("int8", 1),
    "ByteStorage": ("uint8", 1),
    "BoolStorage": ("bool", 1),
}
_TENSOR_MAKERS = tuple(f"torch._utils._rebuild_tensor{version}" for version in ("", "_v2", "_v3"))
_PARAMETER_MAKERS = tuple(f"torch._utils._rebuild_parameter{kind}" for kind in ("", "_with_state"))
_MOST_TENSORS = 100_000
_LONG = 500


@dataclass
class TorchFile:
    """
    :param value: what a load would return, in symbols
    :param tensors: by dotted name
    :param uses: what a load would do
    :param problems: what is damaged
    """

    value: Any
    tensors: dict[str, Tensor]
    uses: list[Use]
    problems: list[str] = field(default_factory=list)


def read_torch(reader: Reader, where: str) -> TorchFile:
    """
    :param reader: of the file, which is closed afterwards
    :param where: its name in the archive around it
    :raises ValueError: when it cannot be read
    """
    with reader:
        start = reader.read(len(ZIP_START))
        reader.seek(0)
        # torch decides by the first bytes, too: anything else is a row of bare pickles
        return _zipped(reader, where) if start == ZIP_START else _legacy(reader, where)


def _zipped(reader: Reader, where: str) -> TorchFile:
    archive = open_zip(reader)
    pickles = [name for name in archive if _last(name) == "data.pkl"]
    if len(pickles) != 1:
        raise ValueError(f"{reader.label}: holds {len(pickles)} entries data.pkl, not one")
    root = pickles[0].rpartition("/")[0]
    with archive[pickles[0]].open() as entry:
        found = scan(entry, where)
    uses = [*found.uses, *_script(archive, where)]
    tensors = dict(named_tensors(found.value))
    return TorchFile(found.value, tensors, uses, _problems(found.value, archive, root, where))


def _last(name: str) -> str:
    """torch finds entries whatever their case."""
    return name.rpartition("/")[2].lower()


def _script(archive: Archive, where: str) -> list[Use]:
    """torch hands archives with compiled code to ``torch.jit.load``."""
    if not any(_last(name) == "constants.pkl" for name in archive):
        return []
    return [Use("torch.jit.load", "calls", Group.SUSPICIOUS, "runs TorchScript", 1, (where,))]


def _legacy(reader: Reader, where: str) -> TorchFile:
    """Five pickles in a row, then the numbers; the first is a magic number."""
    if _begins_a_tar(reader):
        raise ValueError(f"{reader.label}: is a tar archive, which torch unpacks and unpickles")
    first = scan(reader, where)
    if first.value != MAGIC_NUMBER:
        return TorchFile(first.value, dict(named_tensors(first.value)), first.uses)
    uses, value = [], None
    for part in ("protocol", "system", "object", "keys"):
        found = scan(reader, where)
        uses.extend(found.uses)
        value = found.value if part == "object" else value
    return TorchFile(value, dict(named_tensors(value)), uses)


def _begins_a_tar(reader: Reader) -> bool:
    """Older than the rows of pickles, and still read by ``torch.load``."""
    header = reader.read(tarfile.BLOCKSIZE)
    reader.seek(0)
    try:
        tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def named_tensors(value: Any) -> Iterator[tuple[str, Tensor]]:
    """
    :param value: from a pickle
    :return: dotted name and shape of each tensor in its dicts and lists
    """
    for name, made in islice(_walk(value), _MOST_TENSORS):
        found = _tensor(made)
        if found is not None:
            yield name, found


def _walk(value: Any) -> Iterator[tuple[str, Made]]:
    """Each container once, however often it is referred to."""
    waiting, seen = [("", value)], set()
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, Made) and value.called in _TENSOR_MAKERS + _PARAMETER_MAKERS:
            yield name, value
        elif id(value) not in seen:
            seen.add(id(value))
            inside = [(f"{name}.{key}" if name else key, part) for key, part in _parts(value)]
            waiting.extend((path, part) for path, part in inside[::-1] if len(path) < _LONG)


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Pairs | Made):
        for key, part in value.pairs:
            if isinstance(key, str | int):
                yield str(key)[:200], part
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield str(index), part


def _tensor(made: Made) -> Tensor | None:
    args = made.args
    for _ in range(3):
        if made.called in _TENSOR_MAKERS or not isinstance(args, tuple) or not args:
            break
        inner: Any = args[0]
        if not isinstance(inner, Made):
            return None
        made, args = inner, inner.args
    if not isinstance(args, tuple) or len(args) < 3 or not _is_shape(args[2]):
        return None
    dtype = _storage(args[0])
    return Tensor(args[2], dtype[2] if dtype else "unknown")


def _is_shape(value: Any) -> bool:
    return isinstance(value, tuple) and all(
        type(part) is int and 0 <= part < 2**63 for part in value
    )


def _storage(value: Any) -> tuple[str, int, str] | None:
    """Key, bytes and dtype of ``('storage', type, key, location, number of elements)``."""
    key = value.key if isinstance(value, Stored) else None
    if not isinstance(key, tuple) or len(key) < 5 or not isinstance(key[1], Name):
        return None
    dtype, width = _STORAGES.get(key[1].name, (key[1].name[:40], 0))
    if not isinstance(key[2], str) or type(key[4]) is not int:
        return None
    return key[2], key[4] * width, dtype


def _problems(value: Any, archive: Archive, root: str, where: str) -> list[str]:
    """Storages that are missing or of another size than the pickle says."""
    found = []
    prefix = f"{root}/" if root else ""
    for name, made in _walk(value):
        storage = _storage(made.args[0]) if isinstance(made.args, tuple) and made.args else None
        if storage is None:
            continue
        key, size, _ = storage
        entry = archive.get(f"{prefix}data/{key}")
        if entry is None:
            found.append(f"{where}: the numbers of {name} are missing")
        elif size and entry.size != size:
            found.append(f"{where}: {name} has {entry.size:,} bytes of numbers, {size:,} declared")
        if len(found) >= 10:
            break
    return found
