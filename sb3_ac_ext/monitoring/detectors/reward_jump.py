"""Rewards of a size that this run had never seen before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sb3_ac_ext.monitoring.detectors.base import Detector, fresh, require
from sb3_ac_ext.monitoring.history import Floats, History
from sb3_ac_ext.monitoring.records import Finding, Severity

_LARGEST, _WORKERS, _TYPICAL = "rewards/max_abs", "rewards/worker_max_abs", "rewards/worker_scale"


@dataclass(frozen=True)
class RewardJump(Detector):
    """Single rewards have become ``factor`` times the largest before, and nothing is gained.

    The largest magnitude of the newest snapshot, and of ``needed`` of the last ``needed`` + 2, is
    beyond ``factor`` times the largest of all ``before`` snapshots or more that came earlier, while
    typical magnitudes have not grown fourfold: that would be another scale. A policy that has found
    a goal is paid such rewards, too, but then its returns rise by a tenth of one at least, which is
    passed over. Needs no evaluation; outliers that are there from the first cannot be seen this
    way.

    :param factor: of largest magnitudes, above 1; none of the runs in ``benchmarks/fresh``, healthy
        or faulty, is warned of
    :param needed: snapshots, at least 2
    :param before: snapshots, at least 3
    :raises ValueError: for values out of range
    """

    factor: float = 20.0
    needed: int = 3
    before: int = 5

    name = "reward_jump"
    causes = {"reward_outliers": 0.9, "environment_drift": 0.4}  # noqa: RUF012
    advice = (
        "clip rewards (VecNormalize(clip_reward=10.0) or the action clip_rewards) and find where "
        "the large ones come from"
    )

    def __post_init__(self) -> None:
        require(self.factor > 1.0, "factor", self.factor, "more than 1")
        require(self.needed >= 2, "needed", self.needed, "at least 2")
        require(self.before >= 3, "before", self.before, "at least 3")

    def check(self, history: History) -> Finding | None:
        series = history.series(_LARGEST).finite()
        if not fresh(history, _LARGEST) or len(series) < self.before + self.needed:
            return None
        first = self._first(series.values)
        if first is None:
            return None
        past = float(series.values[:first].max())
        beyond = series.values[first:][-self.needed - 2 :] > self.factor * past
        if not beyond[-1] or beyond.sum() < self.needed:
            return None
        since = int(series.steps[first])
        value = float(series.values[-1])
        if _gained(history, since, value) or _rescaled(history, since):
            return None
        worker = self._worker(history, past)
        return self.finding(
            history,
            Severity.WARNING,
            f"{'training' if worker is None else f'worker {worker}'} pays rewards of up to "
            f"{value:.3g} since step {since:,}, {value / past:.3g} times the largest before, and "
            "returns have gained nothing like it",
            value,
            self.factor * past,
            (_LARGEST, "episodes/return_mean"),
            since=since,
            worker=worker,
        )

    def _first(self, largest: Floats) -> int | None:
        """Index of the first snapshot that is far beyond all before it."""
        past = np.maximum.accumulate(largest)[:-1]
        jumps = np.flatnonzero((largest[1:] > self.factor * past) & (past > 0.0)) + 1
        jumps = jumps[jumps >= self.before]
        return int(jumps[0]) if len(jumps) else None

    def _worker(self, history: History, past: float) -> int | None:
        """The only one of several that pays so much, where there is one."""
        rows = history.rows(_WORKERS, last=self.needed)
        if not rows or len(rows[-1][1]) < 2:
            return None
        beyond = np.max([row for _, row in rows], axis=0) > self.factor * past
        return int(np.argmax(beyond)) if beyond.sum() == 1 else None


def _gained(history: History, since: int, reward: float) -> bool:
    """Whether returns have risen since, and by what such a reward is worth; or cannot be compared.

    What a reward is worth to ``Monitor``, below wrappers that scale rewards, is told by the
    episodes before: their mean return over their mean sum of rewards.
    """
    unit = _unit(history, since)
    mean_before, mean_since = _parted(history, "episodes/return_mean", since)
    best_before, best_since = _parted(history, "episodes/return_max", since)
    if unit is None or not all(map(len, (mean_before, mean_since, best_before, best_since))):
        return True
    risen = float(np.median(mean_since)) > mean_before.max()
    return risen and bool(best_since.max() - best_before.max() > 0.1 * reward * unit)


def _unit(history: History, since: int) -> float | None:
    """Return per reward that was received, over the snapshots before."""
    before = (
        _parted(history, name, since)[0][-5:]
        for name in ("episodes/return_mean", "episodes/length_mean", "rewards/mean")
    )
    returns, lengths, rewards = (np.median(v) if len(v) else 0.0 for v in before)
    received = lengths * rewards
    return float(abs(returns / received)) if received != 0.0 else None


def _parted(history: History, name: str, since: int) -> tuple[Floats, Floats]:
    """Values before the step, and from it on."""
    series = history.series(name).finite()
    return series.values[series.steps < since], series.values[series.steps >= since]


def _rescaled(history: History, since: int) -> bool:
    """Whether typical magnitudes have grown fourfold."""
    sizes: dict[bool, list[float]] = {False: [], True: []}
    for step, row in history.rows(_TYPICAL):
        sizes[step >= since].extend(size for size in row if size > 0.0)
    old, new = sizes[False], sizes[True]
    return bool(old and new and np.median(new) > 4.0 * max(old))
