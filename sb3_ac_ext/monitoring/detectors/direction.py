"""Networks that do not move, or move the wrong way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sb3_ac_ext.monitoring.detectors.base import Detector, require
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Finding, Severity

POLICIES, CRITICS = ("policy", "actor"), ("value", "critic")
_NETS = (*POLICIES, *CRITICS)
_RESOLVED = 1e-6
"""Learning rate above which Adam's steps show in float32 weights."""


def _not_updated(net: str) -> str:
    return "policy_not_updated" if net in POLICIES else "critic_not_updated"


@dataclass(frozen=True)
class Untrained(Detector):
    """A network that nothing trains: no gradient required, in no optimizer, or exactly unmoved.

    Exact. An unmoved network whose gradients are right and whose parameters are all in an optimizer
    has a learning rate below the resolution of float32, or, at a usual rate, saturated units that
    pass no gradient. Parts that are frozen on purpose, such as a pretrained encoder, are passed
    over while more than half of the network learns.

    :param share: of a network's parameters that must be trained, in (0, 1]
    :raises ValueError: for values out of range
    """

    share: float = 0.5

    name = "untrained"
    causes = {"policy_not_updated": 1.0, "critic_not_updated": 1.0}  # noqa: RUF012
    advice = "check requires_grad, optimizer.param_groups and that the loss depends on the network"

    def __post_init__(self) -> None:
        require(0.0 < self.share <= 1.0, "share", self.share, "a share in (0, 1]")

    def check(self, history: History) -> Finding | None:
        last = history.last
        if last is None or last.values.get("hyper/learning_rate") == 0.0:
            return None
        for net in _NETS:
            trained = last.values.get(f"probe/{net}_trained_share")
            if trained is not None and trained < self.share:
                text = f"an optimizer trains only {trained:.0%} of the parameters of the {net}"
                return self._found(history, net, text, trained, f"probe/{net}_trained_share")
            if last.values.get(f"probe/{net}_change") == 0.0 and not _needs_none(history, net):
                text = f"no parameter of the {net} has moved since the last snapshot"
                return self._found(history, net, text, 0.0, f"probe/{net}_change")
        return None

    def _found(
        self, history: History, net: str, text: str, value: float, series: str
    ) -> Finding | None:
        causes = {_not_updated(net): 1.0}
        assert history.last is not None
        flowing = (history.series(f"probe/{net}_cosine", last=1).values > 0.9).any()
        if series.endswith("_change") and flowing:
            low = history.last.values.get("hyper/learning_rate", 0.0) < _RESOLVED
            cause = "learning_rate_too_low" if low else "network_saturated"
            causes = {cause: 0.9, _not_updated(net): 0.3}
        if net in CRITICS and history.info.hyperparameters.get("vf_coef") == 0:
            causes = {"value_coefficient": 1.0}
        return self.finding(
            history, Severity.CRITICAL, text, value, self.share, (series,), causes=causes
        )


def _needs_none(history: History, net: str) -> bool:
    """Whether the loss itself does not depend on the network, and nothing says that it should."""
    if not (history.series(f"probe/{net}_has_gradient", last=1).values == 0.0).any():
        return False
    advantages = history.series("advantages/std", last=1).values
    entropy = history.series("policy/entropy", last=1).values
    settled = history.info.action_kind != "continuous" and bool((entropy < 1e-3).any())
    return net not in POLICIES or settled or not (advantages > 1e-6).any()


