"""Gradients that jump."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sb3_ac_ext.monitoring.detectors.base import Detector, fresh, require
from sb3_ac_ext.monitoring.functional import robust_deviation
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Finding, Severity
from sb3_ac_ext.monitoring.vocabulary import NETWORKS


@dataclass(frozen=True)
class GradientSpike(Detector):
    """A network's mean gradient norm far above its own recent past, twice running.

    Compared in logarithms with the 30 snapshots before: above ``factor`` times their median and
    above
    ``deviations`` robust deviations. A fixed bound such as 10 says nothing: norms scale with
    rewards.

    :param factor: times the running median, above 1
    :param deviations: robust standard deviations of the log norm, positive
    :raises ValueError: for values out of range
    """

    factor: float = 10.0
    deviations: float = 8.0

    name = "gradient_spike"
    causes = {  # noqa: RUF012
        "reward_outliers": 0.6,
        "learning_rate_too_high": 0.4,
        "reward_scale": 0.3,
    }
    advice = "clip or normalise rewards; lower learning_rate; on-policy, lower max_grad_norm"

    def __post_init__(self) -> None:
        require(self.factor > 1.0, "factor", self.factor, "more than 1")
        require(self.deviations > 0.0, "deviations", self.deviations, "a positive number")

    def check(self, history: History) -> Finding | None:
        for net in NETWORKS:
            name = f"gradients/{net}/norm_mean"
            if not fresh(history, name):
                continue
            series = history.series(name, last=32)
            if len(series) < 22 or (series.values <= 0.0).any():
                continue
            logs = np.log(series.values)
            past, now = logs[:-2], logs[-2:]
            spread = max(robust_deviation(past), 1e-3)
            bound = np.median(past) + max(np.log(self.factor), self.deviations * spread)
            if (now > bound).all():
                return self.finding(
                    history,
                    Severity.WARNING,
                    f"gradient norm of the {net} jumped to {series.values[-1]:.3g}, "
                    f"{np.exp(now[-1] - np.median(past)):.0f} times its recent median",
                    series.values[-1],
                    float(np.exp(bound)),
                    (name,),
                    since=int(series.steps[-2]),
                )
        return None
