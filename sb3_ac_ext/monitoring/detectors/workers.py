"""One worker that is not like the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sb3_ac_ext.monitoring.detectors.base import Detector, require
from sb3_ac_ext.monitoring.functional import leave_one_out_ratios
from sb3_ac_ext.monitoring.history import Floats, History
from sb3_ac_ext.monitoring.records import Finding, Severity

_SCALE = "rewards/worker_scale"
_MEAN = "rewards/worker_mean"


@dataclass(frozen=True)
class WorkerRewards(Detector):
    """One worker's rewards on another scale, or of another sign, than all others', persistently.

    Scale: the worker's median non-zero magnitude over the leave-one-out median beyond ``ratio``
    (or below its inverse) in ``times`` snapshots running; at ``certain`` times that ratio two are
    enough. Sign: its mean reward has the opposite sign of every other worker's. At least three
    workers are needed; with two nobody can say which is wrong.

    :param ratio: to the median of the others, above 1. At 3, workers that vary by 30 % give a false
        alarm in 0.1 to 0.6 % of single checks, three in a row are far rarer
    :param times: snapshots in a row
    :param certain: factor on ``ratio`` from which on two snapshots are enough
    :raises ValueError: for values out of range
    """

    ratio: float = 3.0
    times: int = 3
    certain: float = 2.0

    name = "worker_rewards"
    causes = {"worker_reward_scale": 1.0}  # noqa: RUF012
    advice = (
        "compare this worker's environment (version, wrappers, units) with the others'; until it "
        "is mended, leave it out; VecNormalize shares one scale over all workers and does not help"
    )

    def __post_init__(self) -> None:
        require(self.ratio > 1.0, "ratio", self.ratio, "more than 1")
        require(self.times >= 2, "times", self.times, "at least 2")
        require(self.certain >= 1.0, "certain", self.certain, "at least 1")

    def check(self, history: History) -> Finding | None:
        return self._scale(history) or self._sign(history)

    def _scale(self, history: History) -> Finding | None:
        rows = _newest(history, _SCALE, self.times)
        if len(rows) < 2 or _together(rows[-1][1], self.ratio):
            return None
        ratios = [(step, leave_one_out_ratios(np.asarray(row))) for step, row in rows]
        worker = _furthest(ratios[-1][1])
        if worker is None:
            return None
        factors = np.array([_away(row[worker]) for _, row in ratios])
        sure = (factors[-2:] > self.certain * self.ratio).all()
        if not sure and not (len(rows) == self.times and (factors > self.ratio).all()):
            return None
        value = float(ratios[-1][1][worker])
        since = _since(
            history, _SCALE, lambda r: _away(leave_one_out_ratios(r)[worker]), self.ratio
        )
        how = f"{value:.3g} times" if value > 1.0 else f"one {1.0 / value:.3g}th of"
        return self.finding(
            history,
            Severity.CRITICAL,
            f"worker {worker} pays {how} the rewards of the others since step {since:,}",
            value,
            self.ratio if value > 1.0 else 1.0 / self.ratio,
            ("rewards/max_ratio", _SCALE),
            since=since,
            worker=worker,
        )

    def _sign(self, history: History) -> Finding | None:
        rows = _newest(history, _MEAN, self.times)
        if len(rows) < self.times:
            return None
        if min(rows[-1][1]) >= 0.0 or max(rows[-1][1]) <= 0.0:
            return None
        odd = {_opposite(np.asarray(row)) for _, row in rows}
        worker = odd.pop() if len(odd) == 1 else None
        if worker is None:
            return None
        return self.finding(
            history,
            Severity.CRITICAL,
            f"worker {worker} pays rewards of the opposite sign of all others'",
            float(rows[-1][1][worker]),
            0.0,
            (_MEAN,),
            since=rows[0][0],
            worker=worker,
            causes={"worker_reward_sign": 1.0},
        )


def _newest(history: History, name: str, n: int) -> list[tuple[int, tuple[float, ...]]]:
    rows = history.rows(name, last=n)
    fresh = history.last is not None and name in history.last.arrays
    return rows if fresh and rows and len(rows[-1][1]) >= 3 else []


def _together(scales: tuple[float, ...], ratio: float) -> bool:
    """Whether all workers lie within the ratio, so that none can be apart from the others."""
    known = [scale for scale in scales if scale == scale]
    return not known or max(known) <= ratio * min(known)


def _away(ratio: float) -> float:
    """Distance from 1 as a factor, in either direction."""
    return max(ratio, 1.0 / ratio) if np.isfinite(ratio) and ratio > 0.0 else 1.0


def _furthest(ratios: Floats) -> int | None:
    factors = np.array([_away(ratio) for ratio in ratios])
    return int(np.argmax(factors)) if (factors > 1.0).any() else None


def _since(history: History, name: str, factor: Callable[[Floats], float], bound: float) -> int:
    """Where the unbroken stretch beyond the bound begins: at the last snapshot before it."""
    for step, row in reversed(history.rows(name)):
        if factor(np.asarray(row)) <= bound:
            return step
    return 0


def _opposite(means: Floats) -> int | None:
    """The one worker whose mean has another sign than all others', if it is of comparable size."""
    for worker in range(len(means)):
        others = np.delete(means, worker)
        centre = float(np.median(others))
        if centre == 0.0 or not (np.sign(others) == np.sign(centre)).all():
            continue
        if means[worker] * centre < 0.0 and abs(means[worker]) > 0.5 * abs(centre):
            return worker
    return None
