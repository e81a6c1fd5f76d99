"""One worker whose environment shows, moves or answers unlike all others'."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sb3_ac_ext.monitoring.detectors.base import Detector, require
from sb3_ac_ext.monitoring.detectors.worker_rows import newest_matrix, snapshots_per_episode
from sb3_ac_ext.monitoring.functional import compare_samples, leave_one_out_ratios
from sb3_ac_ext.monitoring.history import Floats, History
from sb3_ac_ext.monitoring.records import Finding, Severity


@dataclass(frozen=True)
class WorkerStuck(Detector):
    """One worker's observations do not change while all others' do, ``times`` running: exact,
    but for what a normaliser's statistics drift.

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
        found = newest_matrix(history, "probe/worker_moving", self.times)
        if found is None or len(found[1]) < self.times:
            return None
        steps, moving = found
        still = np.flatnonzero((moving == 0.0).all(axis=0))
        if len(still) != 1 or np.delete(moving, still, axis=1).min() < 0.5:
            return None
        worker = int(still[0])
        assert history.last is not None
        paid = history.last.arrays.get("rewards/worker_abs_mean", (0.0,) * (worker + 1))[worker]
        stuck = {"worker_stuck": 1.0}  # a worker that is paid goes on, and only cannot be seen
        return self.finding(
            history,
            Severity.CRITICAL,
            f"worker {worker} returns the same observation at every step"
            + (", though it is paid" if paid > 0.0 else ""),
            0.0,
            0.5,
            ("probe/worker_moving",),
            since=steps[0],
            worker=worker,
            causes={"worker_observations": 0.95, "worker_stuck": 0.2} if paid > 0.0 else stuck,
        )


@dataclass(frozen=True)
class WorkerObservations(Detector):
    """One worker's observations are on another scale, or its transitions are other ones.

    *Level*: median magnitude over that of all workers; *residual*: error of a common linear model
    of transitions. What a worker shows depends on where it is, so only snapshots that lie an
    episode apart are compared, and two kinds of evidence count:

    *apart*: beyond ``ratio`` times the others' median in ``times`` snapshots running, the others
    within ``close`` of each other in all of them;

    *shifted*: over the last 15 to 30 snapshots and 3,000 steps per worker it ranks above (or, for
    the level, below) all others by a Mann-Whitney test at 1e-6 with an effect of at least 0.8, and
    its median is beyond ``ratio``. Healthy workers are exchangeable, so the error rate holds.

    For the level, there is a third, for long episodes: in every one of the last snapshots, 8 at
    least, it is more than ``close`` times the largest of the others', or less than that part of the
    least, for so many episodes that one and the same of n exchangeable workers would be the most
    extreme in all of them with a probability of 1e-3, n^(1 - episodes), if that were all.

    :param ratio: above 1
    :param close: above 1
    :param times: snapshots, at least 2
    :raises ValueError: for values out of range
    """

    ratio: float = 3.0
    close: float = 2.0
    times: int = 5

    name = "worker_observations"
    causes = {"worker_observations": 0.9}  # noqa: RUF012
    advice = "compare wrappers, version and units of this worker's environment with the others'"

    def __post_init__(self) -> None:
        require(self.ratio > 1.0, "ratio", self.ratio, "more than 1")
        require(self.close > 1.0, "close", self.close, "more than 1")
        require(self.times >= 2, "times", self.times, "at least 2")

    def check(self, history: History) -> Finding | None:
        return (
            self._odd(history, "probe/worker_level", 0.0)
            or self._lasting(history)
            or self._odd(history, "probe/worker_residual", 1e-2)
        )

    def _odd(self, history: History, name: str, floor: float) -> Finding | None:
        every = snapshots_per_episode(history)
        found = None if every is None else newest_matrix(history, name, 30, every)
        if found is None:
            return None
        steps, values = found
        values = values[np.isfinite(values).all(axis=1)] + floor
        if len(values) < self.times:
            return None
        ratios = leave_one_out_ratios(np.median(values[-self.times :], axis=0))
        known = np.where(np.isfinite(ratios) & (ratios > 0.0), ratios, 1.0)
        worker = int(np.argmax(np.abs(np.log(known))))
        walked = history.series("rewards/steps", last=len(values) * (every or 1)).values.sum()
        shifted = walked >= 3000.0 and self._shifted(values, worker)
        if not shifted and not self._apart(values[-self.times :], worker):
            return None
        return self._told(history, name, worker, known[worker], steps[0])

    def _lasting(self, history: History) -> Finding | None:
        every, name = snapshots_per_episode(history), "probe/worker_level"
        found = None if every is None else newest_matrix(history, name, 1)
        if every is None or found is None:
            return None
        episodes = int(np.ceil(1.0 + np.log(1000.0) / np.log(found[1].shape[1])))
        needed = max(8, every * episodes)
        steps, values = newest_matrix(history, name, needed) or found
        if len(values) < needed:
            return None
        medians = np.median(values, axis=0)
        for worker in {int(np.argmax(medians)), int(np.argmin(medians))}:
            own, others = values[:, worker], np.delete(values, worker, axis=1)
            above = (own > self.close * others.max(axis=1)).all()
            if above or (own * self.close < others.min(axis=1)).all():
                ratio = float(medians[worker] / max(np.median(others), 1e-12))
                return self._told(history, name, worker, ratio, steps[0])
        return None

    def _told(self, history: History, name: str, worker: int, ratio: float, since: int) -> Finding:
        level = name.endswith("level")
        what = "observations are" if level else "answers to actions are"
        return self.finding(
            history,
            Severity.CRITICAL,
            f"worker {worker}'s {what} {ratio:.3g} times "
            + ("the others' in magnitude" if level else "as far from the common model"),
            ratio,
            self.ratio,
            (name,),
            since=since,
            worker=worker,
            causes=self.causes if level else {"worker_dynamics": 0.9, "worker_observations": 0.3},
        )

    def _apart(self, values: Floats, worker: int) -> bool:
        others = np.delete(values, worker, axis=1)
        if others.shape[1] < 2 or (others.max(axis=1) > self.close * others.min(axis=1)).any():
            return False
        ratios = values[:, worker] / np.median(others, axis=1)
        return bool((ratios > self.ratio).all() or (ratios < 1.0 / self.ratio).all())

    def _shifted(self, values: Floats, worker: int) -> bool:
        if len(values) < 15:
            return False
        own, others = values[:, worker], np.delete(values, worker, axis=1)
        ratio = float(np.median(own) / max(np.median(others), 1e-12))
        if 1.0 / self.ratio < ratio < self.ratio:
            return False
        p_value, effect = compare_samples(own, others.ravel())
        return p_value < 1e-6 and abs(effect) >= 0.8
