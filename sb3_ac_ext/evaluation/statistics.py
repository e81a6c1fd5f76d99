"""What a sample of episodes tells about the policy: estimates with intervals. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

CONFIDENCE = 0.95
BOOTSTRAP_FROM = 20
"""Episodes from which an interval is bootstrapped; resamples of fewer are too much alike."""
_RESAMPLES = 9999
_SEED = 0  # of the resampling alone: the same episodes give the same interval

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A value and its two-sided 95 % interval.

    :param value: the estimate
    :param low: lower end, NaN where the sample tells none
    :param high: upper end, NaN where the sample tells none
    :param method: ``BCa bootstrap``, ``t``, ``all equal`` (a sample without spread has an interval
        without width) or ``one episode`` (no interval)
    """

    value: float
    low: float
    high: float
    method: str

    def overlaps(self, other: Estimate) -> bool | None:
        """Whether two intervals have a point in common, ``None`` where one of them is unknown."""
        if any(math.isnan(end) for end in (self.low, self.high, other.low, other.high)):
            return None
        return self.low <= other.high and other.low <= self.high


def mean_estimate(values: Sequence[float]) -> Estimate:
    """Mean with its interval: bias-corrected and accelerated bootstrap (Efron 1987, *Better
    Bootstrap Confidence Intervals*) from 20 values on, Student's t below.

    :param values: at least one, such as the returns of episodes
    """
    sample = np.asarray(values, dtype=np.float64)
    mean = float(sample.mean())
    if len(sample) == 1:
        return Estimate(mean, math.nan, math.nan, "one episode")
    if np.ptp(sample) == 0.0:
        return Estimate(mean, mean, mean, "all equal")
    if len(sample) >= BOOTSTRAP_FROM:
        found = _bootstrap((sample,), np.mean)
        if found is not None:
            return Estimate(mean, *found, "BCa bootstrap")
    low, high = stats.t.interval(CONFIDENCE, len(sample) - 1, loc=mean, scale=stats.sem(sample))
    return Estimate(mean, float(low), float(high), "t")


def difference_estimate(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """Mean of the first minus mean of the second, of samples that are independent of each other:
    BCa bootstrap from 20 values each on, Welch's t below.

    :param first: at least one value
    :param second: at least one value
    """
    a, b = (np.asarray(values, dtype=np.float64) for values in (first, second))
    value = float(a.mean() - b.mean())
    if min(len(a), len(b)) == 1:
        return Estimate(value, math.nan, math.nan, "one episode")
    if np.ptp(a) == 0.0 and np.ptp(b) == 0.0:
        return Estimate(value, value, value, "all equal")
    if min(len(a), len(b)) >= BOOTSTRAP_FROM:
        found = _bootstrap((a, b), _difference_of_means)
        if found is not None:
            return Estimate(value, *found, "BCa bootstrap")
    interval = stats.ttest_ind(a, b, equal_var=False).confidence_interval(CONFIDENCE)
    return Estimate(value, float(interval.low), float(interval.high), "t")


def _difference_of_means(a: Floats, b: Floats, axis: int = -1) -> Any:
    return np.mean(a, axis=axis) - np.mean(b, axis=axis)


def _bootstrap(samples: tuple[Floats, ...], statistic: Any) -> tuple[float, float] | None:
    """``None`` where the correction is undefined."""
    with np.errstate(invalid="ignore", divide="ignore"):
        found = stats.bootstrap(
            samples,
            statistic,
            n_resamples=_RESAMPLES,
            batch=1000,
            vectorized=True,
            confidence_level=CONFIDENCE,
            method="BCa",
            random_state=np.random.default_rng(_SEED),
        ).confidence_interval
    low, high = float(found.low), float(found.high)
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None
