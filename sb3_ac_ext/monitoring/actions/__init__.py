"""What may be done about findings, opt-in: the only stage of the monitor that touches a model."""

from __future__ import annotations

from sb3_ac_ext.monitoring.actions.base import Action, Case
from sb3_ac_ext.monitoring.actions.rewards import ClipRewards
from sb3_ac_ext.monitoring.actions.roll_back import RollBack
from sb3_ac_ext.monitoring.actions.rules import ACTIONS, Rule, parse_actions
from sb3_ac_ext.monitoring.actions.runner import Actions
from sb3_ac_ext.monitoring.actions.settings import ScaleLearningRate, SetEntropyCoefficient
from sb3_ac_ext.monitoring.actions.simple import Call, Checkpoint, Stop

__all__ = [
    "ACTIONS",
    "Action",
    "Actions",
    "Call",
    "Case",
    "Checkpoint",
    "ClipRewards",
    "RollBack",
    "Rule",
    "ScaleLearningRate",
    "SetEntropyCoefficient",
    "Stop",
    "parse_actions",
]
