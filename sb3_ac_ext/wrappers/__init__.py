"""Wrappers for vectorised environments, from Python and from ``vec_env_wrapper:`` in YAML."""

from sb3_ac_ext.wrappers.vec_worker_normalize_reward import VecWorkerNormalizeReward
from sb3_ac_ext.wrappers.worker_rewards import WorkerRewards

__all__ = ["VecWorkerNormalizeReward", "WorkerRewards"]
