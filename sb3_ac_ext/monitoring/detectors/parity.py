"""Training and evaluation environments in which actions, starts or lengths differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sb3_ac_ext.monitoring.detectors.base import Detector, fresh, require
from sb3_ac_ext.monitoring.history import Floats, History
from sb3_ac_ext.monitoring.records import Finding, Severity

_AGREEMENT, _ENOUGH = "parity/action_agreement", 16


def newest(history: History, name: str, needed: int) -> Floats | None:
    """The last values of a series, when there are enough and the newest is of this moment."""
    series = history.series(name, last=needed)
    if not fresh(history, name) or len(series) < needed:
        return None
    return series.values


def endless(history: History, ratio: float) -> float:
    """How many times longer an episode of training runs already than the evaluation's ever took,
    in the last evaluation; 0 below ``ratio``."""
    evaluated = history.series("canary/length_mean")
    if not len(evaluated) or not history.has("probe/running"):
        return 0.0
    running = history.series("probe/running")
    now = running.values[running.steps <= evaluated.steps[-1]]
    times = float(now[-1] / evaluated.values.max()) if len(now) else 0.0
    return times if times > ratio else 0.0


def elsewhere(history: History, ratio: float = 6.0) -> bool:
    """Whether episodes of training and evaluation are so unlike in length that their rewards come
    from other states."""
    ratios = history.series("parity/length_ratio", last=1).values
    most = 1.2 if _limited(history) else ratio  # the evaluation stops where training goes on
    unlike = bool(((ratios > most) | (ratios < 1.0 / ratio)).any())
    return unlike or endless(history, ratio) > 0.0


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


@dataclass(frozen=True)
class LengthParity(Parity):
    """Episodes of training are far shorter or far longer than the canary's.

    A policy that improves fast plays longer, or shorter, than its last episodes: hence a large
    ratio and a small p. Longer episodes in training than in the evaluation are a failing evaluation
    rather than missing ends; unless none ends at all, or only time limits have ended any since
    training began, and the evaluation's end by themselves. Where time limits end all of the
    evaluation's, and training's are all of one length, limits differ.

    :param ratio: of mean lengths, above 1
    :param fixed_ratio: the same where all training episodes are equally short, as no policy's are
    :param alpha: of one look
    """

    ratio: float = 6.0
    fixed_ratio: float = 1.2
    alpha: float = 1e-4

    name = "length_parity"
    causes = {"episode_ends": 0.85, "evaluation_mismatch": 0.4}  # noqa: RUF012
    advice = "compare what ends an episode in both environments"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.ratio > 1.0, "ratio", self.ratio, "more than 1")
        require(self.fixed_ratio > 1.0, "fixed_ratio", self.fixed_ratio, "more than 1")
        require(0.0 < self.alpha < 1.0, "alpha", self.alpha, "a probability in (0, 1)")

    def check(self, history: History) -> Finding | None:
        return self._endless(history) or self._only_limits(history) or self._lengths(history)

    def _endless(self, history: History) -> Finding | None:
        if not fresh(history, "canary/length_mean"):
            return None
        finished = history.series("probe/finished", last=1).values
        times = endless(history, 2.0 * self.ratio)
        if not times or not len(finished) or finished[0] > 1.0 or _limited(history):
            return None
        return self.finding(
            history,
            Severity.CRITICAL,
            f"no episode of training ends: one has run {times:.3g} times as long as any evaluation",
            times,
            2.0 * self.ratio,
            ("probe/running", "canary/length_mean"),
            since=0,
            causes={"episode_ends": 0.95},
        )

    def _only_limits(self, history: History) -> Finding | None:
        ratios = newest(history, "parity/length_ratio", self.needed)
        p_values = newest(history, "parity/length_p", self.needed)
        if ratios is None or p_values is None or (p_values > self.alpha).any():
            return None
        finished = history.series("probe/finished", last=1).values
        limits = history.series("probe/limit_ends", last=1).values
        if not len(limits) or finished[0] < _ENOUGH or limits[0] < finished[0]:
            return None
        evaluated = history.series("canary/truncated_share", last=len(ratios)).values
        if (ratios < self.fixed_ratio).any() or not len(evaluated) or (evaluated > 0.9).any():
            return None
        return self.finding(
            history,
            Severity.WARNING,
            f"only time limits have ended episodes of training, all {finished[0]:.0f}, and the "
            "evaluation's end by themselves",
            ratios[-1],
            self.fixed_ratio,
            ("parity/length_ratio", "parity/length_p", "probe/limit_ends"),
            since=int(history.series("parity/length_ratio", last=self.needed).steps[0]),
            causes={"episode_ends": 0.9},
        )

    def _lengths(self, history: History) -> Finding | None:
        ratios = newest(history, "parity/length_ratio", self.needed)
        p_values = newest(history, "parity/length_p", self.needed)
        if ratios is None or p_values is None or (p_values > self.alpha).any():
            return None
        shorter = bool((ratios < 1.0).all())
        fixed = _all_of_one_length(history) and (shorter or _limited(history))
        bound = self.fixed_ratio if fixed else self.ratio
        if not ((ratios > bound).all() or (ratios < 1.0 / bound).all()):
            return None
        return self.finding(
            history,
            Severity.WARNING,
            f"episodes of training are {ratios[-1]:.3g} times as long as the evaluation's",
            ratios[-1],
            bound if ratios[-1] > 1.0 else 1.0 / bound,
            ("parity/length_ratio", "parity/length_p", "episodes/length_mean"),
            since=int(history.series("parity/length_ratio", last=self.needed).steps[0]),
            causes=self.causes
            if ratios[-1] < 1.0
            else {"evaluation_mismatch": 0.7, "environment_drift": 0.2},
        )


def _limited(history: History) -> bool:
    """Whether time limits have ended all episodes of all evaluations."""
    shares = history.series("canary/truncated_share").values
    return bool(len(shares)) and bool((shares == 1.0).all())


def _all_of_one_length(history: History) -> bool:
    """In the last five snapshots in which episodes ended."""
    shortest = history.series("episodes/length_min", last=5).values
    longest = history.series("episodes/length_max", last=5).values
    return len(longest) == 5 and bool(shortest.min() == longest.max())
