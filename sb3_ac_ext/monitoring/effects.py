"""What actions do to observations, without units, so that two environments can be compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sb3_ac_ext.monitoring.functional import explained_by, ridge, standardised, with_products
from sb3_ac_ext.monitoring.transitions import Transitions

Floats = npt.NDArray[np.float64]
_LEAST_ROWS, _LEAST_GAIN, _LEAST_FREEDOM = 64, 0.02, 0.1


@dataclass(frozen=True)
class Effects:
    """
    :param change: shape (a, d), change of an observation entry by a unit of an action, in the
        entry's own standard deviations; 0 for entries that do not change
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


def action_effects(steps: Transitions) -> Effects | None:
    """By a ridge regression of the change of observations on observations and actions.

    :return: ``None`` with too few steps, and where nothing changes or no action varies
    """
    keep = steps.inside
    observations, actions = steps.observations[keep], steps.actions[keep]
    change = steps.next_observations[keep] - observations
    if len(change) < _LEAST_ROWS or not np.isfinite(change).all() or not np.isfinite(actions).all():
        return None
    spread = change.std(axis=0)
    alive, varied = spread > 1e-9, actions.std(axis=0) > 1e-6
    if not alive.any() or not varied.any():
        return None
    state = with_products(standardised(observations))
    target = change[:, alive] / spread[alive]
    weights = ridge(np.column_stack([state, actions, np.ones(len(actions))]), target)
    found = np.zeros((actions.shape[1], len(spread)))
    found[:, alive] = weights[state.shape[1] : -1]
    return Effects(
        found,
        explained_by(target, state, actions) - explained_by(target, state),
        1.0 - explained_by(actions[:, varied], state),
    )


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
