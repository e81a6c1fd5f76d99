"""Training and evaluation environments that pay or show different things."""

from __future__ import annotations

from dataclasses import dataclass

from sb3_ac_ext.monitoring.detectors.base import Detector, fresh, require
from sb3_ac_ext.monitoring.history import Floats, History
from sb3_ac_ext.monitoring.records import Finding, Severity


def newest(history: History, name: str, needed: int) -> Floats | None:
    """The last values of a series, when there are enough and the newest is of this moment."""
    series = history.series(name, last=needed)
    if not fresh(history, name) or len(series) < needed:
        return None
    return series.values


@dataclass(frozen=True)
class _Parity(Detector):
    """Training and evaluation differ in each of the last evaluations.

    :param needed: evaluations running, at least 1
    :raises ValueError: for fewer
    """

    needed: int = 2

    def __post_init__(self) -> None:
        require(self.needed >= 1, "needed", self.needed, "at least 1")


@dataclass(frozen=True)
class RewardParity(_Parity):
    """Training pays on another scale, with another sign, with outliers or noise, or nothing.

    Compared step by step with the canary, which plays nearly the same policy in an environment of
    its own. Where training's environment changes rewards on purpose, give the canary the same
    wrappers.

    :param ratio: of mean magnitudes, above 1
    :param outlier: ratio of largest magnitudes where the medians agree
    :param noise: ratio of standard deviations where the mean magnitudes agree within it
    """

    ratio: float = 6.0
    outlier: float = 20.0
    noise: float = 4.0

    name = "reward_parity"
    causes = {"reward_scale": 0.8}  # noqa: RUF012
    advice = "compare the rewards of both environments for the same actions from the same seed"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("ratio", "outlier", "noise"):
            require(getattr(self, name) > 1.0, name, getattr(self, name), "more than 1")

    def check(self, history: History) -> Finding | None:
        return self._sign(history) or self._size(history)

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

    def _size(self, history: History) -> Finding | None:
        scale = newest(history, "parity/reward_scale", self.needed)
        largest = newest(history, "parity/reward_max", self.needed)
        if scale is None or largest is None:
            return None
        if (scale == 0.0).all():
            text = "training pays nothing where evaluation does"
            causes = {"reward_constant": 0.95}
            return self._found(history, text, "parity/reward_scale", 0.0, 1.0, causes)
        median = newest(history, "parity/reward_median", self.needed)
        typical = scale if median is None else median
        alike = ((typical < self.noise) & (typical > 1.0 / self.noise)).all()
        if alike and (largest > self.outlier).all():
            text = f"training's largest reward is {largest[-1]:.3g} times the evaluation's"
            causes = {"reward_outliers": 0.9}
            return self._found(
                history, text, "parity/reward_max", largest[-1], self.outlier, causes
            )
        return self._noise(history) or self._scale(history, scale)

    def _scale(self, history: History, scale: Floats) -> Finding | None:
        if not ((scale > self.ratio).all() or (scale < 1.0 / self.ratio).all()):
            return None
        return self._found(
            history,
            f"training pays {scale[-1]:.3g} times the evaluation's rewards",
            "parity/reward_scale",
            scale[-1],
            self.ratio if scale[-1] > 1.0 else 1.0 / self.ratio,
            {"reward_scale": 0.9},
        )

    def _noise(self, history: History) -> Finding | None:
        spread = newest(history, "parity/reward_std", self.needed)
        if spread is None:
            return None
        if (spread == 0.0).all():
            text = "training pays the same at every step, evaluation does not"
            return self._found(
                history, text, "parity/reward_std", 0.0, 1.0, {"reward_constant": 0.95}
            )
        level = newest(history, "parity/reward_level", self.needed)
        if level is None or (spread < self.noise).any():
            return None
        if not ((level < self.noise) & (level > 1.0 / self.noise)).all():
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
            causes={**causes, "evaluation_mismatch": 0.4},
        )


@dataclass(frozen=True)
class ObservationParity(_Parity):
    """Observations of training and evaluation differ in scale, in dead entries or in roughness.

    :param ratio: of standard deviations of one dimension, above 1
    :param roughness: ratio of von Neumann ratios, above 1
    """

    ratio: float = 30.0
    roughness: float = 20.0

    name = "observation_parity"
    causes = {"evaluation_mismatch": 0.6}  # noqa: RUF012
    advice = "compare the observations of both environments for the same actions from one seed"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("ratio", "roughness"):
            require(getattr(self, name) > 1.0, name, getattr(self, name), "more than 1")

    def check(self, history: History) -> Finding | None:
        dead = newest(history, "parity/obs_dead", self.needed)
        if dead is not None and (dead > 0.0).all():
            text = f"{dead[-1]:.0f} entries of the observation vary in evaluation only"
            return self._found(history, text, "parity/obs_dead", dead[-1], 0.0, "observation_dead")
        for name, above in (("max", True), ("min", False)):
            series = f"parity/obs_scale_{name}"
            ratios = newest(history, series, self.needed)
            if ratios is None:
                continue
            beyond = ratios > self.ratio if above else ratios < 1.0 / self.ratio
            if beyond.all():
                text = f"an entry of training's observations spreads {ratios[-1]:.3g} times the "
                bound = self.ratio if above else 1.0 / self.ratio
                return self._found(
                    history,
                    text + "evaluation's",
                    series,
                    ratios[-1],
                    bound,
                    "observation_scale",
                )
        rough = newest(history, "parity/obs_roughness", self.needed)
        if rough is not None and (rough > self.roughness).all():
            text = f"training's observations jump {rough[-1]:.3g} times as much as the evaluation's"
            return self._found(
                history, text, "parity/obs_roughness", rough[-1], self.roughness,
                "observation_noise",
            )  # fmt: skip
        return None

    def _found(
        self, history: History, text: str, series: str, value: float, bound: float, cause: str
    ) -> Finding:
        return self.finding(
            history,
            Severity.WARNING,
            text,
            value,
            bound,
            (series,),
            since=int(history.series(series, last=self.needed).steps[0]),
            causes={cause: 0.85, "evaluation_mismatch": 0.5},
        )


@dataclass(frozen=True)
class LengthParity(_Parity):
    """Episodes of training are far shorter or far longer than the canary's.

    A policy that improves fast plays longer, or shorter, than its last episodes: hence a large
    ratio and a small p.

    :param ratio: of mean lengths, above 1
    :param alpha: of one look
    """

    ratio: float = 6.0
    alpha: float = 1e-4

    name = "length_parity"
    causes = {"episode_ends": 0.85, "evaluation_mismatch": 0.4}  # noqa: RUF012
    advice = "compare what ends an episode in both environments"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.ratio > 1.0, "ratio", self.ratio, "more than 1")
        require(0.0 < self.alpha < 1.0, "alpha", self.alpha, "a probability in (0, 1)")

    def check(self, history: History) -> Finding | None:
        ratios = newest(history, "parity/length_ratio", self.needed)
        p_values = newest(history, "parity/length_p", self.needed)
        if ratios is None or p_values is None or (p_values > self.alpha).any():
            return None
        if not ((ratios > self.ratio).all() or (ratios < 1.0 / self.ratio).all()):
            return None
        return self.finding(
            history,
            Severity.WARNING,
            f"episodes of training are {ratios[-1]:.3g} times as long as the evaluation's",
            ratios[-1],
            self.ratio if ratios[-1] > 1.0 else 1.0 / self.ratio,
            ("parity/length_ratio", "parity/length_p", "episodes/length_mean"),
            since=int(history.series("parity/length_ratio", last=self.needed).steps[0]),
        )
