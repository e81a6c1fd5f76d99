"""Detectors: each looks at series for one symptom. NumPy and SciPy only."""

from __future__ import annotations

from sb3_ac_ext.monitoring.detectors.actions import SameAction
from sb3_ac_ext.monitoring.detectors.base import Detector, Patience
from sb3_ac_ext.monitoring.detectors.boundaries import (
    BareTimeouts,
    OldReset,
    Overlong,
    SameSeeds,
    StaleObservation,
    TerminatedAtLimit,
    TruncatedEarly,
)
from sb3_ac_ext.monitoring.detectors.canary import CanaryGap
from sb3_ac_ext.monitoring.detectors.direction import (
    FrozenTarget,
    GradientDirection,
    PolicyImprovement,
    Untrained,
)
from sb3_ac_ext.monitoring.detectors.drift import EnvironmentShift, WaveringActions
from sb3_ac_ext.monitoring.detectors.entropy import EntropyCollapse, EntropyStuck
from sb3_ac_ext.monitoring.detectors.explained_variance import LowExplainedVariance
from sb3_ac_ext.monitoring.detectors.exploration import (
    ClippedActions,
    EntropyDominates,
    NarrowPolicy,
    NoisyActions,
    TemperatureRuns,
)
from sb3_ac_ext.monitoring.detectors.finite import NonFinite
from sb3_ac_ext.monitoring.detectors.gradients import GradientSpike
from sb3_ac_ext.monitoring.detectors.incidents import WorkerNonFinite, WorkerRestarts
from sb3_ac_ext.monitoring.detectors.invariants import Invariant, exact_invariants
from sb3_ac_ext.monitoring.detectors.kl import LargeKL
from sb3_ac_ext.monitoring.detectors.lengths import LengthParity
from sb3_ac_ext.monitoring.detectors.networks import NetworkState
from sb3_ac_ext.monitoring.detectors.observations import DeadObservations, ObservationScale
from sb3_ac_ext.monitoring.detectors.parity import (
    ActionAgreement,
    ActionParity,
    StartParity,
)
from sb3_ac_ext.monitoring.detectors.q_values import QBound, QGrowth, TiedCritics
from sb3_ac_ext.monitoring.detectors.returns import Plateau, RewardCrash
from sb3_ac_ext.monitoring.detectors.reward_jump import RewardJump
from sb3_ac_ext.monitoring.detectors.reward_parity import RewardParity
from sb3_ac_ext.monitoring.detectors.settings import OddSetting, settings_detectors
from sb3_ac_ext.monitoring.detectors.stalled import FewUpdates, TinyUpdates
from sb3_ac_ext.monitoring.detectors.transitions import (
    DeadAction,
    LateAction,
    LateReward,
    NoisyObservations,
)
from sb3_ac_ext.monitoring.detectors.worker_environments import WorkerObservations, WorkerStuck
from sb3_ac_ext.monitoring.detectors.worker_response import WorkerResponse
from sb3_ac_ext.monitoring.detectors.worker_signs import WorkerSign, WorkerSilent
from sb3_ac_ext.monitoring.detectors.workers import WorkerRewards

__all__ = [
    "ActionAgreement",
    "ActionParity",
    "BareTimeouts",
    "CanaryGap",
    "ClippedActions",
    "DeadAction",
    "DeadObservations",
    "Detector",
    "EntropyCollapse",
    "EntropyDominates",
    "EntropyStuck",
    "EnvironmentShift",
    "FewUpdates",
    "FrozenTarget",
    "GradientDirection",
    "GradientSpike",
    "Invariant",
    "LargeKL",
    "LateAction",
    "LateReward",
    "LengthParity",
    "LowExplainedVariance",
    "NarrowPolicy",
    "NetworkState",
    "NoisyActions",
    "NoisyObservations",
    "NonFinite",
    "ObservationScale",
    "OddSetting",
    "OldReset",
    "Overlong",
    "Patience",
    "Plateau",
    "PolicyImprovement",
    "QBound",
    "QGrowth",
    "RewardCrash",
    "RewardJump",
    "RewardParity",
    "SameAction",
    "SameSeeds",
    "StaleObservation",
    "StartParity",
    "TemperatureRuns",
    "TerminatedAtLimit",
    "TiedCritics",
    "TinyUpdates",
    "TruncatedEarly",
    "Untrained",
    "WaveringActions",
    "WorkerNonFinite",
    "WorkerObservations",
    "WorkerResponse",
    "WorkerRestarts",
    "WorkerRewards",
    "WorkerSign",
    "WorkerSilent",
    "WorkerStuck",
    "default_detectors",
    "exact_invariants",
    "settings_detectors",
]


def default_detectors() -> list[Detector]:
    """One of each, exact checks first."""
    return [
        NonFinite(),
        WorkerNonFinite(),
        WorkerRestarts(),
        *exact_invariants(),
        Untrained(),
        GradientDirection(),
        FrozenTarget(),
        StaleObservation(),
        OldReset(),
        SameSeeds(),
        TerminatedAtLimit(),
        BareTimeouts(),
        TruncatedEarly(),
        Overlong(),
        PolicyImprovement(),
        WorkerStuck(),
        WorkerRewards(),
        WorkerSign(),
        WorkerSilent(),
        WorkerObservations(),
        WorkerResponse(),
        LateAction(),
        DeadAction(),
        NoisyObservations(),
        LateReward(),
        EnvironmentShift(),
        WaveringActions(),
        RewardJump(),
        RewardParity(),
        ActionParity(),
        ActionAgreement(),
        StartParity(),
        LengthParity(),
        ObservationScale(),
        DeadObservations(),
        NetworkState(),
        TinyUpdates(),
        FewUpdates(),
        NoisyActions(),
        ClippedActions(),
        NarrowPolicy(),
        EntropyDominates(),
        TemperatureRuns(),
        QBound(),
        TiedCritics(),
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
        *settings_detectors(),
    ]
