"""Detectors: each looks at series for one symptom. NumPy and SciPy only."""

from __future__ import annotations

from sb3_ac_ext.monitoring.detectors.actions import SameAction
from sb3_ac_ext.monitoring.detectors.base import Detector, Patience
from sb3_ac_ext.monitoring.detectors.canary import CanaryGap
from sb3_ac_ext.monitoring.detectors.entropy import EntropyCollapse, EntropyStuck
from sb3_ac_ext.monitoring.detectors.explained_variance import LowExplainedVariance
from sb3_ac_ext.monitoring.detectors.finite import NonFinite
from sb3_ac_ext.monitoring.detectors.gradients import GradientSpike
from sb3_ac_ext.monitoring.detectors.kl import LargeKL
from sb3_ac_ext.monitoring.detectors.q_values import QBound, QGrowth
from sb3_ac_ext.monitoring.detectors.returns import Plateau, RewardCrash
from sb3_ac_ext.monitoring.detectors.worker_signs import WorkerSign, WorkerSilent
from sb3_ac_ext.monitoring.detectors.workers import WorkerRewards

__all__ = [
    "CanaryGap",
    "Detector",
    "EntropyCollapse",
    "EntropyStuck",
    "GradientSpike",
    "LargeKL",
    "LowExplainedVariance",
    "NonFinite",
    "Patience",
    "Plateau",
    "QBound",
    "QGrowth",
    "RewardCrash",
    "SameAction",
    "WorkerRewards",
    "WorkerSign",
    "WorkerSilent",
    "default_detectors",
]


def default_detectors() -> list[Detector]:
    """One of each, exact checks first."""
    return [
        NonFinite(),
        WorkerRewards(),
        WorkerSign(),
        WorkerSilent(),
        QBound(),
        QGrowth(),
        LargeKL(),
        GradientSpike(),
        Patience(SameAction(), times=5),
        EntropyCollapse(),
        EntropyStuck(),
        LowExplainedVariance(),
        CanaryGap(),
        RewardCrash(),
        Plateau(),
    ]
