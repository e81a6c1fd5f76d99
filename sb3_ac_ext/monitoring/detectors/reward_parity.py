"""Training and evaluation environments that pay different rewards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sb3_ac_ext.monitoring.detectors.base import fresh, require
from sb3_ac_ext.monitoring.detectors.lengths import elsewhere
from sb3_ac_ext.monitoring.detectors.parity import Parity, newest
from sb3_ac_ext.monitoring.history import Floats, History
from sb3_ac_ext.monitoring.records import Finding, Severity

_FAR, _NEAR_NOTHING = 50.0, 0.005
"""Times the evaluation's rewards: no shaping does that, and no difference of luck."""


@dataclass(frozen=True)
class RewardParity(Parity):
    """Training pays on another scale, with another sign, with outliers or noise, or nothing.

    Compared step by step with the canary, which plays nearly the same policy in an environment of
    its own, and only while episodes are of like lengths in both. Where training's environment
    changes rewards on purpose, give the canary the same wrappers. Where actions alone explain the
    difference, only signs and outliers are judged.

    :param ratio: of mean magnitudes, above 1
    :param outlier: ratio of largest magnitudes, in ``needed`` of all evaluations, where the medians
        agree
    :param noise: ratio of standard deviations where the mean magnitudes agree within it
    :param factor: ratio of median magnitudes that is one and the same in twice ``needed``
        evaluations, above 1
    :param steady: ratio of largest magnitudes in three times ``needed`` evaluations that agree,
        above 1
    :param zeros: share of zero rewards, training minus evaluation, in twice ``needed`` evaluations,
        in (0, 1)
    :param transfer: error of training's rewards by actions in the evaluation, over that in
        training, up to which actions explain the difference
    """

    ratio: float = 12.0
    outlier: float = 20.0
    noise: float = 4.0
    factor: float = 1.5
    steady: float = 3.0
    zeros: float = 0.25
    transfer: float = 3.0

    name = "reward_parity"
    causes = {"reward_scale": 0.8}  # noqa: RUF012
    advice = "compare the rewards of both environments for the same actions from the same seed"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("ratio", "outlier", "noise", "factor", "steady", "transfer"):
            require(getattr(self, name) > 1.0, name, getattr(self, name), "more than 1")
        require(0.0 < self.zeros < 1.0, "zeros", self.zeros, "a share in (0, 1)")

    def check(self, history: History) -> Finding | None:
        with np.errstate(divide="ignore", invalid="ignore"):  # ratios may be 0
            return self._judged(history)

    def _judged(self, history: History) -> Finding | None:
        late = self._late_start(history)
        if late is not None or elsewhere(history):
            return late
        by_action = self._paid_by_action(history)
        found = None if by_action else self._constant(history) or self._missing(history)
        found = found or self._sign(history) or self._outliers(history)
        if found or by_action:
            return found
        return (
            self._noise(history)
            or self._scale(history)
            or self._factor(history)
            or self._largest(history)
        )

    def _paid_by_action(self, history: History) -> bool:
        """By the last evaluations that could tell: how rewards come about does not change."""
        known = history.series("parity/reward_transfer", last=self.needed).values
        return len(known) == self.needed and bool((known < self.transfer).all())

    def _constant(self, history: History) -> Finding | None:
        """By the newest evaluations that could compare single rewards."""
        if not fresh(history, "parity/return_sign") and not fresh(history, "parity/reward_scale"):
            return None
        scale, spread, level = (
            history.series(f"parity/reward_{name}", last=self.needed).values
            for name in ("scale", "std", "level")
        )
        if len(scale) < self.needed:
            return None
        median = history.series("parity/reward_median", last=self.needed).values
        alike = self._near_one(level, 1.25) or self._near_one(median, 1.01)
        paid = bool((history.series("episodes/return_mean").values != 0.0).any())
        if (scale == 0.0).all() and not paid:
            text, series = "training pays nothing where evaluation does", "scale"
            causes = {"reward_constant": 0.95}
        elif len(spread) == self.needed and (spread < 1e-6).all() and not alike:
            text, series = "training pays the same at every step, evaluation does not", "std"
            causes = {"reward_constant": 0.95}
        else:
            return None
        value = float(history.series(f"parity/reward_{series}", last=1).values[-1])
        return self._found(
            history, text, f"parity/reward_{series}", value, 0.0, causes, Severity.CRITICAL
        )

    def _missing(self, history: History) -> Finding | None:
        """Zeros among training's rewards where the evaluation pays. Where nearly all are, or the
        mean is the same, the sum is paid later; where a steady share is, that share is lost."""
        few = newest(history, "parity/reward_zeros", self.needed)
        nearly_all = few is not None and few.min() > 0.95
        zeros = few if nearly_all else newest(history, "parity/reward_zeros", 2 * self.needed)
        level = newest(history, "parity/reward_level", 2 * self.needed)
        if zeros is None or zeros.min() < self.zeros:
            return None
        alike = level is not None and ((level < 1.25) & (level > 0.8)).all()
        if nearly_all or alike:
            causes = {"reward_delay": 0.85, "reward_constant": 0.3}
        elif np.ptp(zeros) < 0.1:
            causes = {"reward_noise": 0.95, "reward_delay": 0.4}
        else:
            return None
        return self._found(
            history,
            f"{zeros[-1]:.0%} more of training's rewards than of the evaluation's are zero",
            "parity/reward_zeros",
            zeros[-1],
            self.zeros,
            causes,
        )

    def _late_start(self, history: History) -> Finding | None:
        """The first step of an episode pays nothing in training, and does in evaluation, whatever
        the policy: rewards come late, unless the others are lost as well."""
        first = newest(history, "parity/first_reward_zeros", self.needed + 1)
        every = newest(history, "parity/reward_zeros", self.needed + 1)
        if first is None or every is None or first.min() < 0.95 or every.max() > 0.95:
            return None
        return self._found(
            history,
            "the first step of every episode pays nothing in training, and does in evaluation",
            "parity/first_reward_zeros",
            first[-1],
            0.95,
            {"reward_delay": 0.9},
        )

    def _near_one(self, ratios: Floats, factor: float) -> bool:
        near = (ratios < factor) & (ratios > 1.0 / factor)
        return len(ratios) == self.needed and bool(near.all())

    def _sign(self, history: History) -> Finding | None:
        signs = newest(history, "parity/return_sign", self.needed)
        if signs is None or (signs > -4.0).any():
            return None
        turned = bool((history.series("parity/return_sign").values > 4.0).any())
        return self._found(
            history,
            "training returns have the opposite sign of the evaluation's",
            "parity/return_sign",
            signs[-1],
            -4.0,
            {"environment_drift": 0.9, "reward_sign": 0.5} if turned else {"reward_sign": 0.95},
            Severity.CRITICAL,
        )

    def _outliers(self, history: History) -> Finding | None:
        scale = newest(history, "parity/reward_scale", self.needed)
        largest = history.series("parity/reward_max").values
        largest = largest[largest > self.outlier]  # they are rare: not in every evaluation
        if scale is None or len(largest) < self.needed:
            return None
        median = newest(history, "parity/reward_median", self.needed)
        typical = scale if median is None else median
        if not ((typical < self.noise) & (typical > 1.0 / self.noise)).all():
            return None
        text = f"training's largest reward is {largest[-1]:.3g} times the evaluation's"
        causes = {"reward_outliers": 0.9}
        return self._found(history, text, "parity/reward_max", largest[-1], self.outlier, causes)

    def _factor(self, history: History) -> Finding | None:
        """One and the same factor in every evaluation: units, whatever the policy does."""
        factors = newest(history, "parity/reward_median", 2 * self.needed)
        if factors is None or factors.min() <= 0.0 or factors.max() > 1.02 * factors.min():
            return None
        if abs(np.log(factors[-1])) < np.log(self.factor):
            return None
        for name in ("std", "max"):  # a policy may change the typical reward, a unit changes all
            others = newest(history, f"parity/reward_{name}", self.needed)
            if others is None or (np.abs(np.log(others / factors[-1])) > np.log(1.2)).any():
                return None
        return self._found(
            history,
            f"training pays {factors[-1]:.3g} times the evaluation's rewards in {len(factors)} "
            "evaluations running",
            "parity/reward_median",
            factors[-1],
            self.factor,
            {"reward_scale": 0.4, "evaluation_mismatch": 0.8},
        )

    def _largest(self, history: History) -> Finding | None:
        """The largest reward, which a policy hardly decides on, is as many times the evaluation's
        in all evaluations, and so is the mean magnitude."""
        n = 3 * self.needed
        largest = newest(history, "parity/reward_max", n)
        scale = newest(history, "parity/reward_scale", n)
        if largest is None or scale is None or largest.min() <= 0.0:
            return None
        if not ((largest > self.steady).all() or (largest < 1.0 / self.steady).all()):
            return None
        typical = float(np.median(largest))
        if largest.max() > 1.6 * largest.min() or not 0.5 < np.median(scale) / typical < 2.0:
            return None
        return self._found(
            history,
            f"training's largest reward is about {typical:.3g} times the evaluation's in "
            f"{n} evaluations running",
            "parity/reward_max",
            typical,
            self.steady,
            {"reward_scale": 0.4, "evaluation_mismatch": 0.8},
        )

    def _scale(self, history: History) -> Finding | None:
        scale = newest(history, "parity/reward_scale", self.needed)
        largest = newest(history, "parity/reward_max", self.needed)
        if scale is None or largest is None:
            return None
        far = scale[-1] > _FAR or scale[-1] < _NEAR_NOTHING
        # a few episodes may pay that much less: what is not far must last
        if not self._beyond(newest(history, "parity/reward_scale", (2 - far) * self.needed)):
            return None
        # another scale changes the largest reward too, at least by half as many decades
        if (np.log(largest) / np.log(scale) < 0.5).any():
            return None
        first = history.series("parity/reward_scale").values[: self.needed]
        changed = bool((np.abs(np.log(first)) < np.log(2.0)).all())
        return self._found(
            history,
            f"training pays {scale[-1]:.3g} times the evaluation's rewards",
            "parity/reward_scale",
            scale[-1],
            self.ratio if scale[-1] > 1.0 else 1.0 / self.ratio,
            {"environment_drift": 0.9, "reward_scale": 0.5} if changed else {"reward_scale": 0.9},
            Severity.CRITICAL if far else Severity.WARNING,
        )

    def _beyond(self, scale: Floats | None) -> bool:
        if scale is None:
            return False
        return bool((scale > self.ratio).all() or (scale < 1.0 / self.ratio).all())

    def _noise(self, history: History) -> Finding | None:
        spread = newest(history, "parity/reward_std", self.needed)
        if spread is None:
            return None
        level = newest(history, "parity/reward_level", self.needed)
        if level is None or (spread < self.noise).any():
            return None
        alike = ((level < self.noise) & (level > 1.0 / self.noise)).all()
        if not alike and not self._cancels(history, level):
            return None
        return self._found(
            history,
            f"training's rewards vary {spread[-1]:.3g} times as much as the evaluation's around "
            "the same mean",
            "parity/reward_std",
            spread[-1],
            self.noise,
            {"reward_noise": 0.9},
        )

    def _cancels(self, history: History, level: Floats) -> bool:
        """Magnitudes grew, the mean and the largest reward did not: another scale changes all."""
        scale = newest(history, "parity/reward_scale", self.needed)
        largest = newest(history, "parity/reward_max", self.needed)
        if scale is None or largest is None:
            return False
        return bool((scale > self.noise * np.maximum(np.abs(level), largest)).all())

    def _found(
        self,
        history: History,
        text: str,
        series: str,
        value: float,
        threshold: float,
        causes: dict[str, float],
        severity: Severity = Severity.WARNING,
    ) -> Finding:
        return self.finding(
            history,
            severity,
            text,
            value,
            threshold,
            (series,),
            since=int(history.series(series, last=self.needed).steps[0]),
            causes={"evaluation_mismatch": 0.4, **causes},
        )
