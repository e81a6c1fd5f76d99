"""NaN and infinity, wherever they appear first."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sb3_ac_ext.monitoring.detectors.base import Detector
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Finding, Severity

_CAUSES = {
    "rewards/nonfinite": {"nonfinite_environment": 1.0},
    "observations/nonfinite": {"nonfinite_environment": 1.0},
    "policy/nonfinite_log_prob": {"policy_distribution_broken": 0.7, "learning_rate_too_high": 0.5},
    "actions/nonfinite": {"policy_distribution_broken": 0.9},
    "value/nonfinite": {"learning_rate_too_high": 0.5, "reward_scale": 0.4},
    "q/nonfinite": {"learning_rate_too_high": 0.5, "reward_scale": 0.4},
    "gradients/nonfinite": {"learning_rate_too_high": 0.6, "reward_scale": 0.4},
    "weights/nonfinite": {"learning_rate_too_high": 0.6, "reward_scale": 0.4},
}


@dataclass(frozen=True)
class NonFinite(Detector):
    """NaN or infinity in rewards, observations, log-probabilities, values, gradients or weights.

    Exact: one is enough. The environment is named when it delivered the first; otherwise look at
    the standard deviation of the policy, then at learning rate and reward scale.
    """

    name = "non_finite"
    causes = {"learning_rate_too_high": 0.6, "reward_scale": 0.3}  # noqa: RUF012
    advice = (
        "wrap the environment in VecFiniteGuard(env) "
        "to stop at the first one, and restart from the last checkpoint before it"
    )

    def check(self, history: History) -> Finding | None:
        last = history.last
        if last is None:
            return None
        for series, causes in _CAUSES.items():
            if last.values.get(series, 0.0) > 0.0:
                what = series.replace("/nonfinite", "").replace("_", " ").replace("/", " ")
                message = f"{int(last.values[series])} non-finite entries in {what}"
                return self._critical(history, message, last.values[series], series, causes)
        for series, value in last.values.items():
            if series.startswith("train/") and not math.isfinite(value):
                return self._critical(history, f"{series} is {value}", value, series, self.causes)
        return None

    def _critical(
        self, history: History, message: str, value: float, series: str, causes: object
    ) -> Finding:
        return self.finding(
            history,
            Severity.CRITICAL,
            message,
            value,
            0.0,
            (series,),
            causes=causes,  # type: ignore[arg-type]
        )
