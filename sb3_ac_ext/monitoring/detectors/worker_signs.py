"""One worker that pays the opposite of all others, or nothing at all."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sb3_ac_ext.monitoring.detectors.base import Detector, require
from sb3_ac_ext.monitoring.detectors.worker_rows import Row, newest_rows
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Finding, Severity

_LEAST_WORKERS = 4
_ERRORS = 5.0


@dataclass(frozen=True)
class _OddWorker(Detector):
    """The same one worker is odd in each of the last snapshots. Needs four workers.

    :param times: snapshots in a row, at least 2
    :raises ValueError: for fewer
    """

    times: int = 3

    series: ClassVar[str]
    does: ClassVar[str]

    def __post_init__(self) -> None:
        require(self.times >= 2, "times", self.times, "at least 2")

    @staticmethod
    @abstractmethod
    def odd(row: Row) -> int | None:
        """The one worker unlike all others in this snapshot."""

    def check(self, history: History) -> Finding | None:
        newest = newest_rows(history, last=1)
        if not newest or len(newest[0].mean) < _LEAST_WORKERS:
            return None
        worker = self.odd(newest[0])
        if worker is None:
            return None
        rows = newest_rows(history, last=self.times)
        if len(rows) < self.times or any(self.odd(row) != worker for row in rows):
            return None
        return self.finding(
            history,
            Severity.CRITICAL,
            f"worker {worker} {self.does}",
            float(rows[-1].mean[worker]),
            0.0,
            (self.series,),
            since=rows[0].step,
            worker=worker,
        )


@dataclass(frozen=True)
class WorkerSign(_OddWorker):
    """One worker's mean reward has the opposite sign of every other worker's, persistently.

    All means must be at least five standard errors away from zero, so that workers which cross zero
    by chance are not compared.
    """

    name = "worker_sign"
    series = "rewards/worker_mean"
    does = "pays rewards of the opposite sign of all others'"
    causes = {"worker_reward_sign": 1.0}  # noqa: RUF012
    advice = "compare the sign of the reward in this worker's environment with the others'"

    @staticmethod
    def odd(row: Row) -> int | None:
        return _opposite(row)


@dataclass(frozen=True)
class WorkerSilent(_OddWorker):
    """One worker pays nothing at all while every other worker's rewards are mostly not zero."""

    name = "worker_silent"
    series = "rewards/worker_zero_share"
    does = "pays no reward at all while all others do"
    causes = {"worker_stuck": 0.9, "worker_reward_scale": 0.5}  # noqa: RUF012
    advice = "see whether this worker's environment is stuck, or its reward wrapper multiplies by 0"

    @staticmethod
    def odd(row: Row) -> int | None:
        return _silent(row)


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
