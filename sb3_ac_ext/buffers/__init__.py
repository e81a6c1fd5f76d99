"""Replay buffers for the ``replay_buffer_class`` of off-policy algorithms."""

from sb3_ac_ext.buffers.n_step import DictNStepReplayBuffer
from sb3_ac_ext.buffers.prioritized import (
    DictPrioritizedReplayBuffer,
    PrioritizedReplayBuffer,
    PrioritizedSamples,
)

__all__ = [
    "DictNStepReplayBuffer",
    "DictPrioritizedReplayBuffer",
    "PrioritizedReplayBuffer",
    "PrioritizedSamples",
]
