"""Many small arrays of one shape below one another, without an object for each."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_FIRST = 64


class Rows:
    """A growing array of shape (n, \\*shape), in the shape of the first row.

    :param dtype: of all rows, by default that of the first
    """

    def __init__(self, dtype: npt.DTypeLike | None = None) -> None:
        self._dtype = dtype
        self._array: npt.NDArray[Any] = np.empty(0)
        self._n = 0

    def __len__(self) -> int:
        return self._n

    def add(self, row: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """
        :return: the row's copy, which nobody else writes to
        """
        n = self._n
        if n == len(self._array):
            self._grow(row)
        self._n = n + 1
        mine: npt.NDArray[Any] = self._array[n]
        mine[...] = row
        return mine

    def _grow(self, row: npt.NDArray[Any]) -> None:
        larger = np.empty((max(_FIRST, 2 * self._n), *row.shape), self._dtype or row.dtype)
        if self._n:
            larger[: self._n] = self._array
        self._array = larger

    def take(self, otherwise: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """All rows, and begin anew.

        :param otherwise: returned where there are none
        """
        if not self._n:
            return otherwise
        taken: npt.NDArray[Any] = self._array[: self._n].copy()
        self._array, self._n = np.empty((self._n, *taken.shape[1:]), taken.dtype), 0
        return taken
