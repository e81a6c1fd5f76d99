"""Histories made of tables of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sb3_ac_ext.monitoring.detectors import Detector
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Finding, RunInfo, Snapshot


def table(
    columns: Mapping[str, Sequence[float]],
    arrays: Mapping[str, Sequence[Sequence[float]]] | None = None,
    **info: Any,
) -> History:
    """One snapshot per row, 100 steps apart; a NaN stands for a value that is absent."""
    arrays = arrays or {}
    n = max(len(column) for column in [*columns.values(), *arrays.values()])
    facts = {"total_timesteps": 100 * n, **info}
    history = History(RunInfo(**facts))
    for row in range(n):
        values = {name: column[row] for name, column in columns.items() if column[row] is not None}
        history.append(
            Snapshot(
                step=100 * (row + 1),
                seconds=float(row),
                values={name: float(value) for name, value in values.items()},
                arrays={name: tuple(rows[row]) for name, rows in arrays.items()},
            )
        )
    return history


def findings(detector: Detector, history: History) -> list[Finding]:
    """Of every prefix of the history, as live monitoring asks."""
    found = [detector.check(history.until(n)) for n in range(1, len(history) + 1)]
    return [finding for finding in found if finding is not None]


def rising(n: int, start: float = 20.0, end: float = 400.0, seed: int = 0) -> list[float]:
    """A noisy healthy learning curve."""
    rng = np.random.default_rng(seed)
    return list(np.linspace(start, end, n) + rng.normal(0.0, 0.05 * abs(end - start), n))
