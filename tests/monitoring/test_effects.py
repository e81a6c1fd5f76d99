"""Effects of actions are compared without units; what cannot be told is not."""

from __future__ import annotations

import numpy as np
import pytest

from sb3_ac_ext.monitoring.effects import action_effects, agreement
from sb3_ac_ext.monitoring.transitions import Transitions


def steps(
    sign: float = 1.0, units: float = 1.0, push: float = 0.3, explore: float = 1.0, seed: int = 0
) -> Transitions:
    """A cart on a line: the first of two actions pushes it."""
    rng = np.random.default_rng(seed)
    state, rows = rng.normal(size=(4, 2)), []
    for _ in range(100):
        action = np.tanh(state) * (1.0 - explore) + explore * rng.uniform(-1.0, 1.0, (4, 2))
        following = state * (0.95, 0.9) + np.stack([0.1 * state[:, 1], 0.0 * state[:, 0]], axis=1)
        following[:, 1] += sign * push * action[:, 0]
        following += rng.normal(0.0, 0.05, following.shape)
        rows.append((units * state, action, units * following))
        state = following
    before, actions, after = (np.stack(column) for column in zip(*rows, strict=True))
    shape = before.shape[:2]
    return Transitions(before, actions, after, np.zeros(shape), np.ones(shape, dtype=bool))


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (steps(seed=1), 1.0),
        (steps(units=100.0, seed=1), 1.0),
        (steps(push=0.1, seed=1), 1.0),
        (steps(sign=-1.0, seed=1), -1.0),
    ],
)
def test_agreement_is_of_directions(other: Transitions, expected: float) -> None:
    found = agreement(action_effects(steps()), action_effects(other))
    assert found == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize(
    "other",
    [
        steps(push=0.0),  # nothing to compare
        steps(explore=0.0),  # actions follow from the state
        steps().newest(10),
    ],
)
def test_what_is_not_known_is_not_compared(other: Transitions) -> None:
    assert agreement(action_effects(steps()), action_effects(other)) is None
