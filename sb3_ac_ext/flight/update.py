"""One update as it was recorded: everything that ``train()`` read, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch as th

from sb3_ac_ext.flight.arrays import Arrays
from sb3_ac_ext.flight.data import Batches, RolloutData, read_data
from sb3_ac_ext.flight.randomness import RandomState
from sb3_ac_ext.flight.state import State, norms
from sb3_ac_ext.flight.values import decode_value, encode_value


@dataclass
class Update:
    """One call of ``train()``.

    :param step: environment steps before it
    :param before: weights and optimizer states before it
    :param randomness: states of all generators before it
    :param settings: the model's scalars before it
    :param schedules: present values of the model's schedules
    :param arguments: that ``train()`` was called with
    :param data: what it trained on
    :param logged: values that it recorded, ``train/...``
    :param gradient_norms: of its last optimizer step, after clipping, by optimizer
    :param weight_norms: of each weight tensor after it, by which later changes are noticed
    :param weights_hash: SHA-256 of the weights after it, ``None`` where they were changed since
    :param error: what ``train()`` raised
    """

    step: int
    before: State
    randomness: RandomState
    settings: dict[str, Any]
    schedules: dict[str, float]
    arguments: dict[str, Any]
    data: RolloutData | Batches
    logged: dict[str, float] = field(default_factory=dict)
    gradient_norms: dict[str, float] = field(default_factory=dict)
    weight_norms: np.ndarray[Any, Any] | None = None
    weights_hash: str | None = None
    error: str | None = None

    def left(self, weights: dict[str, th.Tensor]) -> bool:
        """Whether these may be the weights that the update left behind."""
        if self.weight_norms is None:
            return False
        return np.array_equal(self.weight_norms, norms(weights), equal_nan=True)

    def to_json(self, arrays: Arrays) -> dict[str, Any]:
        return {
            "step": self.step,
            "before": self.before.to_json(arrays),
            "randomness": self.randomness.to_json(arrays),
            "settings": encode_value(self.settings),
            "schedules": encode_value(self.schedules),
            "arguments": encode_value(self.arguments),
            "data": self.data.to_json(arrays),
            "logged": encode_value(self.logged),
            "gradient_norms": encode_value(self.gradient_norms),
            "weights_hash": self.weights_hash,
            "error": self.error,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], arrays: Arrays) -> Update:
        return cls(
            step=int(data["step"]),
            before=State.from_json(data["before"], arrays),
            randomness=RandomState.from_json(data["randomness"], arrays),
            settings=decode_value(data["settings"]),
            schedules=decode_value(data["schedules"]),
            arguments=decode_value(data["arguments"]),
            data=read_data(data["data"], arrays),
            logged=decode_value(data["logged"]),
            gradient_norms=decode_value(data["gradient_norms"]),
            weights_hash=data["weights_hash"],
            error=data["error"],
        )


def one_line(error: Exception) -> str:
    """Type and first line of an error: torch prints whole tensors into the following ones."""
    first = str(error).strip().partition("\n")[0].rstrip(":")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
