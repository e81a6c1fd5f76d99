"""The canary and training tell different stories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sb3_ac_ext.monitoring.detectors.base import Detector, fresh, require
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Finding, Severity

_SERIES = ("canary/train_p_value", "canary/train_effect_size", "canary/return_mean")


@dataclass(frozen=True)
class CanaryGap(Detector):
    """Canary and training returns differ: Mann-Whitney p below ``alpha`` with a large effect,
    repeatedly.

    Worse canary: the deterministic policy, or the evaluation environment, loses what exploration
    earns. Where its stochastic twin, in the same environment, is better (p below 0.01, effect above
    0.5 in one of the last evaluations), the policy relies on its noise, as young policies do: only
    noted. Better canary:
    exploration noise hides a good policy; that is normal while learning and only noted, after one
    evaluation more. Judged in the second half of the budget, on ``needed`` evaluations running,
    with at least ten episodes on either side.

    :param alpha: of one look; ``needed`` looks must agree
    :param effect: rank-biserial, in (0, 1)
    :param material: least gap, as a share of the range of training returns so far, in [0, 1)
    :param needed: evaluations in a row
    :raises ValueError: for values out of range
    """

    alpha: float = 0.001
    effect: float = 0.8
    material: float = 0.2
    needed: int = 2

    name = "canary_gap"
    causes = {"evaluation_mismatch": 0.6, "deterministic_mode_collapse": 0.4}  # noqa: RUF012
    advice = (
        "compare the wrappers of both environments and their VecNormalize statistics; if they "
        "agree, the policy relies on its noise: evaluate with deterministic=False or anneal it"
    )

    def __post_init__(self) -> None:
        require(0.0 < self.alpha < 1.0, "alpha", self.alpha, "a probability in (0, 1)")
        require(0.0 < self.effect < 1.0, "effect", self.effect, "a share in (0, 1)")
        require(0.0 <= self.material < 1.0, "material", self.material, "a share in [0, 1)")
        require(self.needed >= 1, "needed", self.needed, "at least 1")

    def check(self, history: History) -> Finding | None:
        progress = history.progress
        if not fresh(history, _SERIES[0]) or (progress is not None and progress < 0.5):
            return None
        worse = history.series(_SERIES[1], last=1).values[-1] < 0.0
        needed = self.needed if worse else self.needed + 1
        p_values = history.series(_SERIES[0], last=needed)
        effects = history.series(_SERIES[1], last=needed).values * (-1.0 if worse else 1.0)
        if len(p_values) < needed or (p_values.values >= self.alpha).any():
            return None
        if not (effects > self.effect).all():
            return None
        gap = history.series("canary/train_gap", last=1).values[-1]
        seen = history.series("episodes/return_mean").finite().values
        if len(seen) and abs(gap) < self.material * np.ptp(seen):
            return None
        causes = self.causes
        if not worse:
            causes = {"exploration_masks_policy": 0.6}
        elif _worse_than_twin(history, needed):
            causes = {"deterministic_mode_collapse": 0.6}
        return self.finding(
            history,
            Severity.WARNING if "evaluation_mismatch" in causes else Severity.INFO,
            f"the canary is {abs(gap):.4g} {'below' if worse else 'above'} the training return "
            f"in {needed} evaluations running (p {p_values.values[-1]:.1g})",
            float(-effects[-1] if worse else effects[-1]),
            -self.effect if worse else self.effect,
            (*_SERIES, "episodes/return_mean"),
            since=int(p_values.steps[0]),
            causes=causes,
        )


def _worse_than_twin(history: History, evaluations: int) -> bool:
    p_values = history.series("canary/p_value", last=evaluations).values
    effects = history.series("canary/effect_size", last=evaluations).values
    return bool(((p_values < 0.01) & (effects < -0.5)).any())
