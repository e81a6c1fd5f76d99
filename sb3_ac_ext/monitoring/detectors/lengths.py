"""Training and evaluation environments in which episodes end differently."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sb3_ac_ext.monitoring.detectors.base import fresh, require
from sb3_ac_ext.monitoring.detectors.parity import Parity, newest
from sb3_ac_ext.monitoring.history import Floats, History
from sb3_ac_ext.monitoring.records import Finding, Severity

_ENOUGH = 16
_UNLIKE = 0.01
"""p-value of lengths, in several evaluations running, beside other evidence."""


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
class LengthParity(Parity):
    """Episodes of training are far shorter or far longer than the canary's.

    A policy that improves fast plays longer, or shorter, than its last episodes: hence a large
    ratio and a small p. Longer episodes in training than in the evaluation are a failing evaluation
    rather than missing ends; unless none ends at all, or only time limits have ended any since
    training began, and the evaluation's end by themselves. Where time limits end all of the
    evaluation's, and training's are all of one length, limits differ. What is shorter in all
    evaluations since training began is no matter of luck, or of learning.

    :param ratio: of mean lengths, above 1
    :param lasting_ratio: the same where episodes were that much shorter in at least three times
        ``needed`` evaluations, and in all
    :param fixed_ratio: the same where all training episodes are equally short, as no policy's are
    :param alpha: of one look
    """

    ratio: float = 6.0
    lasting_ratio: float = 2.5
    fixed_ratio: float = 1.2
    alpha: float = 1e-4

    name = "length_parity"
    causes = {"episode_ends": 0.85, "evaluation_mismatch": 0.4}  # noqa: RUF012
    advice = "compare what ends an episode in both environments"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.ratio > 1.0, "ratio", self.ratio, "more than 1")
        require(self.lasting_ratio > 1.0, "lasting_ratio", self.lasting_ratio, "more than 1")
        require(self.fixed_ratio > 1.0, "fixed_ratio", self.fixed_ratio, "more than 1")
        require(0.0 < self.alpha < 1.0, "alpha", self.alpha, "a probability in (0, 1)")

    def check(self, history: History) -> Finding | None:
        return (
            self._endless(history)
            or self._only_limits(history)
            or self._unlike_limits(history)
            or self._cut_short(history)
            or self._lengths(history)
        )

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
        ratios = self._unlike(history, self.needed, self.alpha)
        if ratios is None:
            ratios = self._unlike(history, 2 * self.needed, _UNLIKE)
        finished = history.series("probe/finished", last=1).values
        limits = history.series("probe/limit_ends", last=1).values
        if ratios is None or not len(limits) or finished[0] < _ENOUGH:
            return None
        if limits[0] < finished[0] or (ratios < self.fixed_ratio).any():
            return None
        evaluated = history.series("canary/truncated_share", last=len(ratios)).values
        if not len(evaluated) or (evaluated > 0.9).any():
            return None
        return self.finding(
            history,
            Severity.WARNING,
            f"only time limits have ended episodes of training, all {finished[0]:.0f}, and the "
            "evaluation's end by themselves",
            ratios[-1],
            self.fixed_ratio,
            ("parity/length_ratio", "parity/length_p", "probe/limit_ends"),
            since=int(history.series("parity/length_ratio", last=len(ratios)).steps[0]),
            causes={"episode_ends": 0.9},
        )

    def _unlike_limits(self, history: History) -> Finding | None:
        """Limits end all episodes on both sides, and each side's at a length of its own: there is
        no chance in that."""
        evaluated = newest(history, "canary/length_mean", self.needed)
        finished = history.series("probe/finished", last=1).values
        limits = history.series("probe/limit_ends", last=1).values
        if evaluated is None or not len(limits) or not _all_of_one_length(history):
            return None
        if not _limited(history) or limits[0] < finished[0] or np.ptp(evaluated) > 0.0:
            return None
        length = history.series("episodes/length_max", last=1)
        ratio = float(length.values[0] / evaluated[-1])
        if 1.0 / self.fixed_ratio <= ratio <= self.fixed_ratio:
            return None
        return self.finding(
            history,
            Severity.WARNING,
            f"time limits end training's episodes after {length.values[0]:.0f} steps, the "
            f"evaluation's after {evaluated[-1]:.0f}",
            ratio,
            self.fixed_ratio,
            ("episodes/length_max", "canary/length_mean"),
            since=0,
            causes={"evaluation_mismatch": 0.8, "episode_ends": 0.4},
        )

    def _cut_short(self, history: History) -> Finding | None:
        """Training cuts episodes off, always after as many steps, and the evaluation has gone on
        beyond that."""
        early = history.series("probe/early_truncated", last=1).values
        lengths = history.series("probe/early_lengths", last=1).values
        longest = history.series("episodes/length_max").values
        evaluated = history.series("canary/length_mean")
        if not fresh(history, "canary/length_mean") or not len(early) or not len(longest):
            return None
        beyond = evaluated.values > self.fixed_ratio * longest.max()
        if early[0] < _ENOUGH or lengths[0] != 1.0 or beyond.sum() < self.needed:
            return None
        return self.finding(
            history,
            Severity.WARNING,
            f"training cuts episodes off after {longest.max():.0f} steps, {early[0]:.0f} so far, "
            f"and the evaluation's have lasted {evaluated.values.max():.0f}",
            float(evaluated.values.max() / longest.max()),
            self.fixed_ratio,
            ("probe/early_truncated", "episodes/length_max", "canary/length_mean"),
            since=0,
            causes={"episode_ends": 0.9, "evaluation_mismatch": 0.4},
        )

    def _unlike(self, history: History, needed: int, alpha: float) -> Floats | None:
        """The last ratios of lengths, where all of them are unlikely to come from one policy."""
        ratios = newest(history, "parity/length_ratio", needed)
        p_values = newest(history, "parity/length_p", needed)
        unlike = ratios is not None and p_values is not None and (p_values <= alpha).all()
        return ratios if unlike else None

    def _lengths(self, history: History) -> Finding | None:
        ratios = self._unlike(history, self.needed, self.alpha)
        if ratios is None:
            return None
        shorter = bool((ratios < 1.0).all())
        fixed = _all_of_one_length(history) and (shorter or _limited(history))
        bound = self.fixed_ratio if fixed else self.ratio
        every = history.series("parity/length_ratio").values
        if len(every) >= 3 * self.needed and (every < 1.0 / self.lasting_ratio).all():
            bound = min(bound, self.lasting_ratio)
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
