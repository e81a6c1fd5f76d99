"""One worker in which actions do not do what they do in all others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sb3_ac_ext.monitoring.detectors.base import Detector, require
from sb3_ac_ext.monitoring.detectors.worker_rows import newest_matrix, snapshots_per_episode
from sb3_ac_ext.monitoring.functional import compare_samples
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Finding, Severity


@dataclass(frozen=True)
class WorkerResponse(Detector):
    """Actions do nothing in one worker, or the opposite of what they do in all others.

    The median of its response over the last 6 to 30 snapshots, which span three episodes at least,
    lies below ``share`` of the others' median, all of which lie above 1 - ``share`` of it, and its
    responses rank below theirs: Mann-Whitney p below ``alpha``, with an effect of at least 0.6.
    Nothing is said where actions move nothing, since then no worker responds.

    :param share: of the others' response, in (0, 0.5)
    :param alpha: p-value, in (0, 1)
    :param needed: snapshots, at least 3
    :raises ValueError: for values out of range
    """

    share: float = 0.4
    alpha: float = 1e-4
    needed: int = 6

    name = "worker_response"
    causes = {"worker_dynamics": 0.95}  # noqa: RUF012
    advice = "compare the action wrappers of this worker's environment with the others'"

    def __post_init__(self) -> None:
        require(0.0 < self.share < 0.5, "share", self.share, "a share in (0, 0.5)")
        require(0.0 < self.alpha < 1.0, "alpha", self.alpha, "a p-value in (0, 1)")
        require(self.needed >= 3, "needed", self.needed, "at least 3")

    def check(self, history: History) -> Finding | None:
        found = newest_matrix(history, "probe/worker_response", 30)
        if found is None:
            return None
        steps, values = found
        values = values[np.isfinite(values).all(axis=1)]
        per_episode = snapshots_per_episode(history)
        if per_episode is None or len(values) < max(self.needed, 3 * per_episode):
            return None
        medians = np.median(values, axis=0)
        worker = int(np.argmin(medians))
        others = np.delete(values, worker, axis=1)
        typical = float(np.median(np.delete(medians, worker)))
        if typical <= 0.0 or medians[worker] >= self.share * typical:
            return None
        if np.delete(medians, worker).min() < (1.0 - self.share) * typical:
            return None
        p_value, effect = compare_samples(values[:, worker], others.ravel())
        if p_value >= self.alpha or effect > -0.6:
            return None
        response = float(medians[worker]) / typical
        what = "the opposite of" if response < -self.share else f"{max(response, 0.0):.0%} of"
        return self.finding(
            history,
            Severity.CRITICAL,
            f"actions do {what} what they do in all other workers to worker {worker}'s "
            f"observations (p {p_value:.1g})",
            response,
            self.share,
            ("probe/worker_response",),
            since=steps[0],
            worker=worker,
        )
