"""Buffers for the ``replay_buffer_class`` and ``rollout_buffer_class`` of algorithms."""

from sb3_ac_ext.buffers.episodes import DictEpisodeRolloutBuffer, EpisodeRolloutBuffer
from sb3_ac_ext.buffers.n_step import DictNStepReplayBuffer
from sb3_ac_ext.buffers.prioritized import (
    DictPrioritizedReplayBuffer,
    PrioritizedReplayBuffer,
    PrioritizedSamples,
)
from sb3_ac_ext.buffers.worker_normalized import (
    DictWorkerNormalizedReplayBuffer,
    WorkerNormalizedReplayBuffer,
)

__all__ = [
    "DictEpisodeRolloutBuffer",
    "DictNStepReplayBuffer",
    "DictPrioritizedReplayBuffer",
    "DictWorkerNormalizedReplayBuffer",
    "EpisodeRolloutBuffer",
    "PrioritizedReplayBuffer",
    "PrioritizedSamples",
    "WorkerNormalizedReplayBuffer",
]
