"""Training and evaluation environments in which actions or starts differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sb3_ac_ext.monitoring.detectors.base import Detector, fresh, require
from sb3_ac_ext.monitoring.history import Floats, History
from sb3_ac_ext.monitoring.records import Finding, Severity

_AGREEMENT = "parity/action_agreement"


def newest(history: History, name: str, needed: int) -> Floats | None:
    """The last values of a series, when there are enough and the newest is of this moment."""
    series = history.series(name, last=needed)
    if not fresh(history, name) or len(series) < needed:
        return None
    return series.values


@dataclass(frozen=True)
class Parity(Detector):
    """Training and evaluation differ in each of the last evaluations.

    :param needed: evaluations running, at least 1
    :raises ValueError: for fewer
    """

    needed: int = 2

    def __post_init__(self) -> None:
        require(self.needed >= 1, "needed", self.needed, "at least 1")


@dataclass(frozen=True)
class ActionParity(Parity):
    """Actions do far less in training than in the registered environment without wrappers.

    Below one ``ratio``-th in the last ``needed`` evaluations; or below ``share`` on the median of
    all, at least twice as many and one, as where actions are held, mixed up or lost now and then.
    Medians of healthy runs are 0.57 to 4. Only a loss is judged: wrappers that repeat
    actions make them do more on purpose. One that weakens or smooths them cannot be told from a
    fault.

    :param ratio: of effects, above 1
    :param share: of the bare environment's effect, in (0, 1)
    """

    ratio: float = 4.0
    share: float = 0.5

    name = "action_parity"
    causes = {"action_path": 0.9}  # noqa: RUF012
    advice = (
        "follow the action through the wrappers: RescaleAction, units, clipping; where one of them "
        "weakens or smooths actions on purpose, this is by how much"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.ratio > 1.0, "ratio", self.ratio, "more than 1")
        require(0.0 < self.share < 1.0, "share", self.share, "a share in (0, 1)")

    def check(self, history: History) -> Finding | None:
        effects = newest(history, "parity/action_effect", self.needed)
        if effects is None:
            return None
        if (effects < 1.0 / self.ratio).all():
            return self._found(history, effects[-1], 1.0 / self.ratio, self.needed)
        every = history.series("parity/action_effect").values
        lasting = len(every) > 2 * self.needed and np.median(every) < self.share
        if lasting and (effects < 1.5 * self.share).all():
            return self._found(history, float(np.median(every)), self.share, len(every))
        return None

    def _found(self, history: History, value: float, bound: float, last: int) -> Finding:
        return self.finding(
            history,
            Severity.WARNING,
            f"actions have {value:.2g} times the effect that they have in the registered "
            "environment",
            value,
            bound,
            ("parity/action_effect",),
            since=int(history.series("parity/action_effect", last=last).steps[0]),
        )


@dataclass(frozen=True)
class ActionAgreement(Parity):
    """Actions do something else in evaluation than in training, or the opposite.

    The cosine of their effects on observations lies below ``turned`` in ``needed`` evaluations, or
    below ``unlike`` in one more: actions, or the entries of observations, are in another order or
    of another sign in one of the environments. Where it was above ``alike`` before, one of them has
    changed.

    :param turned: cosine, in [-1, 0)
    :param unlike: cosine, in (0, 1)
    :param alike: cosine, in (0, 1)
    """

    turned: float = -0.5
    unlike: float = 0.3
    alike: float = 0.5

    name = "action_agreement"
    causes = {"evaluation_mismatch": 0.9, "environment_drift": 0.2}  # noqa: RUF012
    advice = "follow the action through the wrappers of both environments: sign, order, rescaling"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(-1.0 <= self.turned < 0.0, "turned", self.turned, "a cosine in [-1, 0)")
        require(0.0 < self.unlike < 1.0, "unlike", self.unlike, "a cosine in (0, 1)")
        require(0.0 < self.alike < 1.0, "alike", self.alike, "a cosine in (0, 1)")

    def check(self, history: History) -> Finding | None:
        if self._below(history, self.turned, self.needed):
            return self._found(history, "the opposite in evaluation of what", self.turned)
        if self._below(history, self.unlike, self.needed + 1):
            return self._found(history, "something else in evaluation than what", self.unlike)
        return None

    def _below(self, history: History, bound: float, needed: int) -> bool:
        cosines = newest(history, _AGREEMENT, needed)
        return cosines is not None and bool((cosines < bound).all())

    def _found(self, history: History, what: str, bound: float) -> Finding:
        series = history.series(_AGREEMENT)
        before = bool((series.values > self.alike).any())
        return self.finding(
            history,
            Severity.WARNING,
            f"actions do {what} they do in training (cosine of their effects "
            f"{series.values[-1]:.2f})",
            series.values[-1],
            bound,
            (_AGREEMENT,),
            since=int(series.steps[-self.needed]),
            causes={"environment_drift": 0.9, "evaluation_mismatch": 0.4} if before else None,
        )


@dataclass(frozen=True)
class StartParity(Parity):
    """Episodes of training and evaluation begin with different observations.

    The reset decides on these, no policy: means ``shift`` standard deviations apart, or deviations
    that differ ``ratio``-fold. One of the two environments is wrapped otherwise.

    :param shift: in standard deviations, positive
    :param ratio: of standard deviations, above 1
    """

    shift: float = 4.0
    ratio: float = 8.0

    name = "start_parity"
    causes = {"evaluation_mismatch": 0.9, "observation_scale": 0.3, "reset_broken": 0.3}  # noqa: RUF012
    advice = "compare the observations of both environments after reset(seed=0)"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.shift > 0.0, "shift", self.shift, "a positive number")
        require(self.ratio > 1.0, "ratio", self.ratio, "more than 1")

    def check(self, history: History) -> Finding | None:
        shifts = newest(history, "parity/start_shift", self.needed)
        spreads = newest(history, "parity/start_spread", self.needed)
        if shifts is not None and (shifts > self.shift).all():
            text = (
                f"episodes of training begin {shifts[-1]:.1f} standard deviations from where the "
            )
            return self._found(history, text, "parity/start_shift", shifts[-1], self.shift)
        if spreads is None:
            return None
        if (spreads > self.ratio).all() or (spreads < 1.0 / self.ratio).all():
            text = f"first observations of training spread {spreads[-1]:.3g} times as far as the "
            return self._found(history, text, "parity/start_spread", spreads[-1], self.ratio)
        return None

    def _found(
        self, history: History, text: str, series: str, value: float, bound: float
    ) -> Finding:
        since = int(history.series(series, last=self.needed).steps[0])
        return self.finding(
            history, Severity.WARNING, text + "evaluation's", value, bound, (series,), since=since
        )
