"""What a history says against a cause: each a named observation, in words with its numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.learning import improved, near_best

Observation = Callable[[History], str | None]


def _kl(history: History, low: float, high: float) -> float | None:
    """Median KL of the last ten updates when it lies within the bounds."""
    values = history.series("policy/kl", last=10).finite().values
    median = float(np.median(values)) if len(values) >= 3 else None
    return median if median is not None and low <= median <= high else None


def _kl_small(history: History) -> str | None:
    value = _kl(history, 1e-5, 0.01)  # below, the policy no longer moves at all
    return None if value is None else f"updates are small: KL {value:.2g}, median of the last ten"


def _kl_large(history: History) -> str | None:
    value = _kl(history, 1e-4, np.inf)
    return None if value is None else f"updates move the policy: KL {value:.2g}, median"


def _returns_rise(history: History) -> str | None:
    return "returns rise and are near their best" if near_best(history) else None


def _returns_rose(history: History) -> str | None:
    return "returns have risen since the start" if improved(history) else None


def _critic_fits(history: History) -> str | None:
    values = history.series("value/explained_variance", last=5).finite().values
    if len(values) < 3 or np.median(values) < 0.5:
        return None
    return f"the critic explains {np.median(values):.0%} of the returns"


def _observations_scaled(history: History) -> str | None:
    first = history.series("observations/p99_abs").values[:1]
    if not len(first) or not 0.05 <= first[0] <= 20.0:
        return None
    return f"observations began at a usual scale: 99 % of their entries within {first[0]:.3g}"


CONTRARY: Mapping[str, Observation] = {
    "kl_small": _kl_small,
    "kl_large": _kl_large,
    "returns_rise": _returns_rise,
    "returns_rose": _returns_rose,
    "critic_fits": _critic_fits,
    "observations_scaled": _observations_scaled,
}
"""By the names that the table of causes uses."""

_EXACT = (
    ("the buffer holds what happened", ("stored_", "value_error"), 1e-3),
    ("log-probabilities and advantages are right", ("log_prob_error", "advantage_error"), 1e-3),
    ("batches are the buffer's", ("batch_error",), 1e-4),
    ("targets follow", ("target_error",), 1e-5),
)


def held(history: History) -> str | None:
    """Which exact invariants were checked and held in every snapshot, in words."""
    kept = []
    for text, names, tolerance in _EXACT:
        columns = [
            history.series(name).values
            for name in history.names
            if name.startswith("probe/")
            and "_error" in name
            and any(part in name for part in names)
            and "mode" not in name
            and "share" not in name
        ]
        columns = [column for column in columns if len(column)]
        if columns and all(column.max() <= tolerance for column in columns):
            kept.append(text)
    cosines = [history.series(name).values for name in history.names if name.endswith("_cosine")]
    if any(len(c) for c in cosines) and all(c.min() > 0.99 for c in cosines if len(c)):
        kept.append("gradients are those of the losses")
    return f"not the machinery: {', '.join(kept)} in all snapshots" if kept else None
