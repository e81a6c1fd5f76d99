"""Signals: each reads one aspect of a running model and returns named numbers."""

from __future__ import annotations

from sb3_ac_ext.monitoring.signals.actions import ActionSignal
from sb3_ac_ext.monitoring.signals.base import Reading, Signal
from sb3_ac_ext.monitoring.signals.canary import CanarySignal
from sb3_ac_ext.monitoring.signals.episode_probe import EpisodeProbe
from sb3_ac_ext.monitoring.signals.episodes import EpisodeSignal
from sb3_ac_ext.monitoring.signals.gradients import GradientSignal
from sb3_ac_ext.monitoring.signals.hyperparameters import HyperparameterSignal
from sb3_ac_ext.monitoring.signals.incidents import IncidentSignal
from sb3_ac_ext.monitoring.signals.learning_probe import LearningProbe
from sb3_ac_ext.monitoring.signals.logged import LoggedSignal
from sb3_ac_ext.monitoring.signals.normaliser_probe import NormaliserProbe
from sb3_ac_ext.monitoring.signals.observations import ObservationSignal
from sb3_ac_ext.monitoring.signals.policy import PolicySignal
from sb3_ac_ext.monitoring.signals.q_values import QValueSignal
from sb3_ac_ext.monitoring.signals.readings import Readings
from sb3_ac_ext.monitoring.signals.replay_buffer import ReplaySignal
from sb3_ac_ext.monitoring.signals.replay_probe import ReplayProbe
from sb3_ac_ext.monitoring.signals.rewards import RewardSignal
from sb3_ac_ext.monitoring.signals.rollout_probe import RolloutProbe
from sb3_ac_ext.monitoring.signals.timing import TimingSignal
from sb3_ac_ext.monitoring.signals.transition_probe import TransitionProbe
from sb3_ac_ext.monitoring.signals.update_probe import UpdateProbe
from sb3_ac_ext.monitoring.signals.value import ValueSignal
from sb3_ac_ext.monitoring.signals.weights import WeightSignal

__all__ = [
    "ActionSignal",
    "CanarySignal",
    "EpisodeProbe",
    "EpisodeSignal",
    "GradientSignal",
    "HyperparameterSignal",
    "IncidentSignal",
    "LearningProbe",
    "LoggedSignal",
    "NormaliserProbe",
    "ObservationSignal",
    "PolicySignal",
    "QValueSignal",
    "Reading",
    "Readings",
    "ReplayProbe",
    "ReplaySignal",
    "RewardSignal",
    "RolloutProbe",
    "Signal",
    "TimingSignal",
    "TransitionProbe",
    "UpdateProbe",
    "ValueSignal",
    "WeightSignal",
    "default_signals",
    "invariant_signals",
]


def default_signals() -> list[Signal]:
    """One of each, the canary excepted, in the order in which they are read."""
    return [
        EpisodeSignal(),
        RewardSignal(),
        IncidentSignal(),
        ObservationSignal(),
        ActionSignal(),
        LoggedSignal(),
        PolicySignal(),
        ValueSignal(),
        QValueSignal(),
        ReplaySignal(),
        GradientSignal(),
        WeightSignal(),
        *invariant_signals(),
        TransitionProbe(),
        HyperparameterSignal(),
        TimingSignal(),
    ]


def invariant_signals() -> list[Signal]:
    """Those that read what must hold up to rounding."""
    return [
        EpisodeProbe(),
        RolloutProbe(),
        ReplayProbe(),
        UpdateProbe(),
        LearningProbe(),
        NormaliserProbe(),
    ]
