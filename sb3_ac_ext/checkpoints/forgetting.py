"""Rows of a replay buffer that were added after a checkpoint, forgotten as if never added."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer

from sb3_ac_ext.buffers import (
    DictNStepReplayBuffer,
    DictWorkerNormalizedReplayBuffer,
    WorkerNormalizedReplayBuffer,
)
from sb3_ac_ext.checkpoints.codec import Arrays
from sb3_ac_ext.checkpoints.graph import Node, Restore
from sb3_ac_ext.checkpoints.learnt import RESTORED
from sb3_ac_ext.checkpoints.rows import columns, mark_rewritten, put_rows, saves_memory, version

_PLAIN = (
    *(ReplayBuffer, DictReplayBuffer, NStepReplayBuffer, DictNStepReplayBuffer),
    *(WorkerNormalizedReplayBuffer, DictWorkerNormalizedReplayBuffer),
)
Rows = Callable[[], list[tuple[int, int, Arrays]]]


class RowNumbers:
    """Counts the rows of a replay buffer, so that it is known how many a checkpoint lies back.

    :param buffer: an SB3 replay buffer
    :param steps: environment steps taken so far
    """

    def __init__(self, buffer: Any, steps: int) -> None:
        self._buffer = buffer
        self.pieces: list[tuple[int, int]] = []
        self.go_back(steps, int(buffer.size()))

    def get_state(self) -> dict[str, Any]:
        """For a checkpoint of the run."""
        return {"pieces": list(self.pieces), "offset": self._offset}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """
        :param state: from :meth:`get_state`
        """
        self.pieces, self._offset = list(state["pieces"]), state["offset"]

    def at(self, steps: int) -> int:
        """
        :param steps: environment steps, in a stretch that was not forgotten
        :return: number of the row that was added next
        """
        reached = [piece for piece in self.pieces if piece[0] <= steps]
        began, number = (reached or self.pieces[:1])[-1]
        return number + (steps - began) // int(self._buffer.n_envs)

    def go_back(self, steps: int, number: int) -> None:
        """
        :param steps: environment steps at which rows were forgotten
        :param number: of the row that will be added next
        """
        self.pieces.append((steps, number))
        self._offset = number - int(self._buffer.pos)

    def settle(self, steps: int) -> None:
        """Training goes on: a step that ended it before may be counted and not stored.

        :param steps: environment steps taken so far
        """
        number, size = self.at(steps), int(self._buffer.buffer_size)
        missing = (number - self._offset - int(self._buffer.pos)) % size
        if missing:
            self.go_back(steps, number - missing)


class Forgetting:
    """Brings a replay buffer back to a checkpoint.

    Rows that were overwritten since are read where the checkpoint is on disk; else those that are
    left are moved to the front, as if the buffer had been new when the oldest of them was added.

    The last row of each worker counts as cut off by a time limit then, since its episode is not the
    one that goes on.

    :param buffer: as it is
    :param nodes: its attributes at the checkpoint
    :param added: how many rows were added since
    :param rows: reads the rows of the checkpoint, ``None`` if it holds none
    :raises ValueError: if overwritten rows are needed and are nowhere
    """

    def __init__(self, buffer: Any, nodes: Node, added: int, rows: Rows | None = None) -> None:
        size = int(buffer.buffer_size)
        self._buffer, self._nodes, self._rows = buffer, nodes, rows
        pos = int(nodes["pos"]["value"])
        held = size if nodes["full"]["value"] else pos
        # of a full buffer that saves memory, the oldest row has lost its observation
        there = buffer.size() - int(bool(added) and buffer.full and saves_memory(buffer))
        left = min(held, max(0, there - added))
        end = buffer.pos - added  # slot of the first row that goes
        self._slots = np.arange(end - left, end) % size
        self.lost = held - left
        """Rows of the checkpoint that were overwritten."""
        self._as_it_was = not self.lost and end % size == pos
        self._added = added
        if not self._as_it_was and rows is None and not _can_move(buffer):
            raise ValueError(
                f"the {type(buffer).__name__} has overwritten rows of the checkpoint since, and "
                "cannot do without them: keep checkpoints in a folder, or by a BundleCallback"
            )

    def apply(self) -> None:
        """Forget."""
        buffer, before = self._buffer, version(self._buffer)
        segments = self._rows() if self._rows is not None and not self._as_it_was else None
        if segments is not None:
            put_rows(buffer, segments)
        Restore(RESTORED).attributes(self._nodes, buffer, "replay_buffer")
        if segments is None and not self._as_it_was:
            _move(buffer, self._slots)
        if self._added:
            _end_episodes(buffer)
        buffer.rows_rewritten = before
        mark_rewritten(buffer)


def _can_move(buffer: Any) -> bool:
    """Whether nothing else depends on where rows lie, or it follows them."""
    return type(buffer) in _PLAIN or callable(getattr(buffer, "rows_moved", None))


def _move(buffer: Any, slots: Any) -> None:
    n = len(slots)
    for name, column in columns(buffer).items():
        ahead = name.startswith("observations") and n and saves_memory(buffer)
        following = column[[(slots[-1] + 1) % len(column)]] if ahead else None
        column[:n] = column[slots]
        if following is not None and n < len(column):
            column[[n]] = following
    buffer.pos, buffer.full = n % buffer.buffer_size, n == buffer.buffer_size
    if hasattr(buffer, "rows_moved"):
        buffer.rows_moved(slots)


def _end_episodes(buffer: Any) -> None:
    if buffer.size() == 0:
        return
    if hasattr(buffer, "truncate_last_trajectory"):  # hindsight replay, which knows its episodes
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            buffer.truncate_last_trajectory()
        return
    running = buffer.dones[buffer.pos - 1] == 0
    buffer.dones[buffer.pos - 1, running] = 1
    if buffer.handle_timeout_termination:
        buffer.timeouts[buffer.pos - 1, running] = 1
