"""Training that goes through the motions: updates that change nothing, or none at all."""

from __future__ import annotations

from dataclasses import dataclass

from sb3_ac_ext.monitoring.detectors.base import Detector, fresh, require
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Finding, Severity

_NETS = ("policy", "value", "actor", "critic")


@dataclass(frozen=True)
class TinyUpdates(Detector):
    """Whole snapshots of updates move every network by almost nothing.

    The relative change since the snapshot before is below ``change`` for every network, in each of
    the last ``needed`` snapshots. Float32 resolves 1e-7. Scheduled decay to zero is passed over in
    the last tenth of the budget.

    :param change: relative, positive
    :param needed: snapshots running, at least 1
    :raises ValueError: for values out of range
    """

    change: float = 2e-5
    needed: int = 3

    name = "tiny_updates"
    causes = {  # noqa: RUF012
        "learning_rate_too_low": 0.85,
        "gradient_clipping": 0.3,
        "optimizer": 0.3,
    }
    advice = "raise learning_rate (SB3: 3e-4, A2C 7e-4); see max_grad_norm and optimizer_class"

    def __post_init__(self) -> None:
        require(self.change > 0.0, "change", self.change, "a positive number")
        require(self.needed >= 1, "needed", self.needed, "at least 1")

    def check(self, history: History) -> Finding | None:
        nets = [
            n for n in ("policy", "value", "actor", "critic") if history.has(f"probe/{n}_change")
        ]
        if not nets or (history.progress is not None and history.progress > 0.9):
            return None
        largest, since = 0.0, 0
        for net in nets:
            series = history.series(f"probe/{net}_change", last=self.needed)
            if not fresh(history, f"probe/{net}_change") or len(series) < self.needed:
                return None
            largest, since = max(largest, float(series.values.max())), int(series.steps[0])
        if largest >= self.change:
            return None
        return self.finding(
            history,
            Severity.WARNING,
            f"between snapshots the weights change by {largest:.1g} of their size at most",
            largest,
            self.change,
            tuple(f"probe/{net}_change" for net in nets),
            since=since,
        )


@dataclass(frozen=True)
class FewUpdates(Detector):
    """Hardly any gradient step for the environment steps taken.

    Judged from ``after`` of the budget on, where the budget is known: fewer than one update per
    ``steps`` environment steps since learning may start.

    :param steps: per update, above 1
    :param after: share of the budget, in [0, 1)
    :raises ValueError: for values out of range
    """

    steps: float = 200.0
    after: float = 0.3

    name = "few_updates"
    causes = {"update_frequency": 0.85, "learning_starts": 0.5}  # noqa: RUF012
    advice = "train_freq=1, gradient_steps=1, learning_starts below a tenth of the budget"

    def __post_init__(self) -> None:
        require(self.steps > 1.0, "steps", self.steps, "more than 1")
        require(0.0 <= self.after < 1.0, "after", self.after, "a share in [0, 1)")

    def check(self, history: History) -> Finding | None:
        progress, info = history.progress, history.info
        if progress is None or progress < self.after or info.family != "off-policy":
            return None
        if not fresh(history, "probe/updates"):
            return None
        done = history.series("probe/updates", last=1).values[-1]
        start = float(info.hyperparameters.get("learning_starts") or 0)
        steps = history.step - start
        if steps < 0.1 * (info.total_timesteps or 0) or done * self.steps >= steps:
            return None
        return self.finding(
            history,
            Severity.WARNING,
            f"{done:.0f} gradient steps in {steps:,.0f} environment steps since learning could "
            "start",
            done,
            steps / self.steps,
            ("probe/updates",),
            since=int(start),
        )
