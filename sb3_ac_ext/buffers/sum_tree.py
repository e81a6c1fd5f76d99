"""A tree of sums: rows are drawn in proportion to their priorities, whole batches at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
_WIDTH = 32


class SumTree:
    """Non-negative numbers with the sums of every 32 of them, the sums of every 32 of these, ...

    A wide tree has few levels, each of which is one array operation for a whole batch: four for a
    million rows. Sums are computed anew from what they add up, so that no error builds up.

    :param size: number of rows, at least 1
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._levels: list[_Level] = []
        blocks = size
        while True:
            blocks = -(-blocks // _WIDTH)
            self._levels.append(_Level(blocks))
            if blocks == 1:
                break

    @property
    def total(self) -> float:
        return float(self._levels[-1].running[0, -1])

    def __getitem__(self, rows: Rows) -> Floats:
        values: Floats = self._levels[0].values.reshape(-1).take(rows)
        return values

    def set(self, rows: Rows, values: npt.ArrayLike) -> None:
        """
        :param rows: shape (n,); the last of equal ones counts
        :param values: shape (n,), or one for all; not negative
        """
        for level in self._levels:
            level.values.reshape(-1)[rows] = values
            rows = rows // _WIDTH
            values = level.add_up(rows)

    def find(self, heights: Floats) -> Rows:
        """The rows in which running sums of the values reach the heights.

        :param heights: shape (n,), in [0, :attr:`total`)
        :return: shape (n,), never a row whose value is 0 while others are not
        """
        blocks = np.zeros(len(heights), dtype=np.int64)
        rest = np.array(heights, dtype=np.float64)
        for level in reversed(self._levels):
            # rounding may leave a height beyond the sum: it belongs to the last value then
            running = level.running.take(blocks, axis=0)
            np.minimum(rest, np.nextafter(running[:, -1], -1.0), out=rest)
            chosen = (running[:, :-1] <= rest[:, None]).sum(axis=1) - 1
            rest -= running.reshape(-1).take(chosen + (_WIDTH + 1) * np.arange(len(rest)))
            blocks = _WIDTH * blocks + chosen
        return blocks


class _Level:
    """
    ``values``: shape (blocks, 32); ``running``: 0 and the running sums of each block, shape
    (blocks, 33).
    """

    def __init__(self, blocks: int) -> None:
        self.values = np.zeros((blocks, _WIDTH))
        self.running = np.zeros((blocks, _WIDTH + 1))

    def add_up(self, blocks: Rows) -> Floats:
        """:return: the sums of the blocks, which have changed"""
        running = np.zeros((len(blocks), _WIDTH + 1))
        np.cumsum(self.values.take(blocks, axis=0), axis=1, out=running[:, 1:])
        self.running[blocks] = running
        return running[:, -1]
