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
        self._levels: list[Floats] = []
        n = size
        while True:
            blocks = -(-n // _WIDTH)
            self._levels.append(np.zeros((blocks, _WIDTH)))
            if blocks == 1:
                break
            n = blocks

    @property
    def total(self) -> float:
        return float(self._levels[-1].sum())

    def __getitem__(self, rows: Rows) -> Floats:
        values: Floats = self._levels[0].reshape(-1)[rows]
        return values

    def set(self, rows: Rows, values: npt.ArrayLike) -> None:
        """
        :param rows: shape (n,); the last of equal ones counts
        :param values: shape (n,), or one for all; not negative
        """
        self._levels[0].reshape(-1)[rows] = values
        blocks = rows // _WIDTH
        for below, above in zip(self._levels, self._levels[1:], strict=False):
            above.reshape(-1)[blocks] = below[blocks].sum(axis=1)
            blocks = blocks // _WIDTH

    def find(self, heights: Floats) -> Rows:
        """The rows in which running sums of the values reach the heights.

        :param heights: shape (n,), in [0, :attr:`total`)
        :return: shape (n,), never a row whose value is 0 while others are not
        """
        blocks = np.zeros(len(heights), dtype=np.int64)
        rest = np.array(heights, dtype=np.float64)
        for level in reversed(self._levels):
            ends = np.cumsum(level[blocks], axis=1)
            # rounding may leave a height beyond the last sum: it belongs to the last value then
            rest = np.minimum(rest, np.nextafter(ends[:, -1], 0.0))
            chosen = (ends <= rest[:, None]).sum(axis=1)
            rest -= np.where(chosen > 0, ends[np.arange(len(ends)), chosen - 1], 0.0)
            blocks = blocks * _WIDTH + chosen
        return blocks
