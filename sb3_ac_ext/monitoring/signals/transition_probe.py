"""How observations follow from observations and actions: a linear model of the newest steps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sb3_ac_ext.monitoring.functional import explained_by, ridge, standardised, with_products
from sb3_ac_ext.monitoring.signals.base import Reading, Signal
from sb3_ac_ext.monitoring.transitions import Transitions, normaliser_of
from sb3_ac_ext.monitoring.view import View

Floats = npt.NDArray[np.float64]
_LEAST_ROWS, _EFFECT, _LAGS, _MOST_FEATURES = 64, 0.002, 8, 24
_RARE, _DRIFT, _STILL, _FREE = 0.03, 0.01, 0.05, 1e-3


class TransitionProbe(Signal):
    """Does the buffer's action explain the next observation? And do all workers answer alike?

    A ridge regression of next minus present observation (per dimension, in its own standard
    deviations) on the observation, its products where there are rows enough, the action of this
    step and the action of the step before, over up to 1,024 of the newest rows within episodes.
    ``probe/action_gain``: what this step's action adds to R2 (adjusted) beyond the one before;
    ``probe/late_action_gain``: what the action before adds beyond this step's. Where the first is
    nothing and the second is not, actions act late or observations are stale.
    ``probe/transition_r2``: of all three. ``probe/action_freedom``: what observation and earlier
    action leave unexplained of the action, 1 - R2. ``probe/action_effect``: cosine of the effects
    of the action (its coefficients on all entries) in this snapshot and the last before it, where
    it adds at least 0.002 to R2: below 0 when actions have come to do the opposite.
    ``probe/reward_r2``: adjusted R2 of the reward on observation, action, next observation and
    their squares;
    ``probe/late_reward_r2``: the largest of the same of steps up to 8 earlier; neither where
    rewards deviate by less than a hundredth of their median, or fewer than 3 % of them lie as far
    as a standard deviation from it, as rare events do. Arrays per worker:
    ``probe/worker_residual`` (mean squared error of the common model), ``probe/worker_response``
    (by how much of what the common model says actions move a worker's observations: 0 where they do
    nothing, below 0 where they do the opposite), ``probe/worker_moving`` (share of steps in which
    any entry changed; under a normaliser, which drifts, by a twentieth of its median change),
    ``probe/worker_level`` (median over dimensions of a worker's median magnitude over all
    workers').
    """

    name = "transition_probe"

    def __init__(self) -> None:
        self._effect: Floats | None = None

    def attach(self, model: object) -> None:
        self._effect = None

    def before_update(self, view: View) -> None:
        _ = view.transitions  # read now: the update flattens the buffer

    def collect(self, view: View) -> Reading:
        reading = Reading()
        if view.transitions is None:
            return reading
        known = view.transitions
        everything = (known.observations, known.next_observations, known.rewards)
        if not all(np.isfinite(part).all() for part in everything):
            return reading
        steps = known.newest(len(view.window.rewards))
        _per_worker(steps, reading, drifts=normaliser_of(view.model) is not None)
        _rewards(known, reading)
        keep = steps.inside & steps.after_another
        if keep.sum() < max(_LEAST_ROWS, 4 * steps.observations.shape[2]):
            return reading
        self._regress(steps, keep, reading)
        return reading

    def _regress(self, steps: Transitions, keep: npt.NDArray[np.bool_], reading: Reading) -> None:
        observations = steps.observations[keep]
        change = steps.next_observations[keep] - observations
        spread = change.std(axis=0)
        alive = spread > 1e-9 * np.maximum(1.0, np.abs(observations.mean(axis=0)))
        if not alive.any():
            return
        before = np.zeros_like(steps.actions)
        before[1:] = steps.actions[:-1]
        state = with_products(standardised(observations))
        now, late = steps.actions[keep], before[keep]
        target = change[:, alive] / spread[alive]
        both = explained_by(target, state, now, late)
        gain = both - explained_by(target, state, late)
        varied = now[:, now.std(axis=0) > 1e-6]
        if varied.size:
            reading.put(probe__action_freedom=1.0 - explained_by(varied, state, late))
        reading.put(
            probe__transition_r2=both,
            probe__action_gain=gain,
            probe__late_action_gain=both - explained_by(target, state, now),
        )
        design = np.column_stack([state, now, np.ones(len(now))])
        weights = ridge(design, target)
        _residuals(target - design @ weights, keep, reading)
        _responses(state, now, target, keep, reading)
        self._effects(weights[state.shape[1] : -1].ravel(), gain, reading)

    def _effects(self, effect: Floats, gain: float, reading: Reading) -> None:
        if gain < _EFFECT:
            return
        before, self._effect = self._effect, effect
        if before is None or before.shape != effect.shape:
            return
        lengths = np.linalg.norm(before) * np.linalg.norm(effect)
        if lengths > 0.0:
            reading.put(probe__action_effect=before @ effect / lengths)


def _residuals(errors: Floats, keep: npt.NDArray[np.bool_], reading: Reading) -> None:
    n = keep.shape[1]
    if n < 3:
        return
    workers = np.nonzero(keep)[1]
    sums = np.bincount(workers, weights=(errors**2).mean(axis=1), minlength=n)
    counts = np.bincount(workers, minlength=n)
    reading.put_array(
        "probe/worker_residual", np.where(counts > 8, sums / np.maximum(counts, 1), np.nan)
    )


def _responses(
    state: Floats, now: Floats, target: Floats, keep: npt.NDArray[np.bool_], reading: Reading
) -> None:
    """Slopes, one per worker, of what observations do on what the common model makes of actions,
    both without what the state tells (Frisch and Waugh)."""
    n = keep.shape[1]
    if n < 3:
        return
    design = np.column_stack([state, np.ones(len(now))])
    both = np.column_stack([now, target])
    left = both - design @ ridge(design, both)
    actions, change = left[:, : now.shape[1]], left[:, now.shape[1] :]
    free = actions.var(axis=0) > _FREE * now.var(axis=0)
    if not free.any():
        return
    actions = actions[:, free]
    expected = actions @ ridge(actions, change)
    workers = np.nonzero(keep)[1]
    along = np.bincount(workers, weights=(expected * change).sum(axis=1), minlength=n)
    size = np.bincount(workers, weights=(expected**2).sum(axis=1), minlength=n)
    known = (np.bincount(workers, minlength=n) > 8) & (size > 0.0)
    reading.put_array(
        "probe/worker_response", np.where(known, along / np.where(known, size, 1.0), np.nan)
    )


def _rewards(steps: Transitions, reading: Reading) -> None:
    """Over runs of steps that lie whole within one episode."""
    inside = steps.inside
    if len(inside) <= _LAGS + 1 or steps.rewards.std() == 0.0:
        return
    whole = np.ones((len(inside) - _LAGS, inside.shape[1]), dtype=np.bool_)
    for lag in range(_LAGS + 1):
        whole &= inside[_LAGS - lag : len(inside) - lag]
    if whole.sum() < 2 * _LEAST_ROWS:
        return
    rewards = steps.rewards[_LAGS:][whole][:, None]
    if _hardly_varies(rewards):
        return
    found = []
    for lag in range(_LAGS + 1):
        rows = slice(_LAGS - lag, len(inside) - lag)
        parts = [steps.observations[rows][whole], steps.actions[rows][whole]]
        parts.append(steps.next_observations[rows][whole])
        state = standardised(np.column_stack(parts)[:, :_MOST_FEATURES])
        found.append(explained_by(rewards, state, state**2))
    reading.put(probe__reward_r2=found[0], probe__late_reward_r2=max(found[1:]))


def _hardly_varies(rewards: Floats) -> bool:
    """Whether rewards differ by less than a normaliser drifts, or so few do that a model would
    learn them by heart."""
    spread, middle = float(rewards.std()), float(np.median(rewards))
    if spread <= _DRIFT * abs(middle):
        return True
    return bool(np.mean(np.abs(rewards - middle) > 0.99 * spread) < _RARE)


def _per_worker(steps: Transitions, reading: Reading, drifts: bool) -> None:
    """:param drifts: whether observations change a little by their normaliser alone"""
    n = steps.observations.shape[1]
    if n < 2:
        return
    change = np.abs(steps.next_observations - steps.observations)
    known = drifts and steps.inside.any()
    least = _STILL * np.median(change[steps.inside], axis=0) if known else 0.0
    moved = (change > least).any(axis=2) & steps.inside
    inside = np.maximum(steps.inside.sum(axis=0), 1)
    reading.put_array("probe/worker_moving", moved.sum(axis=0) / inside)
    size = np.abs(steps.observations)
    overall = np.median(size.reshape(-1, size.shape[2]), axis=0)
    alive = overall > 0.0
    if alive.any():
        levels = np.median(size, axis=0)[:, alive] / overall[alive]
        reading.put_array("probe/worker_level", np.median(levels, axis=1))
