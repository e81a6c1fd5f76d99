"""What an update trains on: the rollout buffer's arrays, or the batches drawn from replay."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch as th

from sb3_ac_ext.flight.arrays import Array, Arrays

_ABSENT = object()


@dataclass
class RolloutData:
    """The arrays and counters of a rollout buffer, from before ``get()`` flattens them.

    :param arrays: by name, shape (n_steps, n_envs, ...); Dict observations are dicts of arrays
    :param counters: ``pos``, ``full`` and what else is a plain number
    """

    arrays: dict[str, Array | dict[str, Array]]
    counters: dict[str, int | float | bool]

    @classmethod
    def take(cls, buffer: Any) -> RolloutData:
        arrays: dict[str, Array | dict[str, Array]] = {}
        counters = {}
        for name, value in vars(buffer).items():
            if isinstance(value, np.ndarray):
                arrays[name] = value.copy()
            elif isinstance(value, dict) and _all_arrays(value):
                arrays[name] = {key: part.copy() for key, part in value.items()}
            elif isinstance(value, bool | int | float):
                counters[name] = value
        return cls(arrays, counters)

    def apply(self, buffer: Any) -> None:
        for name, value in self.arrays.items():
            copied = (
                {key: part.copy() for key, part in value.items()}
                if isinstance(value, dict)
                else value.copy()
            )
            setattr(buffer, name, copied)
        for name, number in self.counters.items():
            setattr(buffer, name, number)

    def to_json(self, arrays: Arrays) -> dict[str, Any]:
        return {
            "kind": "rollout",
            "arrays": {name: _put(value, arrays) for name, value in self.arrays.items()},
            "counters": self.counters,
        }


def _all_arrays(value: dict[Any, Any]) -> bool:
    return bool(value) and all(isinstance(part, np.ndarray) for part in value.values())


@dataclass
class Batches:
    """The batches that ``replay_buffer.sample`` returned during one update, in order.

    :param fields: one dict per batch: name -> tensor, dict of tensors, or ``None``
    :param problem: why they cannot be written down, ``None`` when they can
    """

    fields: list[dict[str, Any]] = field(default_factory=list)
    problem: str | None = None

    @contextmanager
    def passing(self, buffer: Any) -> Iterator[None]:
        """Copy what ``buffer.sample`` returns inside; it draws as it would without."""
        previous = buffer.__dict__.get("sample", _ABSENT)
        original = buffer.sample

        def sample(*args: Any, **kwargs: Any) -> Any:
            batch = original(*args, **kwargs)
            self._keep(batch)
            return batch

        buffer.__dict__["sample"] = sample
        try:
            yield
        finally:
            if previous is _ABSENT:
                buffer.__dict__.pop("sample", None)
            else:
                buffer.__dict__["sample"] = previous

    def _keep(self, batch: Any) -> None:
        names = getattr(batch, "_fields", None)
        if names is None:
            self.problem = f"sample() returned a {type(batch).__name__} without named fields"
            return
        self.fields.append({name: _copied(value) for name, value in zip(names, batch, strict=True)})

    def to_json(self, arrays: Arrays) -> dict[str, Any]:
        """:raises ValueError: where there is a problem"""
        if self.problem is not None:
            raise ValueError(self.problem)
        return {
            "kind": "batches",
            "batches": [
                {name: _put(value, arrays) for name, value in batch.items()}
                for batch in self.fields
            ],
        }


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(part) for key, part in value.items()}
    return value.detach().clone() if isinstance(value, th.Tensor) else value


def _put(value: Any, arrays: Arrays) -> Any:
    if isinstance(value, dict):
        return {"dict": [[key, _put(part, arrays)] for key, part in value.items()]}
    if value is None or isinstance(value, np.ndarray | th.Tensor):
        return None if value is None else arrays.put(value)
    raise ValueError(f"a {type(value).__name__} in a batch has no exact form")


def _get(data: Any, arrays: Arrays) -> Any:
    if isinstance(data, dict):
        return {key: _get(part, arrays) for key, part in data["dict"]}
    return None if data is None else arrays[data]


def read_data(data: Mapping[str, Any], arrays: Arrays) -> RolloutData | Batches:
    """
    :param data: from ``to_json`` of either class
    :param arrays: beside it
    """
    if data["kind"] == "rollout":
        found = {name: _get(value, arrays) for name, value in data["arrays"].items()}
        return RolloutData(found, dict(data["counters"]))
    return Batches(
        [
            {name: _tensors(_get(value, arrays)) for name, value in batch.items()}
            for batch in data["batches"]
        ]
    )


def _tensors(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tensors(part) for key, part in value.items()}
    return None if value is None else th.from_numpy(value.copy())


class RecordedBatches:
    """Stands in for a replay buffer: ``sample`` returns what was recorded, in order.

    :param batches: of one update
    :param device: of the model
    """

    def __init__(self, batches: Batches, device: th.device) -> None:
        self._left = iter(batches.fields)
        self._device = device

    def sample(self, *_: Any, **__: Any) -> Any:
        """:raises ValueError: when the update asks for more than was recorded"""
        fields = next(self._left, None)
        if fields is None:
            raise ValueError("the update draws more batches than were recorded")
        kind = namedtuple("RecordedBatch", list(fields))  # type: ignore[misc]
        return kind(**{name: self._moved(value) for name, value in fields.items()})

    def _moved(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._moved(part) for key, part in value.items()}
        return value if value is None else value.to(self._device).clone()
