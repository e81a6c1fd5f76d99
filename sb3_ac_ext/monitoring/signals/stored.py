"""Compare what happened, step by step, with what the buffer says happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sb3_ac_ext.monitoring.recorder import Step

Array = npt.NDArray[Any]


def difference(stored: Any, seen: Sequence[Any]) -> float:
    """Largest difference of stored rows and what was seen, relative to the seen magnitudes.

    :param stored: shape (n, n_envs, ...), or a dict of such
    :param seen: n arrays of shape (n_envs, ...), or dicts of such
    :return: 0 where all rows agree; infinite where one is finite and the other is not
    """
    if isinstance(stored, dict):
        return max(difference(part, [row[key] for row in seen]) for key, part in stored.items())
    expected = np.stack([np.asarray(row).reshape(len(row), -1) for row in seen])
    found = stored.reshape(expected.shape)
    if np.array_equal(found, expected.astype(found.dtype)):
        return 0.0
    a, b = found.astype(np.float64), expected.astype(found.dtype).astype(np.float64)
    apart = np.abs(a - b) / np.maximum(1.0, np.abs(b))
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    apart = np.where(same, 0.0, np.where(np.isfinite(apart), apart, np.inf))
    return float(apart.max())


def newest(steps: Sequence[Step], available: int) -> Sequence[Step]:
    """The steps that the buffer still holds.

    :param available: rows in the buffer
    """
    n = min(len(steps), available)
    return steps[len(steps) - n :]


def rows_of(stored: Any, rows: Any) -> Any:
    """Rows of an array, or of every array of a dict."""
    if isinstance(stored, dict):
        return {key: part[rows] for key, part in stored.items()}
    return stored[rows]
