"""Checkpoints to go back to: the last few in memory, or bundles in a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sb3_ac_ext.checkpoints.bundle import Bundle, verified
from sb3_ac_ext.checkpoints.captured import captured
from sb3_ac_ext.checkpoints.codec import decode
from sb3_ac_ext.checkpoints.forgetting import Rows
from sb3_ac_ext.checkpoints.learnt import capture_learnt
from sb3_ac_ext.checkpoints.rows import RowCounter
from sb3_ac_ext.checkpoints.settings import hyperparameters
from sb3_ac_ext.checkpoints.state import State
from sb3_ac_ext.checkpoints.writer import Writer


@dataclass(frozen=True)
class Point:
    """One checkpoint.

    :param step: environment steps at which it was taken
    :param read: gives its state, and what reads the rows of a replay buffer where it has them
    :param name: of its bundle, if it is one
    """

    step: int
    read: Callable[[], tuple[State, Rows | None]]
    name: str | None = None


class MemoryShelf:
    """Keeps the newest few in memory.

    :param keep: how many
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._points: list[Point] = []

    def begin(self, model: Any, step: int) -> None:
        """Training begins, or goes on: what lies beyond is of another run."""
        self._points = [point for point in self._points if point.step <= step]

    def put(self, model: Any, step: int) -> None:
        """Take one now, between two updates."""
        state = capture_learnt(model)
        kept = [point for point in self._points if point.step != step]
        self._points = [*kept, Point(step, lambda: (state, None))][-self._keep :]

    def points(self) -> list[Point]:
        """From the newest on."""
        return self._points[::-1]

    def clear(self) -> None:
        """Another run begins."""
        self._points = []

    def close(self) -> None:
        """Training ended."""


class BundleShelf:
    """Keeps the newest few as bundles, which hold the rows of a replay buffer, too.

    :param keep: how many
    :param folder: made when missing
    """

    def __init__(self, keep: int, folder: Path) -> None:
        self._writer = Writer(folder, keep, 0)
        self._rows: RowCounter | None = None
        self._settings: dict[str, Any] = {}

    def begin(self, model: Any, step: int) -> None:
        """As :meth:`MemoryShelf.begin`."""
        self._writer.begin(step)
        buffer = getattr(model, "replay_buffer", None)
        self._rows = None if buffer is None else RowCounter(buffer)
        self._settings = hyperparameters(model)

    def put(self, model: Any, step: int) -> None:
        """As :meth:`MemoryShelf.put`; it is written meanwhile.

        :raises OSError: when the one before could not be written
        """
        try:
            self._writer.result()
            self._writer.submit(captured(model, (), self._settings, self._rows))
        except BaseException:
            if self._rows is not None:
                self._rows.forget()
            self._writer.start_from(None)
            raise

    def points(self) -> list[Point]:
        """From the newest on."""
        return bundle_points(self._writer)

    def clear(self) -> None:
        """As :meth:`MemoryShelf.clear`; what is in the folder stays until it is replaced."""
        self._writer.begin(-1)

    def close(self) -> None:
        """Wait for what is being written."""
        self._writer.close()


Shelf = MemoryShelf | BundleShelf


def bundle_points(writer: Writer) -> list[Point]:
    """
    :param writer: of the bundles of a run
    :return: the good ones, from the newest on
    """
    return [_point(bundle) for bundle in writer.good()]


def _point(bundle: Bundle) -> Point:
    def read() -> tuple[State, Rows | None]:
        """:raises ValueError: if it is damaged"""
        complete = verified(bundle.path)
        tree, arrays = complete.state()
        return decode(tree, arrays), complete.rows

    return Point(bundle.steps, read, bundle.path.name)
