"""One worker that pays the opposite of all others, or nothing at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sb3_ac_ext.monitoring.detectors.base import Detector, require
from sb3_ac_ext.monitoring.detectors.worker_rows import Row, newest_rows
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Finding, Severity

_LEAST_WORKERS = 4
_ERRORS = 5.0


def _same_worker(
    history: History, times: int, odd: Callable[[Row], int | None]
) -> tuple[int, list[Row]] | None:
    """The one worker that is odd in all of the last ``times`` rows."""
    newest = newest_rows(history, last=1)
    if not newest or len(newest[0].mean) < _LEAST_WORKERS:
        return None
    worker = odd(newest[0])
    if worker is None:
        return None
    rows = newest_rows(history, last=times)
    agree = len(rows) == times and all(odd(row) == worker for row in rows)
    return (worker, rows) if agree else None


@dataclass(frozen=True)
class WorkerSign(Detector):
    """One worker's mean reward has the opposite sign of every other worker's, persistently.

    All means must be at least five standard errors away from zero, so that workers which cross zero
    by chance are not compared. Needs four workers.

    :param times: snapshots in a row, at least 2
    :raises ValueError: for fewer
    """

    times: int = 3

    name = "worker_sign"
    causes = {"worker_reward_sign": 1.0}  # noqa: RUF012
    advice = "compare the sign of the reward in this worker's environment with the others'"

    def __post_init__(self) -> None:
        require(self.times >= 2, "times", self.times, "at least 2")

    def check(self, history: History) -> Finding | None:
        found = _same_worker(history, self.times, _opposite)
        if found is None:
            return None
        worker, rows = found
        return self.finding(
            history,
            Severity.CRITICAL,
            f"worker {worker} pays rewards of the opposite sign of all others'",
            float(rows[-1].mean[worker]),
            0.0,
            ("rewards/worker_mean",),
            since=rows[0].step,
            worker=worker,
        )


@dataclass(frozen=True)
class WorkerSilent(Detector):
    """One worker pays nothing at all while every other worker's rewards are mostly not zero.

    :param times: snapshots in a row, at least 2
    :raises ValueError: for fewer
    """

    times: int = 3

    name = "worker_silent"
    causes = {"worker_reward_scale": 0.9}  # noqa: RUF012
    advice = "see whether this worker's environment is stuck, or its reward wrapper multiplies by 0"

    def __post_init__(self) -> None:
        require(self.times >= 2, "times", self.times, "at least 2")

    def check(self, history: History) -> Finding | None:
        found = _same_worker(history, self.times, _silent)
        if found is None:
            return None
        worker, rows = found
        return self.finding(
            history,
            Severity.CRITICAL,
            f"worker {worker} pays no reward at all while all others do",
            1.0,
            0.5,
            ("rewards/worker_zero_share",),
            since=rows[0].step,
            worker=worker,
        )


def _opposite(row: Row) -> int | None:
    errors = row.std / np.sqrt(max(row.steps, 1.0))
    if not (np.abs(row.mean) > _ERRORS * errors).all():
        return None
    positive = np.flatnonzero(row.mean > 0.0)
    negative = np.flatnonzero(row.mean < 0.0)
    for few, many in ((positive, negative), (negative, positive)):
        if len(few) == 1 and len(many) == len(row.mean) - 1:
            return int(few[0])
    return None


def _silent(row: Row) -> int | None:
    worker = int(np.argmax(row.zero_share))
    others = np.delete(row.zero_share, worker)
    return worker if row.zero_share[worker] == 1.0 and others.max() < 0.5 else None
