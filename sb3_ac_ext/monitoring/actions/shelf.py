"""The last few checkpoints, in memory or as files that hold numbers and JSON only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch as th

from sb3_ac_ext.monitoring.actions.state import State

_SKELETON = "skeleton"


class Shelf:
    """Keeps the newest ``keep`` checkpoints in order of steps.

    :param keep: how many
    :param folder: where each becomes ``rollback_STEP_steps.npz``, or ``None`` for memory
    """

    def __init__(self, keep: int, folder: Path | None = None) -> None:
        self._keep = keep
        self._folder = folder
        self._kept: list[tuple[int, State | Path]] = []

    @property
    def steps(self) -> list[int]:
        return [step for step, _ in self._kept]

    def put(self, step: int, state: State) -> None:
        """:raises OSError: when it cannot be written"""
        content: State | Path = state
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            content = self._folder / f"rollback_{step}_steps.npz"
            write_state(content, state)
        self._kept.append((step, content))
        while len(self._kept) > self._keep:
            self._discard(0)

    def take_before(self, step: int) -> tuple[int, State]:
        """The newest checkpoint from before a step; those after it are dropped.

        :raises ValueError: when there is none
        """
        if not any(kept < step for kept in self.steps):
            oldest = f"the oldest is of step {self.steps[0]:,}" if self._kept else "there is none"
            raise ValueError(f"no checkpoint from before step {step:,} is kept: {oldest}")
        while self._kept[-1][0] >= step:
            self._discard(-1)
        found, content = self._kept[-1]
        return found, read_state(content) if isinstance(content, Path) else content

    def clear(self) -> None:
        while self._kept:
            self._discard(-1)

    def _discard(self, index: int) -> None:
        content = self._kept.pop(index)[1]
        if isinstance(content, Path):
            content.unlink(missing_ok=True)


def write_state(path: Path, state: State) -> None:
    """Tensors as bytes, everything else as JSON; the file appears complete or not at all.

    :raises ValueError: for something that is neither
    """
    arrays: dict[str, Any] = {}
    skeleton = json.dumps(_encode(state, arrays))
    arrays[_SKELETON] = np.frombuffer(skeleton.encode(), dtype=np.uint8)
    partial = path.with_name(path.name + ".part")
    with partial.open("wb") as stream:
        np.savez(stream, **arrays)
    partial.replace(path)


def read_state(path: Path) -> State:
    with np.load(path, allow_pickle=False) as arrays:
        state: State = _decode(json.loads(arrays[_SKELETON].tobytes()), arrays)
    return state


def _encode(value: Any, arrays: dict[str, Any]) -> Any:
    if isinstance(value, th.Tensor):
        name = f"tensor_{len(arrays)}"
        arrays[name] = value.contiguous().reshape(-1).view(th.uint8).numpy()
        dtype = str(value.dtype).removeprefix("torch.")
        return {"tensor": name, "dtype": dtype, "shape": list(value.shape)}
    if isinstance(value, np.ndarray | np.generic):
        name = f"array_{len(arrays)}"
        arrays[name] = np.asarray(value)
        return {"array": name}
    if isinstance(value, dict):  # optimizers number their parameters, and JSON's keys are strings
        return {"dict": [[key, _encode(part, arrays)] for key, part in value.items()]}
    if isinstance(value, list | tuple):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [_encode(part, arrays) for part in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(f"a checkpoint in a folder cannot hold {value!r}: keep it in memory")


def _decode(value: Any, arrays: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        tensor = th.empty(value["shape"], dtype=getattr(th, value["dtype"]))
        if tensor.numel():  # one without elements has no bytes to view
            tensor.view(-1).view(th.uint8).copy_(th.from_numpy(arrays[value["tensor"]]))
        return tensor
    if "array" in value:
        return arrays[value["array"]]
    if "dict" in value:
        return {key: _decode(part, arrays) for key, part in value["dict"]}
    kind = "tuple" if "tuple" in value else "list"
    parts = [_decode(part, arrays) for part in value[kind]]
    return tuple(parts) if kind == "tuple" else parts
