"""Episodes of one mode, summed up. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sb3_ac_ext.benchmark.faults.statistics import Rate, rate
from sb3_ac_ext.evaluation.statistics import Estimate, mean_estimate

if TYPE_CHECKING:
    from sb3_ac_ext.evaluation.episodes import Episode


@dataclass(frozen=True)
class Summary:
    """
    :param mode: ``deterministic`` or ``stochastic``
    :param episodes: all of them, by seed
    :param mean: return, with its interval
    :param median: return
    :param std: standard deviation of the returns (n - 1), NaN for one episode
    :param length: mean length in steps, with its interval
    :param success: episodes that say they succeeded, of those that say anything; ``None`` where
        none does
    """

    mode: str
    episodes: tuple[Episode, ...]
    mean: Estimate
    median: float
    std: float
    length: Estimate
    success: Rate | None

    def to_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it, without the episodes."""
        success = None
        if self.success is not None:
            low, high = self.success.interval
            success = {
                "rate": self.success.share,
                "episodes": self.success.n,
                "interval_95": [low, high],
                "method": "Clopper-Pearson",
            }
        return {
            "episodes": len(self.episodes),
            "mean": estimate_dict(self.mean),
            "median": self.median,
            "std": none_if_nan(self.std),
            "length": estimate_dict(self.length),
            "success": success,
        }


def summarise(mode: str, episodes: Sequence[Episode]) -> Summary:
    """
    :param mode: in which they were played
    :param episodes: at least one
    """
    returns = np.array([episode.total_reward for episode in episodes])
    told = [episode.is_success for episode in episodes if episode.is_success is not None]
    return Summary(
        mode=mode,
        episodes=tuple(episodes),
        mean=mean_estimate(returns.tolist()),
        median=float(np.median(returns)),
        std=float(returns.std(ddof=1)) if len(returns) > 1 else math.nan,
        length=mean_estimate([episode.length for episode in episodes]),
        success=rate(told) if told else None,
    )


def estimate_dict(estimate: Estimate) -> dict[str, Any]:
    """
    :param estimate: for JSON, which has no NaN
    """
    fields = asdict(estimate)
    low, high = fields.pop("low"), fields.pop("high")
    return {**fields, "interval_95": None if math.isnan(low) else [low, high]}


def none_if_nan(value: float) -> float | None:
    """
    :param value: for JSON, which has no NaN
    """
    return None if math.isnan(value) else value
