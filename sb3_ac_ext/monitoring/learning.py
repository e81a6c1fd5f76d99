"""Shared by detectors: has the run learnt anything yet?"""

from __future__ import annotations

import numpy as np
from scipy.stats import mannwhitneyu

from sb3_ac_ext.monitoring.history import History, Series

_MIN_POINTS = 12


def returns_series(history: History) -> Series:
    """Training returns, from the episodes of each snapshot."""
    return history.series("episodes/return_mean").finite()


def improved(history: History) -> bool | None:
    """Whether the newest third of training returns lies above the oldest, by a one-sided test at 5
    %.

    :return: ``None`` with fewer than twelve points
    """
    values = returns_series(history).values
    if len(values) < _MIN_POINTS:
        return None
    third = max(3, len(values) // 3)
    first, last = values[:third], values[-third:]
    if np.all(values == values[0]):
        return False
    return bool(mannwhitneyu(last, first, alternative="greater").pvalue < 0.05)


def at_ceiling(history: History) -> bool:
    """Whether the newest canary or training return reaches the environment's reward threshold."""
    threshold = history.info.reward_threshold
    if threshold is None:
        return False
    newest = [
        history.series(name, last=1).values
        for name in ("canary/return_mean", "episodes/return_mean")
    ]
    return any(len(values) > 0 and values[-1] >= threshold for values in newest)


def near_best(history: History, loss: float = 0.3) -> bool:
    """Whether training returns have risen and the newest are within ``loss`` of the best's gain.

    What looks odd in a run that does as well as it ever did is no fault.
    """
    values = returns_series(history).values
    if len(values) < _MIN_POINTS or not improved(history):
        return False
    first, now = float(np.median(values[:3])), float(np.median(values[-5:]))
    best = max(float(np.median(values[i : i + 5])) for i in range(0, len(values) - 4, 5))
    return now >= best - loss * (best - first)
