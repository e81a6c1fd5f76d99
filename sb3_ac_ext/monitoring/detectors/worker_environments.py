"""One worker whose environment shows, moves or answers unlike all others'."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sb3_ac_ext.monitoring.detectors.base import Detector, require
from sb3_ac_ext.monitoring.functional import compare_samples, leave_one_out_ratios
from sb3_ac_ext.monitoring.history import Floats, History
from sb3_ac_ext.monitoring.records import Finding, Severity

_LEAST_WORKERS = 3


def _matrix(history: History, name: str, last: int) -> tuple[list[int], Floats] | None:
    """(steps, values of shape (snapshots, n_envs)) when the newest snapshot has the array."""
    newest = history.last
    if newest is None or name not in newest.arrays or len(newest.arrays[name]) < _LEAST_WORKERS:
        return None
    rows = history.rows(name, last)
    return [step for step, _ in rows], np.array([row for _, row in rows])


@dataclass(frozen=True)
class WorkerStuck(Detector):
    """One worker's observations do not change while all others' do. Exact, ``times`` running.

    :param times: snapshots in a row, at least 1
    :raises ValueError: for fewer
    """

    times: int = 2

    name = "worker_stuck"
    causes = {"worker_stuck": 1.0}  # noqa: RUF012
    advice = "restart this worker; look for a simulator that hangs or a connection that is lost"

    def __post_init__(self) -> None:
        require(self.times >= 1, "times", self.times, "at least 1")

    def check(self, history: History) -> Finding | None:
        found = _matrix(history, "probe/worker_moving", self.times)
        if found is None or len(found[1]) < self.times:
            return None
        steps, moving = found
        still = np.flatnonzero((moving == 0.0).all(axis=0))
        if len(still) != 1 or np.delete(moving, still, axis=1).min() < 0.5:
            return None
        worker = int(still[0])
        return self.finding(
            history,
            Severity.CRITICAL,
            f"worker {worker} returns the same observation at every step",
            0.0,
            0.5,
            ("probe/worker_moving",),
            since=steps[0],
            worker=worker,
        )


@dataclass(frozen=True)
class WorkerObservations(Detector):
    """One worker's observations are on another scale, or its transitions are other ones.

    *Level*: median magnitude over that of all workers; *residual*: error of a common linear model
    of transitions. Over the last 10 to 30 snapshots the worker ranks above (or, for the level,
    below) all others by a Mann-Whitney test at 1e-6 with an effect of at least 0.8, and its median
    is beyond ``ratio`` times the others'. Healthy workers are exchangeable, so the error rate
    holds.

    :param ratio: above 1
    :raises ValueError: for less
    """

    ratio: float = 2.5

    name = "worker_observations"
    causes = {"worker_observations": 0.9}  # noqa: RUF012
    advice = "compare wrappers, version and units of this worker's environment with the others'"

    def __post_init__(self) -> None:
        require(self.ratio > 1.0, "ratio", self.ratio, "more than 1")

    def check(self, history: History) -> Finding | None:
        return self._odd(history, "probe/worker_level", 0.0) or self._odd(
            history, "probe/worker_residual", 1e-2
        )

    def _odd(self, history: History, name: str, floor: float) -> Finding | None:
        found = _matrix(history, name, 30)
        if found is None:
            return None
        steps, values = found
        known = np.isfinite(values).all(axis=1)
        values = values[known] + floor
        if len(values) < 10:
            return None
        ratios = leave_one_out_ratios(np.median(values, axis=0))
        away = np.where(np.isfinite(ratios) & (ratios > 0.0), np.abs(np.log(ratios)), 0.0)
        worker = int(np.argmax(away))
        if away[worker] <= np.log(self.ratio):
            return None
        p_value, effect = compare_samples(
            values[:, worker], np.delete(values, worker, axis=1).ravel()
        )
        if p_value >= 1e-6 or abs(effect) < 0.8:
            return None
        level = name.endswith("level")
        what = "observations are" if level else "answers to actions are"
        return self.finding(
            history,
            Severity.CRITICAL,
            f"worker {worker}'s {what} {ratios[worker]:.3g} times "
            + ("the others' in magnitude" if level else "as far from the common model"),
            ratios[worker],
            self.ratio,
            (name,),
            since=steps[0],
            worker=worker,
            causes=self.causes if level else {"worker_dynamics": 0.9, "worker_observations": 0.3},
        )
