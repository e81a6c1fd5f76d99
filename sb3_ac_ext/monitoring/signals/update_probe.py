"""What an update receives, which way its first step goes, and how the targets follow."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from sb3_ac_ext.monitoring import reference_gradients, target_step
from sb3_ac_ext.monitoring.batches import BatchTap, batch_error
from sb3_ac_ext.monitoring.gradient_tap import GradientTap
from sb3_ac_ext.monitoring.neutral import undisturbed
from sb3_ac_ext.monitoring.reference_gradients import Agreement
from sb3_ac_ext.monitoring.signals.base import Reading, Signal
from sb3_ac_ext.monitoring.signals.networks import networks
from sb3_ac_ext.monitoring.view import View

_VALUES_FIRST, _VALUES_EVERY = 3, 8


class UpdateProbe(Signal):
    """Invariant I3, the gradients and the integrity of batches, on one update per snapshot, or two
    off-policy, where every second one may leave the actor alone.

    ``probe/batch_error``: the first batch that ``train()`` received against the same draw from the
    buffer by SB3's own code: exactly 0.
    ``probe/{net}_cosine``: cosine of the gradient that a network's first optimizer step used and
    the gradient of SB3's loss on that batch, computed again: 1 within 1e-3 for SB3's own updates
    (``probe/stock_update`` is 1), whatever clipping does to its length; -1 where a sign is wrong,
    0 where nothing arrives. The smaller of the observed updates. Whether the loss falls along its
    gradient is measured in the first three and in every eighth. ``probe/{net}_has_gradient``: 0
    where the loss does not depend on the network, as with a single action to choose from.
    ``probe/learning_rate_ratio``: learning rate of the optimizers at their first step over that of
    the schedule, the one further from 1: exactly 1 in SB3.
    ``probe/target_error``: distance of the target networks from (1 - tau) target + tau online,
    relative to their size; ``probe/target_moved``: share of the observed updates that moved them,
    ``probe/target_due``: that should have (every one, or every policy_delay-th);
    ``probe/target_shared``: whether a target is its online network.
    """

    name = "update_probe"
    period = 2

    def __init__(self) -> None:
        self._left = self._per_snapshot = 0
        self._observed = 0
        self._gradients = False
        self._errors: list[float] = []
        self._found: list[dict[str, Agreement]] = []
        self._ratios: list[float] = []
        self._steps: list[target_step.TargetStep] = []

    def supports(self, model: BaseAlgorithm) -> str | None:
        return BatchTap.refuses(model)

    def attach(self, model: BaseAlgorithm) -> None:
        self._per_snapshot = 1 if isinstance(model, OnPolicyAlgorithm) else 2
        self._left, self._observed = self._per_snapshot, 0
        self._errors, self._found, self._ratios, self._steps = [], [], [], []
        self._gradients = reference_gradients.refuses(model) is None

    @contextmanager
    def around_update(self, model: BaseAlgorithm) -> Iterator[None]:
        if self._left == 0:
            yield
            return
        self._left -= 1
        values = self._observed < _VALUES_FIRST or self._observed % _VALUES_EVERY == 0
        self._observed += 1
        before = target_step.remember(model)
        tap = BatchTap(model)
        gradients = None
        if self._gradients:
            gradients = GradientTap(model, tap, networks(model), values)
        try:
            yield
        finally:
            tap.remove()
            if gradients is not None:
                gradients.remove()
        if gradients is not None:
            self._found.append(gradients.found)
            scheduled = _scheduled_rates(model)
            for rate in gradients.rates if scheduled else ():
                self._ratios.append(min((rate / one for one in scheduled), key=_from_one))
        with undisturbed(model):
            error = batch_error(model, tap)
            if error is not None:
                self._errors.append(error)
            if before is not None:
                self._steps.append(target_step.compare(model, before))

    def collect(self, view: View) -> Reading:
        reading = Reading()
        self._left = self._per_snapshot
        errors, self._errors = self._errors, []
        found, self._found = self._found, []
        steps, self._steps = self._steps, []
        if errors:
            reading.put(probe__batch_error=max(errors))
        for net in {net for agreements in found for net in agreements}:
            known = [agreements[net] for agreements in found if net in agreements]
            cosines = [agreement.cosine for agreement in known if agreement.some]
            reading.values[f"probe/{net}_has_gradient"] = float(len(cosines) > 0)
            if cosines:
                reading.values[f"probe/{net}_cosine"] = min(cosines)
        ratios, self._ratios = self._ratios, []
        if ratios:
            reading.put(probe__learning_rate_ratio=max(ratios, key=_from_one))
        if found:
            reading.put(probe__stock_update=reference_gradients.is_stock(view.model))
        if steps:
            errors = [step.error for step in steps if step.error is not None]
            if errors:
                reading.put(probe__target_error=max(errors))
            reading.put(
                probe__target_moved=np.mean([step.moved for step in steps]),
                probe__target_due=np.mean([step.due for step in steps]),
                probe__target_shared=any(step.shared for step in steps),
            )
        return reading


def _scheduled_rates(model: Any) -> list[float]:
    """Those in force that are not 0: the critic may have one of its own."""
    schedules = (model.lr_schedule, getattr(model, "critic_lr_schedule", None))
    progress = model._current_progress_remaining
    rates = [float(schedule(progress)) for schedule in schedules if schedule is not None]
    return [rate for rate in rates if rate > 0.0]


def _from_one(ratio: float) -> float:
    return abs(math.log(ratio)) if ratio > 0.0 else math.inf
