"""How good the policy of a bundle is, by whoever evaluated it last."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback


@dataclass(frozen=True)
class Score:
    """
    :param steps: environment steps at which the policy was evaluated
    :param value: lower end of the one-sided 95 % confidence interval of the mean return
    """

    steps: int
    value: float

    @staticmethod
    def nothing_critical(callbacks: Iterable[BaseCallback]) -> bool:
        """Whether no monitor among some callbacks has found anything critical of late."""
        return not any(getattr(callback, "critical", False) for callback in callbacks)


def newest_score(callbacks: Iterable[BaseCallback], since: int) -> Score | None:
    """
    :param callbacks: a monitor with a canary among them, or an ``EvalCallback``
    :param since: steps of the last score; only newer ones count
    """
    found = [score for callback in callbacks for score in _scores(callback)]
    new = [score for score in found if score.steps > since]
    return max(new, key=lambda score: score.steps, default=None)


def _scores(callback: Any) -> list[Score]:
    history = getattr(callback, "history", None)
    if history is not None:
        mean, std = history.series("canary/return_mean", 1), history.series("canary/return_std", 1)
        episodes = history.series("canary/episodes", 1)
        if mean and std:
            n = int(episodes.values[-1]) if episodes else 10
            return [Score(int(mean.steps[-1]), lower_bound(mean.values[-1], std.values[-1], n))]
    if isinstance(callback, EvalCallback) and callback.evaluations_results:
        returns = np.asarray(callback.evaluations_results[-1], dtype=np.float64)
        steps = int(callback.evaluations_timesteps[-1])
        deviation = returns.std(ddof=1) if len(returns) > 1 else math.inf
        return [Score(steps, lower_bound(returns.mean(), deviation, len(returns)))]
    return []


def lower_bound(mean: float, deviation: float, n: int) -> float:
    """Student's one-sided 95 % bound of a mean.

    :param mean: of ``n`` returns
    :param deviation: their standard deviation
    :param n: how many
    """
    if n < 2:
        return -math.inf
    return float(mean - stats.t.ppf(0.95, n - 1) * deviation / math.sqrt(n))
