"""Monitoring and diagnosis for actor-critic training with Stable-Baselines3.

Public names load on first use, so that the import itself costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "DiagnosticsCallback": "sb3_ac_ext.monitoring.callback",
    "CanaryEvalCallback": "sb3_ac_ext.monitoring.monitors",
    "EntropyMonitorCallback": "sb3_ac_ext.monitoring.monitors",
    "ExplainedVarianceCallback": "sb3_ac_ext.monitoring.monitors",
    "GradientMonitorCallback": "sb3_ac_ext.monitoring.monitors",
    "KLMonitorCallback": "sb3_ac_ext.monitoring.monitors",
    "QValueMonitorCallback": "sb3_ac_ext.monitoring.monitors",
    "WorkerRewardCallback": "sb3_ac_ext.monitoring.monitors",
    "EntCoefScheduleCallback": "sb3_ac_ext.callbacks",
    "A2C": "sb3_ac_ext.algorithms.a2c",
    "DDPG": "sb3_ac_ext.algorithms.ddpg",
    "DQN": "sb3_ac_ext.algorithms.dqn",
    "PPO": "sb3_ac_ext.algorithms.ppo",
    "REINFORCE": "sb3_ac_ext.algorithms.reinforce",
    "SAC": "sb3_ac_ext.algorithms.sac",
    "TD3": "sb3_ac_ext.algorithms.td3",
    "LayerNormExtractor": "sb3_ac_ext.algorithms.layer_norm",
    "LayerNormReLU": "sb3_ac_ext.algorithms.layer_norm",
    "LayerNormTanh": "sb3_ac_ext.algorithms.layer_norm",
    "DictPrioritizedReplayBuffer": "sb3_ac_ext.buffers.prioritized",
    "PrioritizedReplayBuffer": "sb3_ac_ext.buffers.prioritized",
    "SafeSubprocVecEnv": "sb3_ac_ext.vec_envs.safe_subproc",
    "VecFiniteGuard": "sb3_ac_ext.vec_envs.finite_guard",
    "WorkerError": "sb3_ac_ext.vec_envs.failures",
    "UnitEvalCallback": "sb3_ac_ext.evaluation.callback",
    "evaluate": "sb3_ac_ext.evaluation.evaluate",
    "read_unit": "sb3_ac_ext.evaluation.opening",
    "DictWorkerNormalizedReplayBuffer": "sb3_ac_ext.buffers.worker_normalized",
    "WorkerNormalizedReplayBuffer": "sb3_ac_ext.buffers.worker_normalized",
    "VecWorkerNormalizeReward": "sb3_ac_ext.wrappers.vec_worker_normalize_reward",
    "BundleCallback": "sb3_ac_ext.checkpoints.callback",
    "EpisodeLog": "sb3_ac_ext.checkpoints.episode_log",
    "resume": "sb3_ac_ext.checkpoints.resume",
    "continue_run": "sb3_ac_ext.run_resume",
    "RunSpec": "sb3_ac_ext.experiment",
    "inspect_file": "sb3_ac_ext.inspection.examine",
    "register": "sb3_ac_ext.registry",
    "run": "sb3_ac_ext.experiment",
}

__all__ = sorted([*_PUBLIC, "__version__"])


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return __all__
