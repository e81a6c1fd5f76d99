"""One worker whose rewards are on another scale than all others'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sb3_ac_ext.monitoring.detectors.base import Detector, require
from sb3_ac_ext.monitoring.detectors.worker_rows import Row, newest_rows
from sb3_ac_ext.monitoring.functional import compare_samples, leave_one_out_ratios
from sb3_ac_ext.monitoring.history import Floats, History
from sb3_ac_ext.monitoring.records import Finding, Severity

_LEAST_ROWS, _MOST_ROWS, _LEAST_STEPS = 15, 40, 3000.0
_ALPHA, _EFFECT = 1e-6, 0.6
_SERIES = ("rewards/max_ratio", "rewards/worker_scale")


@dataclass(frozen=True)
class WorkerRewards(Detector):
    """One worker pays on another scale than all others, persistently.

    The scale of a worker is the median magnitude of its non-zero rewards, judged by its ratio to
    the median of the others. Rewards depend on the state, so a ratio alone proves nothing: in a
    task that is nearly solved, one unlucky episode is a hundred times the others. Two kinds of
    evidence count:

    *apart*: beyond ``ratio`` in ``times`` snapshots running, the middle half of its magnitudes
    beyond the others' middle halves, the others close together (within the root of ``ratio``) and
    the ratio steady within a factor of 2. With the others and the ratio within 20 %, two snapshots
    are enough.

    *shifted*: where magnitudes overlap, over the last 15 to 40 snapshots and 3,000 steps per worker
    the worker's mean magnitudes rank above (or below) all others' by a Mann-Whitney test at 1e-6
    with an effect of at least 0.6, and their median is beyond ``ratio``. Healthy workers are
    exchangeable, however heavy the tails of their rewards, so this error rate holds.

    At least three workers are needed; with two nobody can say which is wrong.

    :param ratio: to the median of the others, above 1
    :param times: snapshots in a row, at least 2
    :raises ValueError: for values out of range
    """

    ratio: float = 3.0
    times: int = 3

    name = "worker_rewards"
    causes = {"worker_reward_scale": 1.0}  # noqa: RUF012
    advice = (
        "compare this worker's environment (version, wrappers, units) with the others'; until it "
        "is mended, leave it out; VecNormalize shares one scale over all workers and does not help"
    )

    def __post_init__(self) -> None:
        require(self.ratio > 1.0, "ratio", self.ratio, "more than 1")
        require(self.times >= 2, "times", self.times, "at least 2")

    def check(self, history: History) -> Finding | None:
        newest = newest_rows(history, last=1)
        if not newest or _together(newest[0].scale, self.ratio):
            return None
        rows = newest_rows(history, last=_MOST_ROWS)
        if len(rows) < 2:
            return None
        ratios = leave_one_out_ratios(rows[-1].scale)
        worker = int(np.argmax(_away(ratios)))
        for n, steady, close in ((2, 1.2, 1.2), (self.times, 2.0, self.ratio**0.5)):
            if len(rows) >= n and self._apart(rows[-n:], worker, steady, close):
                since = self._since(rows, worker)
                return self._found(history, worker, float(ratios[worker]), since)
        return self._shifted(history, rows)

    def _apart(self, rows: Sequence[Row], worker: int, steady: float, close: float) -> bool:
        ratios = np.array([leave_one_out_ratios(row.scale)[worker] for row in rows])
        if not (_away(ratios) > self.ratio).all() or ratios.max() > steady * ratios.min():
            return False
        others = [np.delete(row.scale, worker) for row in rows]
        if any(np.nanmax(scale) > close * np.nanmin(scale) for scale in others):
            return False
        return all(_separate(row, worker, above=ratios[0] > 1.0) for row in rows)

    def _shifted(self, history: History, rows: Sequence[Row]) -> Finding | None:
        if len(rows) < _LEAST_ROWS or sum(row.steps for row in rows) < _LEAST_STEPS:
            return None
        sizes = np.array([row.mean_abs for row in rows])
        ratios = leave_one_out_ratios(np.median(sizes, axis=0))
        worker = int(np.argmax(_away(ratios)))
        if _away(ratios)[worker] <= self.ratio:
            return None
        others = np.delete(sizes, worker, axis=1).ravel()
        p_value, effect = compare_samples(sizes[:, worker], others)
        if p_value >= _ALPHA or abs(effect) < _EFFECT:
            return None
        return self._found(history, worker, float(ratios[worker]), rows[0].step)

    def _since(self, rows: Sequence[Row], worker: int) -> int:
        """The last snapshot before the unbroken stretch in which the ratio is beyond its bound."""
        for row in reversed(rows):
            if _away(leave_one_out_ratios(row.scale))[worker] <= self.ratio:
                return row.step
        return 0

    def _found(self, history: History, worker: int, value: float, since: int) -> Finding:
        how = f"{value:.3g} times" if value > 1.0 else f"one {1.0 / value:.3g}th of"
        return self.finding(
            history,
            Severity.CRITICAL,
            f"worker {worker} pays {how} the rewards of the others since step {since:,}",
            value,
            self.ratio if value > 1.0 else 1.0 / self.ratio,
            _SERIES,
            since=since,
            worker=worker,
        )


def _together(scales: Floats, ratio: float) -> bool:
    """Whether all workers lie within the ratio, so that none can be apart from the others."""
    known = scales[np.isfinite(scales)]
    return len(known) < 3 or bool(known.max() <= ratio * known.min())


def _away(ratios: Floats) -> Floats:
    """Distance from 1 as a factor, in either direction; 1 where the ratio is not known."""
    known = np.where(np.isfinite(ratios) & (ratios > 0.0), ratios, 1.0)
    factors: Floats = np.maximum(known, 1.0 / known)
    return factors


def _separate(row: Row, worker: int, above: bool) -> bool:
    """Whether the middle half of the worker's magnitudes lies beyond all others' middle halves."""
    if above:
        return bool(row.q25[worker] > np.delete(row.q75, worker).max())
    return bool(row.q75[worker] < np.delete(row.q25, worker).min())
