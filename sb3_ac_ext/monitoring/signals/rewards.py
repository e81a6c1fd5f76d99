"""Rewards per worker: the scale at which each sub-environment pays."""

from __future__ import annotations

import numpy as np

from sb3_ac_ext.monitoring.functional import leave_one_out_ratios, outlier_shares
from sb3_ac_ext.monitoring.signals.base import Reading, Signal
from sb3_ac_ext.monitoring.view import View


class RewardSignal(Signal):
    """Rewards as the algorithm receives them (after every wrapper), overall and per worker.

    ``rewards/worker_scale`` is the median magnitude of a worker's non-zero rewards: a robust scale
    that a rare goal bonus does not move; NaN for a worker without non-zero rewards.
    ``rewards/worker_q25`` and ``_q75`` are quartiles of the magnitude. Arrays have one entry per
    worker. ``rewards/max_ratio`` is the largest scale over the median of the other
    workers'. One worker that pays on another scale bends the critic that all share.
    """

    name = "rewards"

    def collect(self, view: View) -> Reading:
        reading = Reading()
        rewards = view.window.rewards
        if not len(rewards):
            return reading
        finite = np.isfinite(rewards)
        reading.put(rewards__nonfinite=np.sum(~finite))
        if not finite.any():
            return reading
        clean = np.where(finite, rewards, 0.0)
        size = np.abs(clean)
        reading.put(
            rewards__mean=clean.mean(),
            rewards__std=clean.std(),
            rewards__max_abs=size.max(),
            rewards__outlier_share=outlier_shares(clean.reshape(-1, 1))[0],
            rewards__zero_share=np.mean(clean == 0.0),
        )
        scale = _scales(size)
        reading.put(rewards__steps=len(rewards))
        reading.put_array("rewards/worker_mean", clean.mean(axis=0))
        reading.put_array("rewards/worker_std", clean.std(axis=0))
        reading.put_array("rewards/worker_abs_mean", size.mean(axis=0))
        reading.put_array("rewards/worker_max_abs", size.max(axis=0))
        reading.put_array("rewards/worker_scale", scale)
        if clean.shape[1] > 1:
            low, high = np.percentile(size, (25, 75), axis=0)
            reading.put_array("rewards/worker_q25", low)
            reading.put_array("rewards/worker_q75", high)
            reading.put_array("rewards/worker_outlier_share", outlier_shares(clean))
            reading.put_array("rewards/worker_zero_share", np.mean(clean == 0.0, axis=0))
            ratios = leave_one_out_ratios(scale)
            if np.isfinite(ratios).any():
                reading.put(rewards__max_ratio=np.nanmax(ratios))
        return reading


def _scales(sizes: np.ndarray) -> np.ndarray:
    """Median of each column's non-zero entries, NaN for a column without any."""
    if (sizes > 0.0).all():
        return np.median(sizes, axis=0)
    columns = (column[column > 0.0] for column in sizes.T)
    return np.array([np.median(c) if len(c) else np.nan for c in columns])
