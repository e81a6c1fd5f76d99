"""The five questions that the probes ask of an algorithm, and what wrong answers point to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sb3_ac_ext.doctor.probes import (
    Both,
    Discounting,
    ObservationDependence,
    PolicyGradient,
    Probe,
    ValueFit,
)
from sb3_ac_ext.doctor.readings import CHOICES, Reading

VALUE_TOLERANCE = 0.2
"""Of every value; known answers lie 0.5 or more from what a broken algorithm believes."""
ACTION_THRESHOLD = 0.5
"""How far the policy must go towards the best action, which is -1 or 1."""


@dataclass(frozen=True)
class Answer:
    """
    :param right: whether it is the known one
    :param message: expected and got
    :param hint: what a wrong answer of this kind points to
    """

    right: bool
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Stage:
    """
    :param name: the part of an algorithm that it adds
    :param what: what a wrong answer means, given that the stages it needs are right
    :param probe: its environment
    :param observations: the states to ask about
    :param needs: stages that must be right before this one says anything
    :param needs_critic: more of them where the policy learns from the critic
    :param judge: from the trained, the untrained model's reading, gamma, and the probe's sign
    """

    name: str
    what: str
    probe: type[Probe]
    observations: tuple[float, ...]
    needs: tuple[str, ...]
    needs_critic: tuple[str, ...]
    judge: Callable[[Reading, Reading, float, float], Answer]


def _judge_fit(trained: Reading, untrained: Reading, gamma: float, sign: float) -> Answer:
    got = float(trained.values.mean())
    # with a value behind the end, V = 1 + gamma V
    endless = 1.0 / (1.0 - gamma) if gamma < 1.0 else np.inf
    hints = (
        (_near(got, float(untrained.values.mean())), "the critic does not learn at all"),
        (_near(got, -1.0), "the sign of rewards or targets is flipped"),
        (
            got > 1.0 + (min(endless, 3.0) - 1.0) / 2.0,
            "a value is added behind the end of the episode: dones are ignored",
        ),
    )
    return _value_answer(trained, (1.0,), hints, "the critic fits something other than returns")


def _judge_dependence(trained: Reading, untrained: Reading, gamma: float, sign: float) -> Answer:
    low, high = trained.values.mean(axis=1)
    hints = (
        (abs(high - low) < 0.5, "the critic does not see the observation"),
        (low > high, "values and observations are paired wrongly"),
    )
    return _value_answer(trained, (-1.0, 1.0), hints, "observations reach the critic distorted")


def _judge_discounting(trained: Reading, untrained: Reading, gamma: float, sign: float) -> Answer:
    first, second = trained.values.mean(axis=1)
    hints = (
        (not _near(second, 1.0), "the last step of a longer episode is valued wrongly"),
        (_near(first, 1.0), "the next value is not multiplied by gamma"),
        (
            _near(first, 0.0),
            "the value of the next step is not used: dones, target network or next observations",
        ),
    )
    return _value_answer(trained, (gamma, 1.0), hints, "targets are put together wrongly")


def _judge_policy(trained: Reading, untrained: Reading, gamma: float, sign: float) -> Answer:
    progress = float((trained.leaning - untrained.leaning)[0] * sign)
    hints = (
        (trained.actions == CHOICES, "the best action is known and not taken"),
        (abs(progress) < 0.05, "it does not change: its loss is zero, or nothing optimizes it"),
        (
            progress < 0,
            "it moves away from what pays: sign of the loss, or advantages of other actions",
        ),
    )
    return _action_answer(trained, (sign,), hints, "the policy does not learn what pays")


def _judge_both(trained: Reading, untrained: Reading, gamma: float, sign: float) -> Answer:
    low, high = trained.leaning
    hints = (
        (abs(high - low) < 0.5, "the policy does not see the observation"),
        ((high - low) * sign < 0, "actions and observations are paired wrongly"),
    )
    return _action_answer(trained, (-sign, sign), hints, "policy and observation do not meet")


Hints = Sequence[tuple[bool, str]]


def _value_answer(trained: Reading, expected: Sequence[float], hints: Hints, rest: str) -> Answer:
    known = np.array(expected)[:, None] * np.ones_like(trained.values)
    return _answer(trained.values, known, VALUE_TOLERANCE, "value", hints, rest)


def _action_answer(trained: Reading, best: Sequence[float], hints: Hints, rest: str) -> Answer:
    """In these probes an action pays itself times the best one, which a critic of actions knows."""
    known = np.array(best)[:, None] * np.array(trained.actions)
    if trained.actions:
        what = f"value of actions {_numbers(trained.actions)}"
        rest_of_critic = "the critic does not tell actions apart: actions are stored wrongly"
        answer = _answer(trained.values, known, VALUE_TOLERANCE, what, (), rest_of_critic)
        if not answer.right:
            return answer
    leaning, wanted = trained.leaning[:, None], np.array(best)[:, None]
    return _answer(leaning, wanted, 1.0 - ACTION_THRESHOLD, "best action", hints, rest)


def _answer(
    got: np.ndarray, known: np.ndarray, tolerance: float, what: str, hints: Hints, rest: str
) -> Answer:
    right = bool(np.all(np.abs(got - known) <= tolerance))  # NaN is not
    rows = range(len(known))
    farthest = [int(np.argmax(np.abs(got - known)[row])) for row in rows]
    if not right and not np.isfinite(got).all():
        hints = ((True, "the networks are no longer finite"),)
    message = (
        f"{what}{'s' * (len(known) > 1)}: "
        f"expected {_numbers([known[row, farthest[row]] for row in rows])}, "
        f"got {_numbers([got[row, farthest[row]] for row in rows])}"
    )
    return Answer(right, message, "" if right else _first(hints, rest))


def _first(hints: Hints, rest: str) -> str:
    return next((hint for applies, hint in hints if applies), rest)


def _near(value: float, known: float) -> bool:
    return abs(value - known) <= VALUE_TOLERANCE


def _numbers(values: Sequence[float]) -> str:
    return " and ".join(f"{value:.2f}" for value in values)


STAGES = (
    Stage("value fit", "values are wrong", ValueFit, (1.0,), (), (), _judge_fit),
    Stage(
        name="observation dependence",
        what="a single value is right, values by observation are wrong",
        probe=ObservationDependence,
        observations=(-1.0, 1.0),
        needs=("value fit",),
        needs_critic=(),
        judge=_judge_dependence,
    ),
    Stage(
        name="discounting",
        what="values are right, discounting is wrong",
        probe=Discounting,
        observations=(-1.0, 1.0),
        needs=("value fit", "observation dependence"),
        needs_critic=(),
        judge=_judge_discounting,
    ),
    Stage(
        name="policy gradient",
        what="the policy is wrong",
        probe=PolicyGradient,
        observations=(1.0,),
        needs=(),
        needs_critic=("value fit",),
        judge=_judge_policy,
    ),
    Stage(
        name="both",
        what="the policy learns, but not by observation",
        probe=Both,
        observations=(-1.0, 1.0),
        needs=("policy gradient",),
        needs_critic=("observation dependence",),
        judge=_judge_both,
    ),
)
