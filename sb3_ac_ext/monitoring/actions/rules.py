"""From what a user writes, in Python or YAML, to rules: which actions on which findings."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sb3_ac_ext.lookup import about, unknown
from sb3_ac_ext.monitoring.actions.base import Action
from sb3_ac_ext.monitoring.actions.rewards import ClipRewards
from sb3_ac_ext.monitoring.actions.roll_back import RollBack
from sb3_ac_ext.monitoring.actions.settings import ScaleLearningRate, SetEntropyCoefficient
from sb3_ac_ext.monitoring.actions.simple import Call, Checkpoint, Stop
from sb3_ac_ext.monitoring.causes import CAUSES
from sb3_ac_ext.monitoring.records import Finding, Severity, Verdict

CERTAIN = 0.5
"""Least confidence of a cause, ranked first, on which its actions act."""

_SEVERITIES = {severity.label: severity for severity in Severity}
_CLASSES: tuple[type[Action], ...] = (
    Stop,
    Checkpoint,
    RollBack,
    ScaleLearningRate,
    SetEntropyCoefficient,
    ClipRewards,
    Call,
)
ACTIONS: dict[str, type[Action]] = {cls.name: cls for cls in _CLASSES}
"""Every action by its name in YAML."""


@dataclass(frozen=True)
class Rule:
    """Actions and when to take them.

    :param key: a severity, or a cause
    :param actions: in this order
    """

    key: str
    actions: tuple[Action, ...]

    def matches(self, finding: Finding, verdict: Verdict) -> bool:
        """Whether a finding is at least that severe, or supports the cause if that ranks first."""
        if self.key in _SEVERITIES:
            return finding.severity >= _SEVERITIES[self.key]
        if not verdict.diagnoses:
            return False
        first = verdict.diagnoses[0]
        likely = first.cause == self.key and first.confidence >= CERTAIN
        return likely and finding.detector in first.detectors


def parse_actions(given: Any) -> tuple[Rule, ...]:
    """
    :param given: severity or cause -> an action, its name, ``{name: {keyword: value}}``, or a list
        of these
    :raises ValueError: naming the key, action or argument that is not accepted, and the nearest
    """
    if not isinstance(given, Mapping):
        raise ValueError(
            f"actions={given!r} is not accepted: give severities or causes with their actions, "
            "such as {'critical': 'stop'}"
        )
    return tuple(_rule(key, value) for key, value in given.items())


def _rule(key: Any, value: Any) -> Rule:
    if key not in _SEVERITIES and key not in CAUSES:
        raise unknown("severity or cause in actions", key, [*_SEVERITIES, *CAUSES])
    items = value if isinstance(value, list | tuple) else [value]
    with about(f"actions: {key}"):
        if not items:
            raise ValueError(f"{value!r} holds no action")
        return Rule(key, tuple(_action(item) for item in items))


def _action(item: Any) -> Action:
    if isinstance(item, Action):
        return item
    kwargs: Any = None
    if isinstance(item, Mapping) and len(item) == 1:
        item, kwargs = next(iter(item.items()))
    if not isinstance(item, str):
        raise ValueError(f"{item!r} is no action: give one of {', '.join(ACTIONS)}")
    if item not in ACTIONS:
        raise unknown("action", item, ACTIONS)
    if kwargs is not None and not isinstance(kwargs, Mapping):
        raise ValueError(f"the arguments of {item} must be a mapping, not {kwargs!r}")
    return _built(ACTIONS[item], dict(kwargs or {}))


def _built(cls: type[Action], kwargs: dict[str, Any]) -> Action:
    signature = inspect.signature(cls)
    for name in kwargs:
        if name not in signature.parameters:
            raise unknown(f"argument of {cls.name}", name, signature.parameters)
    try:
        signature.bind(**kwargs)
    except TypeError as error:  # one without a default is missing
        raise ValueError(f"{cls.name}: {error}") from None
    with about(cls.name):
        return cls(**kwargs)
