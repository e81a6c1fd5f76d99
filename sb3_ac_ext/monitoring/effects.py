"""What actions do to observations, without units, so that two environments can be compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sb3_ac_ext.monitoring.functional import explained_by, ridge, standardised, with_products
from sb3_ac_ext.monitoring.transitions import Transitions

Floats = npt.NDArray[np.float64]
_LEAST_ROWS, _LEAST_GAIN, _LEAST_FREEDOM = 64, 0.02, 0.1
_ROUNDING = 1e-4
"""Spread of changes over the largest below which it may be rounding, as of a clock."""


@dataclass(frozen=True)
class Effects:
    """
    :param change: shape (a, d), change of an observation entry by a unit of an action, in the
        entry's own standard deviations, or by a choice against the mean of all, weighted by how
        often it is made; 0 for entries that do not change and actions that do not vary
    :param gain: what actions add to R2
    :param freedom: what the observation leaves unexplained of the actions, 1 - R2
    """

    change: Floats
    gain: float
    freedom: float

    @property
    def known(self) -> bool:
        """Whether actions do something that is told from what the observation does."""
        return self.gain >= _LEAST_GAIN and self.freedom >= _LEAST_FREEDOM


def weights_of_actions(state: Floats, actions: Floats, targets: Floats) -> Floats:
    """Coefficients of actions in a ridge regression on observations, their products and actions.

    :param state: shape (n, d)
    :param actions: shape (n, a)
    :param targets: shape (n, q)
    :return: shape (a, q)
    """
    inputs = with_products(standardised(state))
    design = np.column_stack([inputs, actions, np.ones(len(actions))])
    return ridge(design, targets)[inputs.shape[1] : -1]


def action_effects(steps: Transitions, discrete: bool = False) -> Effects | None:
    """
    :param steps: with a choice one-hot, without the first
    :param discrete: whether actions are choices
    :return: ``None`` with too few steps, and where nothing changes or no action varies
    """
    keep = steps.inside
    observations, actions = steps.observations[keep], steps.actions[keep]
    change = steps.next_observations[keep] - observations
    if len(change) < _LEAST_ROWS or not np.isfinite(change).all() or not np.isfinite(actions).all():
        return None
    change = change - change.mean(axis=0)
    spread = change.std(axis=0)
    alive = spread > np.maximum(1e-9, _ROUNDING * np.abs(observations).max(axis=0))
    varied = actions.std(axis=0) > 1e-6
    if not alive.any() or not varied.any():
        return None
    free, target = actions[:, varied], change[:, alive] / spread[alive]
    found = np.zeros((actions.shape[1], len(spread)))
    found[np.ix_(varied, alive)] = weights_of_actions(observations, free, target)
    state = with_products(standardised(observations))
    return Effects(
        _against_the_mean(found, actions.mean(axis=0)) if discrete else found,
        explained_by(target, state, free) - explained_by(target, state),
        1.0 - explained_by(free, state),
    )


def _against_the_mean(found: Floats, shares: Floats) -> Floats:
    """Effects of all choices, the first among them, relative to their mean: which one is left out
    of a one-hot code must not matter.

    :param found: shape (a - 1, d), relative to the first
    :param shares: how often each of them is chosen, shape (a - 1,)
    """
    every = np.vstack([np.zeros(found.shape[1]), found])
    often = np.concatenate([[1.0 - shares.sum()], shares])
    weighted: Floats = np.sqrt(np.maximum(often, 0.0))[:, None] * (every - often @ every)
    return weighted


def agreement(first: Effects | None, second: Effects | None) -> float | None:
    """Cosine of two environments' effects: 1 for the same, -1 where each does the opposite.

    :return: ``None`` where either is not known, or their shapes differ
    """
    if first is None or second is None or not first.known or not second.known:
        return None
    if first.change.shape != second.change.shape:
        return None
    both = (first.change != 0.0).any(axis=0) & (second.change != 0.0).any(axis=0)
    a, b = first.change[:, both].ravel(), second.change[:, both].ravel()
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / lengths if lengths > 0.0 else None
