"""The canary and training tell different stories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sb3_ac_ext.monitoring.detectors.base import Detector, fresh, require
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Finding, Severity


@dataclass(frozen=True)
class CanaryGap(Detector):
    """Evaluation and training returns differ though the policy acts alike, or the greedy policy
    falls behind the one that samples: Mann-Whitney p below ``alpha`` with a large effect,
    repeatedly.

    *Worse in evaluation*, acting as in training: only the environments differ, and what was learnt
    since the training episodes: a warning. *Better*: the policy has learnt since, or is evaluated
    on something easier: noted, after one evaluation more. *Greedy worse* than sampled, in the same
    environment: the policy relies on its noise, as young policies do; *greedy better*: exploration
    hides a good policy, which is normal while learning; either is noted. Judged in the second half
    of the budget, on ``needed`` evaluations running, with at least ten episodes on either side.

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
    causes = {"evaluation_mismatch": 0.6, "environment_drift": 0.2, "action_path": 0.15}  # noqa: RUF012
    advice = (
        "compare the wrappers of both environments and their VecNormalize statistics; if the "
        "policy relies on its noise, evaluate with deterministic=False or anneal it"
    )

    def __post_init__(self) -> None:
        require(0.0 < self.alpha < 1.0, "alpha", self.alpha, "a probability in (0, 1)")
        require(0.0 < self.effect < 1.0, "effect", self.effect, "a share in (0, 1)")
        require(0.0 <= self.material < 1.0, "material", self.material, "a share in [0, 1)")
        require(self.needed >= 1, "needed", self.needed, "at least 1")

    def check(self, history: History) -> Finding | None:
        progress = history.progress
        if not fresh(history, "canary/return_mean") or (progress is not None and progress < 0.5):
            return None
        return self._environments(history) or self._noise(history)

    def _environments(self, history: History) -> Finding | None:
        sign = self._differs(history, "train_p_value", "train_effect_size", "train_gap")
        if sign == 0:
            return None
        text = "evaluation, acting as in training, returns {gap:.4g} {side} than training"
        return self._found(
            history, sign, "train_", text, self.causes if sign < 0 else {"evaluation_mismatch": 0.2}
        )

    def _noise(self, history: History) -> Finding | None:
        sign = self._differs(history, "p_value", "effect_size", "gap")
        if sign == 0:
            return None
        cause = "deterministic_mode_collapse" if sign < 0 else "exploration_masks_policy"
        text = "the greedy policy returns {gap:.4g} {side} than the one that explores"
        return self._found(history, sign, "", text, {cause: 0.6})

    def _differs(self, history: History, p_value: str, effect: str, gap: str) -> int:
        """-1 for worse, 1 for better, 0 for neither."""
        last = history.series(f"canary/{effect}", last=1).values
        if not fresh(history, f"canary/{p_value}") or not len(last):
            return 0
        sign = -1 if last[0] < 0.0 else 1
        needed = self.needed if sign < 0 else self.needed + 1
        p_values = history.series(f"canary/{p_value}", last=needed).values
        effects = history.series(f"canary/{effect}", last=needed).values * sign
        if len(p_values) < needed or (p_values >= self.alpha).any():
            return 0
        seen = history.series("episodes/return_mean").finite().values
        least = self.material * float(np.ptp(seen)) if len(seen) else 0.0
        size = abs(history.series(f"canary/{gap}", last=1).values[-1])
        return sign if (effects > self.effect).all() and size >= least else 0

    def _found(
        self, history: History, sign: int, prefix: str, text: str, causes: dict[str, float]
    ) -> Finding:
        gap = history.series(f"canary/{prefix}gap", last=1).values[-1]
        p_values = history.series(f"canary/{prefix}p_value", last=self.needed + (sign > 0))
        side = "less" if sign < 0 else "more"
        warned = sign < 0 and prefix == "train_"
        return self.finding(
            history,
            Severity.WARNING if warned else Severity.INFO,
            f"{text.format(gap=abs(gap), side=side)} in {len(p_values)} evaluations running "
            f"(p {p_values.values[-1]:.1g})",
            float(history.series(f"canary/{prefix}effect_size", last=1).values[-1]),
            sign * self.effect,
            (f"canary/{prefix}p_value", f"canary/{prefix}effect_size", "episodes/return_mean"),
            since=int(p_values.steps[0]),
            causes=causes,
        )
