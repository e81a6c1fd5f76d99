"""Look at every local variable of the algorithm's own code, line by line, while it runs."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch as th

from sb3_ac_ext.flight.sightings import Sightings

_TORCH = str(Path(th.__file__).parent)
_OURS = str(Path(__file__).parent)


class _Lines:
    """The trace function: after each line of a method of the model or its networks, new tensors."""

    def __init__(self, model: Any, sightings: Sightings) -> None:
        self._model = model
        self._owners = {id(model), *(id(module) for module in model.policy.modules())}
        self._sightings = sightings

    def on_call(self, frame: FrameType, event: str, _: Any) -> Any:
        code = frame.f_code
        if event != "call" or code.co_varnames[:1] != ("self",):
            return None
        if code.co_filename.startswith((_TORCH, _OURS)):
            return None
        if id(frame.f_locals.get("self")) not in self._owners:
            return None
        # the last version of each variable is kept alive, or its id might be another's
        known: dict[str, tuple[Any, int]] = {k: (v, _version(v)) for k, v in _tensors(frame)}
        line = [frame.f_lineno]
        phase = "loss" if frame.f_locals["self"] is self._model else "forward"

        def on_line(inner: FrameType, what: str, _: Any) -> Any:
            if what != "exception":
                self._compare(inner, known, phase, line[0])
            line[0] = inner.f_lineno
            return on_line

        return on_line

    def _compare(self, frame: FrameType, known: dict[str, Any], phase: str, line: int) -> None:
        for name, value in _tensors(frame):
            version = _version(value)
            before = known.get(name)
            if before is not None and before[0] is value and before[1] == version:
                continue
            known[name] = value, version
            path = frame.f_code.co_filename
            text = linecache.getline(path, line).strip()
            self._sightings.look(phase, name, value, f"{Path(path).name} line {line}: {text}")


def _tensors(frame: FrameType) -> Iterator[tuple[str, Any]]:
    for name, value in list(frame.f_locals.items()):
        if isinstance(value, th.Tensor) and not isinstance(value, th.nn.Parameter):
            yield name, value


def _version(tensor: Any) -> int:
    return -1 if tensor.is_inference() else int(tensor._version)


@contextmanager
def traced_lines(model: Any, sightings: Sightings) -> Iterator[None]:
    """Trace inside; a debugger's or a coverage tool's own trace function comes back afterwards."""
    before = sys.gettrace()
    sys.settrace(_Lines(model, sightings).on_call)
    try:
        yield
    finally:
        sys.settrace(before)
