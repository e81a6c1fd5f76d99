"""One-update probes: did policy and critic move, and the right way?"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_ac_ext.monitoring.neutral import has_modes
from sb3_ac_ext.monitoring.signals.base import Reading, Signal
from sb3_ac_ext.monitoring.signals.networks import networks, parameter_groups
from sb3_ac_ext.monitoring.view import View


class LearningProbe(Signal):
    """Invariants I4 and I5: every network moves, and the policy towards what paid.

    ``probe/{net}_change``: relative change of a network since the last snapshot,
    ||w' - w|| / ||w||, exactly 0 only where nothing trains it.
    ``probe/{net}_trained_share``: share of its parameters that require a gradient and belong to an
    optimizer.
    ``probe/policy_improvement`` (on-policy): correlation over the rollout's sample of the
    advantages with log pi_new - log pi_old, in [-1, 1]: a policy-gradient step makes it positive,
    whatever the scale of either. ``probe/policy_improvement_z`` is the same times sqrt(n): noise
    alone stays within 3.
    ``probe/updates``: gradient updates or epochs so far, as SB3 counts them.
    ``probe/action_mode_error`` (off-policy, continuous): largest change of a greedy action, scaled
    to [-1, 1], between training and acting mode, where dropout or batch norm makes them differ.
    """

    name = "learning_probe"

    def __init__(self) -> None:
        self._last: dict[str, th.Tensor] = {}
        self._last_updates = -1

    def supports(self, model: BaseAlgorithm) -> str | None:
        return None if networks(model) else f"{type(model).__name__} has no networks"

    def attach(self, model: BaseAlgorithm) -> None:
        self._last, self._last_updates = _copies(model), _updates(model)

    def collect(self, view: View) -> Reading:
        reading = Reading()
        model = view.model
        count = _updates(model)
        reading.put(probe__updates=count)
        if not view.updated or count - self._last_updates < _delay(model):
            return reading
        now = _copies(model)
        for net, vector in now.items():
            before = self._last[net]
            norm = float(before.norm())
            if norm > 0.0:
                reading.values[f"probe/{net}_change"] = float((vector - before).norm()) / norm
        for net, share in _trained(model).items():
            reading.values[f"probe/{net}_trained_share"] = share
        self._last, self._last_updates = now, count
        _improvement(view, reading)
        _modes(view, reading)
        return reading

    def detach(self) -> None:
        self._last = {}


def _modes(view: View, reading: Reading) -> None:
    policy: Any = view.model.policy
    actor = getattr(policy, "actor", None)
    if actor is None or view.states is None or not has_modes(actor):
        return
    acting = policy._predict(view.states, deterministic=True)
    policy.set_training_mode(True)
    learning = policy._predict(view.states, deterministic=True)
    policy.set_training_mode(False)
    reading.put(probe__action_mode_error=(learning - acting).abs().max())


def _copies(model: Any) -> dict[str, th.Tensor]:
    return {
        net: th.cat([p.detach().reshape(-1) for p in parameters])
        for net, parameters in networks(model).items()
    }


def _updates(model: Any) -> int:
    return int(getattr(model, "_n_updates", 0))


def _delay(model: Any) -> int:
    """Updates after which every network must have moved."""
    return max(1, int(getattr(model, "policy_delay", 1)))


def _trained(model: Any) -> dict[str, float]:
    owned = {
        id(p)
        for optimizer in parameter_groups(model)
        for group in optimizer.param_groups
        for p in group["params"]
        if p.requires_grad
    }
    return {
        net: sum(p.numel() for p in parameters if id(p) in owned)
        / max(1, sum(p.numel() for p in parameters))
        for net, parameters in networks(model).items()
    }


def _improvement(view: View, reading: Reading) -> None:
    if view.evaluation is None or view.rollout is None:
        return
    sample = view.rollout.sample
    moved = view.evaluation.log_probs - sample.log_probs
    advantages = sample.advantages
    good = np.isfinite(moved) & np.isfinite(advantages)
    moved, advantages = moved[good], advantages[good]
    if len(moved) < 8 or moved.std() == 0.0 or advantages.std() == 0.0:
        return
    correlation = float(np.corrcoef(moved, advantages)[0, 1])
    reading.put(
        probe__policy_improvement=correlation,
        probe__policy_improvement_z=correlation * np.sqrt(len(moved)),
    )
