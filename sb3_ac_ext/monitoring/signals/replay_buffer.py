"""How full the replay buffer is and how old its transitions are."""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_ac_ext.monitoring.signals.base import Reading, Signal, needs_off_policy
from sb3_ac_ext.monitoring.view import View


class ReplaySignal(Signal):
    """``replay/fill``: share of the capacity in use. ``replay/age``: mean age of the stored
    transitions in environment steps; a buffer that is old relative to the policy's change trains
    the critic on a past that is gone.
    """

    name = "replay"

    def supports(self, model: BaseAlgorithm) -> str | None:
        reason = needs_off_policy(model)
        if reason is None and not hasattr(getattr(model, "replay_buffer", None), "buffer_size"):
            return "the algorithm has no replay buffer with a fixed size"
        return reason

    def collect(self, view: View) -> Reading:
        reading = Reading()
        buffer: Any = view.model.replay_buffer  # type: ignore[attr-defined]
        size = buffer.size()
        reading.put(replay__fill=size / buffer.buffer_size)
        if size:
            reading.put(replay__age=(size - 1) / 2.0 * buffer.n_envs)
        return reading