@dataclass(frozen=True)
class GradientDirection(Detector):
    """The gradient of an update's first step is not that of SB3's loss on the same batch.

    Their cosine is 1 up to rounding in every stock update. At or below ``turned`` the sign of the
    loss is wrong; at 0 the loss does not reach the network; in between, gradients are altered on
    their way (a missing detach, noise, a hook), or, at or below ``against``, the sign of one of
    several terms is wrong. Algorithms with an update of their own may differ on
    purpose: there only a wrong sign counts, twice running.

    :param stock: cosine below which a stock update is altered, in (0, 1)
    :param against: cosine at or below which a term's sign may be wrong, in [-1, 0)
    :param turned: cosine at or below which the sign is wrong, in [-1, 0)
    :raises ValueError: for values out of range
    """

    stock: float = 0.99
    against: float = -0.3
    turned: float = -0.9

    name = "gradient_direction"
    causes = {"policy_update_sign": 1.0, "critic_update_sign": 1.0}  # noqa: RUF012
    advice = "compare the loss with SB3's: sign, detach, what reaches which network"

    def __post_init__(self) -> None:
        require(0.0 < self.stock < 1.0, "stock", self.stock, "a cosine in (0, 1)")
        require(-1.0 <= self.turned < 0.0, "turned", self.turned, "a cosine in [-1, 0)")
        require(-1.0 <= self.against < 0.0, "against", self.against, "a cosine in [-1, 0)")

    def check(self, history: History) -> Finding | None:
        last = history.last
        if last is None:
            return None
        stock = last.values.get("probe/stock_update") == 1.0
        for net in (*_NETS, "shared"):
            cosine = last.values.get(f"probe/{net}_cosine")
            if cosine is None or cosine >= (self.stock if stock else self.against):
                continue
            if not stock and not self._again(history, net):
                continue
            return self._found(history, net, cosine)
        return None

    def _again(self, history: History, net: str) -> bool:
        values = history.series(f"probe/{net}_cosine", last=2).values
        return len(values) == 2 and bool((values <= self.against).all())

    def _found(self, history: History, net: str, cosine: float) -> Finding:
        critic = net in CRITICS
        if cosine <= self.against:
            what = "points against"
            turned = cosine <= self.turned
            causes = {
                "critic_update_sign" if critic else "policy_update_sign": 1.0 if turned else 0.6
            }
            if not turned:
                causes["gradients_altered"] = 0.9
        elif abs(cosine) < 1e-6:
            what = "has nothing in common with"
            causes = {_not_updated(net): 0.9, "gradients_altered": 0.3}
        else:
            what = "is not"
            causes = {"gradients_altered": 0.9}
        return self.finding(
            history,
            Severity.CRITICAL,
            f"the gradient of the {net} {what} the gradient of its loss (cosine {cosine:.3f})",
            cosine,
            self.stock,
            (f"probe/{net}_cosine",),
            causes=causes,
        )


@dataclass(frozen=True)
class PolicyImprovement(Detector):
    """Updates lower the probability of what paid: for algorithms whose gradients are not known.

    Combined over the last ``window`` snapshots by Stouffer's rule,
    ``sum(z) / sqrt(n)`` of ``probe/policy_improvement_z``; noise stays within 4. Steps that move
    the policy by more than ``kl`` overshoot, and are no evidence.

    :param z: how far below zero, positive
    :param kl: median of the updates, in nats, positive
    :param window: snapshots, at least 3
    :raises ValueError: for values out of range
    """

    z: float = 5.0
    kl: float = 1.0
    window: int = 10

    name = "policy_improvement"
    causes = {"policy_update_sign": 0.9}  # noqa: RUF012
    advice = "check the sign of the policy loss: minimise -(advantage x ratio)"

    def __post_init__(self) -> None:
        require(self.z > 0.0, "z", self.z, "a positive number")
        require(self.kl > 0.0, "kl", self.kl, "a positive number")
        require(self.window >= 3, "window", self.window, "at least 3")

    def check(self, history: History) -> Finding | None:
        series = history.series("probe/policy_improvement_z", last=self.window)
        if len(series) < 3 or series.steps[-1] != history.step:
            return None
        moved = history.series("policy/kl", last=self.window).finite().values
        if len(moved) and np.median(moved) > self.kl:
            return None
        combined = float(series.values.sum() / len(series) ** 0.5)
        if combined > -self.z:
            return None
        return self.finding(
            history,
            Severity.CRITICAL,
            f"updates lower the probability of actions with high advantages "
            f"(z {combined:.1f} over {len(series)} updates)",
            combined,
            -self.z,
            ("probe/policy_improvement", "probe/policy_improvement_z"),
            since=int(series.steps[0]),
        )


@dataclass(frozen=True)
class FrozenTarget(Detector):
    """Target networks that were due to move and did not, in ``needed`` snapshots running. Exact.

    :param needed: snapshots, at least 1
    :raises ValueError: for fewer
    """

    needed: int = 2

    name = "frozen_target"
    causes = {"target_network": 1.0}  # noqa: RUF012
    advice = "set tau=0.005 and call polyak_update in every update that is due"

    def __post_init__(self) -> None:
        require(self.needed >= 1, "needed", self.needed, "at least 1")

    def check(self, history: History) -> Finding | None:
        moved = history.series("probe/target_moved", last=self.needed)
        due = history.series("probe/target_due", last=self.needed)
        if len(moved) < self.needed or moved.steps[-1] != history.step:
            return None
        if not ((moved.values == 0.0) & (due.values > 0.0)).all():
            return None
        return self.finding(
            history,
            Severity.CRITICAL,
            "the target networks do not follow the online networks",
            0.0,
            float(due.values[-1]),
            ("probe/target_moved", "probe/target_due"),
            since=int(moved.steps[0]),
        )
