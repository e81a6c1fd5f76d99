"""Fewer points per line, without losing a spike."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from sb3_ac_ext.monitoring.history import Floats

Indices = npt.NDArray[np.int64]


def extremes(values: Floats, limit: int) -> Indices:
    """Indices of the points that keep the shape of a line: the lowest and highest of each bucket.

    A one-point spike in a million survives, which averaging or taking every k-th point would lose.
    A bucket without any finite value keeps its first point, so that the gap stays visible.

    :param values: shape (n,)
    :param limit: at most this many indices, at least 4
    :return: increasing indices, shape (<= limit,); the first and the last point are always there
    """
    n = len(values)
    if n <= limit:
        return np.arange(n, dtype=np.int64)
    edges = np.linspace(1, n - 1, max(1, (limit - 2) // 2) + 1).astype(np.int64)
    kept: set[int] = {0, n - 1}
    for start, end in pairwise(edges):
        bucket = values[start:end]
        finite = np.isfinite(bucket)
        if not finite.any():
            kept.add(int(start))
            continue
        kept.add(int(start + np.argmin(np.where(finite, bucket, np.inf))))
        kept.add(int(start + np.argmax(np.where(finite, bucket, -np.inf))))
    return np.array(sorted(kept), dtype=np.int64)


def evenly(n: int, limit: int) -> Indices:
    """At most ``limit`` indices out of ``n``, evenly spread, with the first and the last."""
    if n <= limit:
        return np.arange(n, dtype=np.int64)
    return np.unique(np.linspace(0, n - 1, limit).astype(np.int64))
