"""The arithmetic behind the tables: intervals, harm, quartiles. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

CONFIDENCE = 0.95
DEVIATIONS = 3.0
FLOOR_SHARE = 0.02


@dataclass(frozen=True)
class Rate:
    """``k`` of ``n``, with the exact (Clopper-Pearson) 95 % interval; NaN for n = 0."""

    k: int
    n: int

    @property
    def share(self) -> float:
        return self.k / self.n if self.n else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        if not self.n:
            return math.nan, math.nan
        found = binomtest(self.k, self.n).proportion_ci(CONFIDENCE, method="exact")
        return float(found.low), float(found.high)


def rate(truths: Sequence[bool]) -> Rate:
    return Rate(sum(truths), len(truths))


@dataclass(frozen=True)
class Harm:
    """What a fault costs in one scenario.

    :param clean: mean over seeds of the mean return of the clean runs
    :param broken: the same of the broken runs; -inf when some policy could not act any more
    :param deviation: the larger of both standard deviations over seeds, at least the floor
    """

    clean: float
    broken: float
    deviation: float

    @property
    def gap(self) -> float:
        return self.clean - self.broken

    @property
    def harmful(self) -> bool:
        """The gap is more than three of the larger seed deviation."""
        return self.gap > DEVIATIONS * self.deviation


def harm(clean: Sequence[Sequence[float]], broken: Sequence[Sequence[float]]) -> Harm | None:
    """Compare returns in a clean environment, a row of episodes per seed.

    The deviation over seeds has a floor, because runs that all reach the same ceiling have none:
    the larger of 2 % of the clean return's magnitude and the standard error of one seed's mean. An
    empty row is a policy that could not act (its weights are NaN).

    :return: ``None`` with fewer than two clean seeds or without a broken one
    """
    rows = [np.asarray(row, dtype=np.float64) for row in clean if len(row)]
    if len(rows) < 2 or not len(broken):
        return None
    means = np.array([row.mean() for row in rows])
    if any(not len(row) or not np.isfinite(row).all() for row in broken):
        return Harm(float(means.mean()), -math.inf, float(means.std(ddof=1)))
    others = [np.asarray(row, dtype=np.float64) for row in broken]
    worse = np.array([row.mean() for row in others])
    errors = [row.std(ddof=1) / math.sqrt(len(row)) for row in (*rows, *others) if len(row) > 1]
    floor = max(FLOOR_SHARE * abs(float(means.mean())), float(np.median(errors)) if errors else 0.0)
    deviations = [float(x.std(ddof=1)) for x in (means, worse) if len(x) > 1]
    return Harm(float(means.mean()), float(worse.mean()), max([floor, *deviations]))


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median, upper quartile; NaN without values."""
    if not len(values):
        return math.nan, math.nan, math.nan
    low, middle, high = np.percentile(np.asarray(values, dtype=np.float64), [25, 50, 75])
    return float(low), float(middle), float(high)


def mean(values: Sequence[float]) -> float:
    """NaN without values."""
    return float(np.mean(values)) if len(values) else math.nan
