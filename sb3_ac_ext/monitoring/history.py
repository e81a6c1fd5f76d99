"""The seam of the monitor: signals append snapshots, everything after reads series."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from sb3_ac_ext.monitoring.records import Event, RunInfo, Snapshot

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """One signal over time.

    :param steps: shape (n,), environment steps, increasing
    :param values: shape (n,)
    """

    steps: npt.NDArray[np.int64]
    values: Floats

    def __len__(self) -> int:
        return len(self.steps)

    def __bool__(self) -> bool:
        return len(self.steps) > 0

    def last(self, n: int) -> Series:
        start = max(0, len(self) - n)
        return Series(self.steps[start:], self.values[start:])

    def finite(self) -> Series:
        keep = np.isfinite(self.values)
        return Series(self.steps[keep], self.values[keep])


@dataclass
class _Column:
    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)


class History:
    """Snapshots of one run in order of steps, readable by name.

    A history can be cut at a step (:meth:`until`) without copying, so that detectors judge a
    recorded run exactly as they judged it live.

    :param info: facts about the run
    :param snapshots: what was recorded so far, in order
    """

    def __init__(self, info: RunInfo | None = None, snapshots: Iterable[Snapshot] = ()) -> None:
        self.info = info or RunInfo()
        self.notes: list[str] = []
        self.events: list[Event] = []
        self._snapshots: list[Snapshot] = []
        self._columns: dict[str, _Column] = {}
        self._end: int | None = None
        for snapshot in snapshots:
            self.append(snapshot)

    def append(self, snapshot: Snapshot) -> None:
        """:raises ValueError: when the snapshot is not newer than the last one"""
        if self._end is not None:
            raise ValueError("a cut history cannot grow")
        if self._snapshots and snapshot.step <= self._snapshots[-1].step:
            raise ValueError(f"step {snapshot.step} comes after step {self._snapshots[-1].step}")
        self._snapshots.append(snapshot)
        for name, value in snapshot.values.items():
            column = self._columns.setdefault(name, _Column())
            column.steps.append(snapshot.step)
            column.values.append(value)

    def __len__(self) -> int:
        return len(self._snapshots) if self._end is None else self._end

    def __iter__(self) -> Iterator[Snapshot]:
        return iter(self._snapshots[: len(self)])

    @property
    def last(self) -> Snapshot | None:
        return self._snapshots[len(self) - 1] if len(self) else None

    @property
    def step(self) -> int:
        return self.last.step if self.last else 0

    @property
    def progress(self) -> float | None:
        """Share of the budget that is spent, in [0, 1]; ``None`` when the budget is not known."""
        total = self.info.total_timesteps
        return min(1.0, self.step / total) if total else None

    @property
    def names(self) -> list[str]:
        """Names of all scalar series, sorted."""
        return sorted(self._columns)

    def has(self, name: str) -> bool:
        return bool(self.series(name, last=1))

    def series(self, name: str, last: int | None = None) -> Series:
        """
        :param name: of the signal; an unknown one gives an empty series
        :param last: at most this many points, from the end
        """
        column = self._columns.get(name)
        if column is None:
            return Series(np.empty(0, dtype=np.int64), np.empty(0))
        end = len(column.steps) if self._end is None else bisect_right(column.steps, self.step)
        start = 0 if last is None else max(0, end - last)
        return Series(
            np.asarray(column.steps[start:end], dtype=np.int64),
            np.asarray(column.values[start:end], dtype=np.float64),
        )

    def rows(self, name: str, last: int | None = None) -> list[tuple[int, tuple[float, ...]]]:
        """(step, array) pairs of an array signal, from the end at most ``last`` of them."""
        found: list[tuple[int, tuple[float, ...]]] = []
        for index in range(len(self) - 1, -1, -1):
            snapshot = self._snapshots[index]
            if name in snapshot.arrays:
                found.append((snapshot.step, snapshot.arrays[name]))
                if last is not None and len(found) == last:
                    break
        return found[::-1]

    def until(self, n: int) -> History:
        """The first ``n`` snapshots as a read-only view that shares this history's storage."""
        view = History(self.info)
        view._snapshots, view._columns = self._snapshots, self._columns
        view._end = min(n, len(self))
        view.events = [event for event in self.events if event.step <= view.step]
        return view


def write_header(stream: IO[str], info: RunInfo) -> None:
    _write_line(stream, {"kind": "run", "version": 1, **info.to_json()})


def write_snapshot(stream: IO[str], snapshot: Snapshot) -> None:
    _write_line(stream, {"kind": "snapshot", **snapshot.to_json()})


def write_event(stream: IO[str], event: Event) -> None:
    _write_line(stream, {"kind": "event", **event.to_json()})


def _write_line(stream: IO[str], data: object) -> None:
    stream.write(json.dumps(data, allow_nan=False, separators=(",", ":"), default=str) + "\n")
    stream.flush()


def read_history(path: Path | str) -> History:
    """Read ``monitor.jsonl``; a later header replaces an earlier one.

    Where the steps go back after a header, as when training was resumed from a checkpoint or begun
    anew in the same folder, what had been recorded from that step on is superseded and dropped with
    a note. A torn last line, as after ``kill -9``, is dropped with a note.

    :raises ValueError: when the file is missing, holds no header, or a line before the last is not
        valid
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    reader = _Reader(path.name)
    for number, line in enumerate(lines, start=1):
        try:
            reader.read(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if number < len(lines) or reader.info is None:
                raise ValueError(
                    f"{path} line {number} is not a line of a monitor history: {_reason(error)}"
                ) from None
            reader.notes.append(f"{path.name}: the last line was torn and is dropped")
    if reader.info is None:
        raise ValueError(f"{path} is empty: a monitor history begins with a line of kind 'run'")
    history = History(reader.info, reader.snapshots)
    history.notes.extend(reader.notes)
    history.events.extend(reader.events)
    return history


def _reason(error: Exception) -> str:
    return f"field {error} is missing" if isinstance(error, KeyError) else str(error)


class _Reader:
    """What the lines of one file have told so far."""

    def __init__(self, name: str) -> None:
        self.info: RunInfo | None = None
        self.snapshots: list[Snapshot] = []
        self.events: list[Event] = []
        self.notes: list[str] = []
        self._name = name
        self._restarted = False

    def read(self, data: Any) -> None:
        if not isinstance(data, dict):
            raise ValueError("it is not a JSON object")
        kind = data.pop("kind")
        if kind == "run":
            self.info = RunInfo.from_json(data)
            self._restarted = True
        elif kind == "snapshot" and self.info is not None:
            self._add(Snapshot.from_json(data))
        elif kind == "event" and self.info is not None:
            self.events.append(Event.from_json(data))

    def _add(self, snapshot: Snapshot) -> None:
        last = self.snapshots[-1].step if self.snapshots else -1
        if snapshot.step <= last:
            if not self._restarted:
                raise ValueError(f"step {snapshot.step} comes after step {last}")
            kept = [earlier for earlier in self.snapshots if earlier.step < snapshot.step]
            self.notes.append(
                f"{self._name}: steps go back from {last} to {snapshot.step}; "
                f"{len(self.snapshots) - len(kept)} earlier snapshots are superseded and left out"
            )
            self.snapshots = kept
            self.events = [event for event in self.events if event.step < snapshot.step]
        self._restarted = False
        self.snapshots.append(snapshot)
