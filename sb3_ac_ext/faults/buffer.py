"""Faults of buffers: what replaces their methods."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from sb3_ac_ext.faults.base import Fault
from sb3_ac_ext.faults.overriding import overridden

Methods = dict[str, Callable[..., Any]]


@dataclass(frozen=True, kw_only=True)
class BufferFault(Fault):
    """A fault of a model's buffer.

    :param buffer: ``rollout_buffer`` or ``replay_buffer``
    :param methods: called with model and severity; what replaces the buffer's methods
    """

    buffer: str
    methods: Callable[[Any, float], Methods]

    def patch(self, model: Any, severity: float) -> AbstractContextManager[None]:
        return overridden(getattr(model, self.buffer), **self.methods(model, severity))
