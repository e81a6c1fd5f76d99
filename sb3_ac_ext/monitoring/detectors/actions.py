"""A policy that does the same whatever it sees."""

from __future__ import annotations

from dataclasses import dataclass

from sb3_ac_ext.monitoring.detectors.base import Detector, fresh, require
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.learning import at_ceiling
from sb3_ac_ext.monitoring.records import Finding, Severity

_DEPENDENCE = "policy/state_dependence"


@dataclass(frozen=True)
class SameAction(Detector):
    """The greedy action does not depend on the state, and the actions taken hardly vary either.

    Both must hold: a fresh policy acts alike everywhere but still explores, a converged one may
    repeat an action while its states call for it. Judged after ``after`` of the budget.

    :param dependence: ``policy/state_dependence`` at or below which the policy is blind
    :param after: share of the budget before which nothing is said
    :raises ValueError: for values out of range
    """

    dependence: float = 0.005
    after: float = 0.25

    name = "same_action"
    causes = {  # noqa: RUF012
        "policy_collapse": 0.8,
        "entropy_bonus_too_low": 0.4,
        "learning_rate_too_high": 0.4,
        "observation_scale": 0.3,
    }
    advice = (
        "raise ent_coef (0.001 to 0.01), lower learning_rate; check that observations reach "
        "the network unsaturated (VecNormalize) and that the action bounds are right"
    )

    def __post_init__(self) -> None:
        require(0.0 <= self.dependence < 1.0, "dependence", self.dependence, "a share in [0, 1)")
        require(0.0 <= self.after < 1.0, "after", self.after, "a share in [0, 1)")

    def check(self, history: History) -> Finding | None:
        progress = history.progress
        if not fresh(history, _DEPENDENCE) or (progress is not None and progress < self.after):
            return None
        value = history.series(_DEPENDENCE, last=1).values[-1]
        symptom = _monotonous(history)
        if not value <= self.dependence or symptom is None or at_ceiling(history):
            return None
        series, observed, bound, text = symptom
        return self.finding(
            history,
            Severity.WARNING,
            f"the policy acts the same in every state: {text}",
            observed,
            bound,
            (_DEPENDENCE, series),
        )


def _monotonous(history: History) -> tuple[str, float, float, str] | None:
    """(series, value, bound, in words) when the actions taken hardly vary."""
    last = history.last
    values = last.values if last is not None else {}
    share = values.get("actions/top_share")
    if share is not None:
        text = f"{share:.1%} of its actions are the same"
        return ("actions/top_share", share, 0.98, text) if share >= 0.98 else None
    saturation = values.get("actions/saturation")
    if saturation is not None and saturation >= 0.95:
        return (
            "actions/saturation",
            saturation,
            0.95,
            f"{saturation:.1%} of its actions are at a bound",
        )
    spread = values.get("actions/std")
    if spread is not None and spread <= 0.02:
        return (
            "actions/std",
            spread,
            0.02,
            f"its actions spread over {spread:.1%} of the half range",
        )
    return None
