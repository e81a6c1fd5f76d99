"""How observations follow from observations and actions: a linear model of the newest steps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sb3_ac_ext.monitoring.functional import explained_by, ridge
from sb3_ac_ext.monitoring.signals.base import Reading, Signal
from sb3_ac_ext.monitoring.transitions import Transitions
from sb3_ac_ext.monitoring.view import View

Floats = npt.NDArray[np.float64]
_LEAST_ROWS = 64


class TransitionProbe(Signal):
    """Does the buffer's action explain the next observation? And do all workers answer alike?

    A ridge regression of next minus present observation (per dimension, in its own standard
    deviations) on the observation, the action of this step and the action of the step before, over
    up to 2,048 of the newest rows within episodes. ``probe/action_gain``: what this step's action
    adds to R2 (adjusted) beyond the one before; ``probe/late_action_gain``: what the action before
    adds beyond this step's. Where the first is nothing and the second is not, actions act late or
    observations are stale. ``probe/transition_r2``: of all three.
    ``probe/transition_shift``: error of the previous snapshot's model on this snapshot's rows over
    the error of a new one: far above 1 when the environment has changed.
    Arrays per worker: ``probe/worker_residual`` (mean squared error of the common model),
    ``probe/worker_moving`` (share of steps in which any entry changed), ``probe/worker_level``
    (median over dimensions of a worker's median magnitude over all workers').
    """

    name = "transition_probe"

    def __init__(self) -> None:
        self._model: tuple[Floats, Floats, Floats] | None = None

    def attach(self, model: object) -> None:
        self._model = None

    def collect(self, view: View) -> Reading:
        reading = Reading()
        steps = view.transitions
        if steps is None:
            return reading
        if not all(np.isfinite(x).all() for x in (steps.observations, steps.next_observations)):
            return reading
        _per_worker(steps, reading)
        keep = steps.inside & steps.after_another
        if keep.sum() < max(_LEAST_ROWS, 4 * steps.observations.shape[2]):
            return reading
        self._regress(steps, keep, reading)
        return reading

    def _regress(self, steps: Transitions, keep: npt.NDArray[np.bool_], reading: Reading) -> None:
        observations = steps.observations[keep]
        change = steps.next_observations[keep] - observations
        centre, scale = observations.mean(axis=0), observations.std(axis=0)
        spread = change.std(axis=0)
        alive = spread > 1e-9 * np.maximum(1.0, np.abs(centre))
        if not alive.any():
            return
        before = np.zeros_like(steps.actions)
        before[1:] = steps.actions[:-1]
        state = (observations - centre) / np.where(scale > 0.0, scale, 1.0)
        now, late = steps.actions[keep], before[keep]
        target = change[:, alive] / spread[alive]
        both = explained_by(target, state, now, late)
        reading.put(
            probe__transition_r2=both,
            probe__action_gain=both - explained_by(target, state, late),
            probe__late_action_gain=both - explained_by(target, state, now),
        )
        self._compare(observations, now, change, steps, keep, reading)

    def _compare(
        self,
        observations: Floats,
        actions: Floats,
        change: Floats,
        steps: Transitions,
        keep: npt.NDArray[np.bool_],
        reading: Reading,
    ) -> None:
        inputs = np.column_stack([observations, actions, np.ones(len(actions))])
        spread = np.maximum(change.std(axis=0), 1e-12)
        weights = ridge(inputs, change)
        errors = ((change - inputs @ weights) / spread) ** 2
        workers = np.nonzero(keep)[1]
        n = keep.shape[1]
        if n > 2:
            sums = np.bincount(workers, weights=errors.mean(axis=1), minlength=n)
            counts = np.bincount(workers, minlength=n)
            reading.put_array(
                "probe/worker_residual", np.where(counts > 8, sums / np.maximum(counts, 1), np.nan)
            )
        if self._model is not None and self._model[0].shape == weights.shape:
            old_weights, low, high = self._model
            same_place = ((observations >= low) & (observations <= high)).all(axis=1)
            if same_place.sum() >= _LEAST_ROWS // 2:
                old = ((change - inputs @ old_weights) / spread)[same_place] ** 2
                floor = 1e-3  # an almost exact model would make any error a large ratio
                ratio = (np.median(old.mean(axis=1)) + floor) / (
                    np.median(errors[same_place].mean(axis=1)) + floor
                )
                reading.put(probe__transition_shift=ratio)
        self._model = weights, observations.min(axis=0), observations.max(axis=0)


def _per_worker(steps: Transitions, reading: Reading) -> None:
    n = steps.observations.shape[1]
    if n < 2:
        return
    moved = (steps.next_observations != steps.observations).any(axis=2) & steps.inside
    inside = np.maximum(steps.inside.sum(axis=0), 1)
    reading.put_array("probe/worker_moving", moved.sum(axis=0) / inside)
    size = np.abs(steps.observations)
    overall = np.median(size.reshape(-1, size.shape[2]), axis=0)
    alive = overall > 0.0
    if alive.any():
        levels = np.median(size, axis=0)[:, alive] / overall[alive]
        reading.put_array("probe/worker_level", np.median(levels, axis=1))
