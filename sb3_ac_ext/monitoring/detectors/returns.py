"""Returns that crash, or never rise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sb3_ac_ext.monitoring.detectors.base import Detector, fresh, require
from sb3_ac_ext.monitoring.functional import robust_deviation, trend
from sb3_ac_ext.monitoring.history import Floats, History
from sb3_ac_ext.monitoring.learning import at_ceiling, returns_series
from sb3_ac_ext.monitoring.records import Finding, Severity

_TRAIN = "episodes/return_mean"
_CANARY = "canary/return_mean"


@dataclass(frozen=True)
class RewardCrash(Detector):
    """The return loses most of what had been learnt and stays down.

    With medians over five snapshots: the newest lies below the best by more than ``loss`` of the
    gain (best minus first) and by more than three robust deviations of the snapshot-to-snapshot
    changes, in all of the last ``needed`` snapshots. Scale-free: the gain is the unit.

    :param loss: share of the gain, in (0, 1)
    :param needed: snapshots in a row
    :raises ValueError: for values out of range
    """

    loss: float = 0.7
    needed: int = 5

    name = "reward_crash"
    causes = {  # noqa: RUF012
        "policy_collapse": 0.6,
        "learning_rate_too_high": 0.5,
        "environment_drift": 0.2,
    }
    advice = (
        "restart from the checkpoint before the fall with a lower or decaying learning_rate "
        "('lin_3e-4') or with target_kl=0.02; keep best_model.zip"
    )

    def __post_init__(self) -> None:
        require(0.0 < self.loss < 1.0, "loss", self.loss, "a share in (0, 1)")
        require(self.needed >= 1, "needed", self.needed, "at least 1")

    def check(self, history: History) -> Finding | None:
        series = returns_series(history)
        if not fresh(history, _TRAIN) or len(series) < 10:
            return None
        smooth = _running_median(series.values, 5)
        best = int(np.argmax(smooth))
        gain = smooth[best] - smooth[0]
        noise = robust_deviation(np.diff(series.values))
        fall = smooth[best] - series.values[-self.needed :]
        if gain <= 3.0 * noise or (fall < np.maximum(self.loss * gain, 3.0 * noise)).any():
            return None
        down = np.flatnonzero(smooth[best] - smooth[best:] >= self.loss * gain)
        return self.finding(
            history,
            Severity.CRITICAL if at_most_start(smooth, gain) else Severity.WARNING,
            f"the return fell from {smooth[best]:.4g} to {series.values[-1]:.4g}, "
            f"{fall[-1] / gain:.0%} of what had been gained",
            series.values[-1],
            smooth[best] - self.loss * gain,
            (_TRAIN, _CANARY, "policy/kl"),
            since=int(series.steps[best + (down[0] if len(down) else 0)]),
        )


def at_most_start(smooth: Floats, gain: float) -> bool:
    """Whether nine tenths of the gain and more are gone."""
    return bool(smooth[-1] <= smooth[0] + 0.1 * gain)


def _running_median(values: Floats, width: int) -> Floats:
    """Of the last ``width`` values at each point; the beginning repeats the first value."""
    padded = np.concatenate([np.full(width - 1, values[0]), values])
    medians: Floats = np.median(np.lib.stride_tricks.sliding_window_view(padded, width), axis=1)
    return medians


@dataclass(frozen=True)
class Plateau(Detector):
    """Returns are flat late in training, below the environment's own threshold for success.

    Over the last ``window`` of the snapshots: Mann-Kendall p above 0.2 and a Theil-Sen interval
    that contains 0. Judged from 85 % of the budget on. A plateau is no fault by itself: noted as
    ``info``, and as a warning when returns have not risen at all since the start.

    :param window: share of the history, in (0, 1]
    :raises ValueError: for values out of range
    """

    window: float = 0.35

    name = "plateau"
    causes = {"hard_task": 0.5, "exploration_too_low": 0.3, "learning_rate_too_low": 0.3}  # noqa: RUF012
    advice = "give it more steps, more exploration, or tuned hyperparameters for this task"

    def __post_init__(self) -> None:
        require(0.0 < self.window <= 1.0, "window", self.window, "a share in (0, 1]")

    def check(self, history: History) -> Finding | None:
        threshold = history.info.reward_threshold
        progress = history.progress
        if threshold is None or progress is None or progress < 0.85 or at_ceiling(history):
            return None
        series = returns_series(history)
        if not fresh(history, _TRAIN) or len(series) < 25:
            return None
        n = max(8, int(self.window * len(series)))
        recent = series.last(n)
        spaced = np.unique(np.linspace(0, n - 1, min(n, 60)).astype(int))
        slope, low, high, p_value = trend(recent.steps[spaced], recent.values[spaced])
        if p_value <= 0.2 or not low <= 0.0 <= high:
            return None
        level = float(np.median(recent.values))
        if level >= threshold:
            return None
        start = series.values[: max(3, len(series) // 10)]
        learnt = level > np.median(start) + 3.0 * max(robust_deviation(start), 1e-12)
        return self.finding(
            history,
            Severity.INFO if learnt else Severity.WARNING,
            f"returns are flat at {level:.4g} over the last {n} snapshots; the task counts as "
            f"solved at {threshold:g}"
            + ("" if learnt else ", and they have not risen since the start"),
            slope,
            0.0,
            (_TRAIN, _CANARY),
            since=int(recent.steps[0]),
            causes=self.causes if learnt else {"no_learning_signal": 0.6, "hard_task": 0.5},
        )
