"""Effects of actions are compared without units; what cannot be told is not."""

from __future__ import annotations

from dataclasses import replace

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


def test_a_constant_action_and_a_clock_do_not_drown_the_others() -> None:
    def seen(sign: float, seed: int) -> Transitions:
        one = steps(sign=sign, seed=seed)
        clock = np.broadcast_to(np.arange(100)[:, None, None] / 200.0, (100, 4, 1))
        clock = clock.astype(np.float32).astype(np.float64)
        actions = one.actions.copy()
        actions[..., 1] = 1.0
        following = np.concatenate([one.next_observations, clock + np.float32(1 / 200)], axis=2)
        before = np.concatenate([one.observations, clock], axis=2)
        return replace(one, observations=before, next_observations=following, actions=actions)

    known = action_effects(seen(1.0, 0))
    assert agreement(known, action_effects(seen(1.0, 1))) == pytest.approx(1.0, abs=0.1)
    assert agreement(known, action_effects(seen(-1.0, 1))) == pytest.approx(-1.0, abs=0.1)


def test_the_choice_that_a_code_leaves_out_does_not_matter() -> None:
    """Four choices push a cart by 0, 1, 2 or 3; the first is hardly ever made."""

    def seen(seed: int, turned: bool = False) -> Transitions:
        rng = np.random.default_rng(seed)
        state = rng.normal(size=(300, 1, 2))
        choice = rng.choice(4, size=(300, 1), p=[0.004, 0.332, 0.332, 0.332])
        push = 3 - choice if turned else choice
        following = state * 0.9 + rng.normal(0.0, 0.3, state.shape)
        following[..., 1] += 0.2 * push
        shape = choice.shape
        actions = np.eye(4)[choice][..., 1:]
        return Transitions(state, actions, following, np.zeros(shape), np.ones(shape, dtype=bool))

    same = [
        agreement(action_effects(seen(k), True), action_effects(seen(100 + k), True))
        for k in range(20)
    ]
    turned = agreement(action_effects(seen(0), True), action_effects(seen(1, turned=True), True))
    assert min(cosine for cosine in same if cosine is not None) > 0.8
    assert turned is not None and turned < -0.8
