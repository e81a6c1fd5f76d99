"""The rows of a replay buffer, written once: each checkpoint adds those that are new.

Rows are counted from the first one that was ever added; row ``n`` lies in slot ``n % size``. A
segment holds rows ``start`` to ``stop`` of every column, and belongs to all checkpoints that reach
back so far.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sb3_ac_ext.checkpoints.codec import Arrays, copied, decode, encode
from sb3_ac_ext.checkpoints.specials import ROWS

INFOS, AHEAD = "infos", "ahead"


@dataclass(frozen=True)
class Segment:
    """
    :param start: number of the first row
    :param stop: number after the last row
    :param columns: name -> rows, each of shape (stop - start, n_envs, ...)
    """

    start: int
    stop: int
    columns: Mapping[str, Any]

    @property
    def name(self) -> str:
        return f"rows-{self.start}-{self.stop}.npz"

    def arrays(self) -> Arrays:
        """As they are written; ``infos``, which are dictionaries, as text and arrays."""
        found: Arrays = {k: v for k, v in self.columns.items() if k != INFOS}
        if INFOS in self.columns:
            text = json.dumps(encode(self.columns[INFOS], found))
            found[INFOS] = np.frombuffer(text.encode(), np.uint8)
        return found


class RowCounter:
    """Which rows of a buffer are new since it was last asked.

    :param buffer: an SB3 replay buffer
    """

    def __init__(self, buffer: Any) -> None:
        self.buffer = buffer
        self.total = 0
        self._steps = 0
        self._version = version(buffer)

    def forget(self) -> None:
        """Every row counts as new."""
        self.total = 0

    def start_from(self, total: int, steps: int) -> None:
        """Rows up to a number are written already.

        :param total: rows ever added
        :param steps: environment steps at that moment
        """
        self.total, self._steps = total, steps

    def new(self, steps: int) -> Segment | None:
        """
        :param steps: environment steps taken so far
        :return: a copy of the new rows, ``None`` if there are none
        """
        buffer, size = self.buffer, self.buffer.buffer_size
        total = self.total + (steps - self._steps) // buffer.n_envs
        continued = total % size == buffer.pos and buffer.full == (total >= size)
        if self.total == 0 or not continued or self._version != version(buffer):
            self.total, total = 0, buffer.pos + (size if buffer.full else 0)
        start = max(self.total, total - size)
        self.total, self._steps, self._version = total, steps, version(buffer)
        if start == total:
            return None
        return Segment(start, total, _rows(buffer, start, total))

    @property
    def oldest(self) -> int:
        """Number of the oldest row that is still there."""
        return max(0, self.total - int(self.buffer.buffer_size))


def saves_memory(buffer: Any) -> bool:
    """Whether the next observation of a row lies in the slot of the row that follows."""
    return bool(getattr(buffer, "optimize_memory_usage", False))


def version(buffer: Any) -> int:
    """How often rows that were there already were changed, see :func:`mark_rewritten`."""
    return int(getattr(buffer, "rows_rewritten", 0))


def mark_rewritten(buffer: Any) -> None:
    """Told by whoever changes rows that are there already: they are written once more, then."""
    buffer.rows_rewritten = version(buffer) + 1


def _rows(buffer: Any, start: int, stop: int) -> dict[str, Any]:
    slots = np.arange(start, stop) % buffer.buffer_size
    found: dict[str, Any] = {}
    for name, column in columns(buffer).items():
        rows = column[slots]
        if not rows.dtype.hasobject:
            found[name] = rows
        elif any(rows.ravel()):
            found[name] = copied(rows.tolist())
    if saves_memory(buffer):
        # the next observation of the newest row lies in the slot of the row that will follow
        for name, column in columns(buffer).items():
            if name.startswith("observations"):
                found[f"{AHEAD}/{name}"] = column[[buffer.pos]]
    return found


def columns(buffer: Any) -> dict[str, npt.NDArray[Any]]:
    """Name -> array of shape (size, n_envs, ...), those of Dict observations one by one."""
    found: dict[str, npt.NDArray[Any]] = {}
    for name in ROWS:
        column = getattr(buffer, name, None)
        if isinstance(column, Mapping):
            found.update({f"{name}/{key}": part for key, part in column.items()})
        elif isinstance(column, np.ndarray) and len(column) == buffer.buffer_size:
            found[name] = column
    return found


def buffer_bytes(buffer: Any) -> int:
    """
    :param buffer: an SB3 replay buffer, or ``None``
    :return: what its rows take, once it is full
    """
    return 0 if buffer is None else sum(column.nbytes for column in columns(buffer).values())


def put_rows(buffer: Any, segments: Iterable[tuple[int, int, Mapping[str, Any]]]) -> None:
    """Write rows back.

    :param buffer: of the same shape
    :param segments: (start, stop, arrays) in order
    :raises ValueError: if they do not fit
    """
    place = columns(buffer)
    segments = list(segments)
    oldest = max((stop for _, stop, _ in segments), default=0) - buffer.buffer_size
    for start, stop, arrays in segments:
        keep = np.arange(start, stop) >= oldest
        slots = (np.arange(start, stop) % buffer.buffer_size)[keep]
        for name, column in place.items():
            if name == INFOS:
                if INFOS in arrays:
                    rows = decode(json.loads(arrays[INFOS].tobytes()), arrays)
                    for slot, row in zip(slots, np.array(rows, dtype=object)[keep], strict=True):
                        column[slot] = row
                continue
            if name not in arrays or arrays[name].shape[1:] != column.shape[1:]:
                raise ValueError(f"the replay buffer's {name} do not fit those of the bundle")
            column[slots] = arrays[name][keep]
    for name, column in place.items() if segments else ():
        _, stop, arrays = segments[-1]
        if f"{AHEAD}/{name}" in arrays:
            column[[stop % buffer.buffer_size]] = arrays[f"{AHEAD}/{name}"]
