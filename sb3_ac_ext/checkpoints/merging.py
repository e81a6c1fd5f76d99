"""Few files of replay rows instead of one for every checkpoint.

Tiers as in log-structured stores: as soon as enough files of about the size of the newest have come
together, one file takes their place, so that every row is written a few times only. Files that are
large already are left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import numpy as np

from sb3_ac_ext.checkpoints.bundle import read_arrays, row_range
from sb3_ac_ext.checkpoints.rows import AHEAD, INFOS, Segment

TOGETHER = 8
LARGE = 64 * 2**20


def joined(older: Sequence[int], newest: int, most: float) -> int:
    """How many of the files before the newest are written once more together with it.

    :param older: their rows, from the oldest to the newest
    :param newest: rows of the one that is to be written
    :param most: rows that one file may have in the end
    :return: 0 for none
    """
    count, total = 0, newest
    while tier := _tier(older[: len(older) - count], total):
        if total + sum(tier) > most:
            break
        count, total = count + len(tier), total + sum(tier)
    return count


def _tier(older: Sequence[int], size: int) -> list[int]:
    """Those at the end that are about so large or smaller; none while they are few."""
    found = list(takewhile(lambda rows: rows <= 2 * size, reversed(older)))
    return found if len(found) >= TOGETHER - 1 else []


def merge(
    linked: Mapping[Path, dict[str, Any]], segment: Segment
) -> tuple[dict[Path, dict[str, Any]], Segment]:
    """
    :param linked: files of earlier rows, in order, with what the manifest says of them
    :param segment: the rows that follow; those with ``infos`` are left as they are
    :return: the files that stay, and the segment with the rows of the others before it
    :raises ValueError: if one of them is damaged
    """
    if INFOS in segment.columns:
        return dict(linked), segment
    files = [(path, *row_range(path.name)) for path in linked]
    names = _names(segment.columns)
    rows = segment.stop - segment.start
    most = LARGE * rows / sum(segment.columns[name].nbytes for name in names)
    staying = len(files) - joined([stop - start for _, start, stop in files], rows, most)
    parts = [(start, read_arrays(path)) for path, start, _ in files[staying:]]
    if not parts or any(names != _names(part) for _, part in parts):
        return dict(linked), segment
    columns = {
        name: np.concatenate([*(part[name] for _, part in parts), segment.columns[name]])
        for name in names
    }
    merged = Segment(parts[0][0], segment.stop, {**segment.columns, **columns})
    return dict(islice(linked.items(), staying)), merged


def _names(arrays: Iterable[str]) -> set[str]:
    return {name for name in arrays if not name.startswith(AHEAD)}
