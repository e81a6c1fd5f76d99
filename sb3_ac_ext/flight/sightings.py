"""Tensors in the order in which an update makes them: their size, and the first that goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch as th

MAX_ROWS = 16
BEFORE = "before the update"


@dataclass(frozen=True)
class Place:
    """Where in the update.

    :param epoch: and ``minibatch`` in it, counted from 0, of on-policy algorithms
    :param gradient_step: counted from 0, of off-policy algorithms
    """

    epoch: int | None = None
    minibatch: int | None = None
    gradient_step: int | None = None

    def __str__(self) -> str:
        if self.gradient_step is not None:
            return f"gradient step {self.gradient_step}"
        if self.epoch is not None:
            return f"epoch {self.epoch}, minibatch {self.minibatch}"
        return "before the first batch"

    @property
    def batch(self) -> str:
        return str(self) if self.minibatch is None else f"minibatch {self.minibatch}"


@dataclass(frozen=True)
class Wrong:
    """A tensor with a NaN or an infinity.

    :param name: as in ``named_parameters()``, of a field of the batch, or of a local variable
    :param phase: ``before the update``, ``data``, ``forward``, ``loss``, ``backward``,
        ``optimizer step`` or ``target update``
    :param value: the first such entry, ``nan``, ``inf`` or ``-inf``
    :param count: how many entries are, of ``size``
    :param rows: of the batch, at most 16, where its first axis is the batch
    :param n_rows: how many rows there are, of ``batch_size``
    :param told: for the first of the rows, where it came from, as far as it is known
    :param source: file, line and text of the code, for local variables
    """

    name: str
    phase: str
    place: Place
    value: str
    count: int
    size: int
    rows: tuple[int, ...] = ()
    n_rows: int = 0
    batch_size: int = 0
    told: tuple[str, ...] = ()
    source: str = ""

    def __str__(self) -> str:
        what = f": {self.value} in {self.count:,} of {self.size:,} entries"
        if self.size == 1:
            what = f" = {self.value}"
        return f"{self.name}{what} ({self.phase}, {self.place})"


@dataclass
class Sightings:
    """Everything seen while an update runs.

    :param explain: rows and the tensor's name -> sentences about where they came from
    """

    explain: Callable[[str, tuple[int, ...]], tuple[tuple[int, ...], tuple[str, ...]]]
    place: Place = field(default_factory=Place)
    batch_size: int = 0
    batch: dict[str, Any] = field(default_factory=dict)
    wrong: list[Wrong] = field(default_factory=list)
    largest: dict[tuple[str, str], tuple[float, Place]] = field(default_factory=dict)

    @property
    def first(self) -> Wrong | None:
        return self.wrong[0] if self.wrong else None

    def look(self, phase: str, name: str, value: Any, source: str = "") -> None:
        """
        :param value: tensor, or tuple, list or dict of tensors; anything else is passed over
        """
        if isinstance(value, dict):
            for key, part in value.items():
                self.look(phase, f"{name}[{key}]", part, source)
        elif isinstance(value, tuple | list):
            for index, part in enumerate(value):
                self.look(phase, f"{name}[{index}]", part, source)
        elif isinstance(value, th.Tensor) and value.is_floating_point() and value.numel():
            again = phase != "data" and any(value is part for part in self.batch.values())
            if not again:  # a local variable may only be another name for a field of the batch
                self._look_at(phase, name, value.detach(), source)

    def _look_at(self, phase: str, name: str, tensor: th.Tensor, source: str) -> None:
        finite = th.isfinite(tensor)
        if bool(finite.all()):
            size = float(tensor.abs().max())
            if size > self.largest.get((phase, name), (-1.0, self.place))[0]:
                self.largest[phase, name] = size, self.place
        elif all(known.phase != phase for known in self.wrong):
            self.wrong.append(self._describe(phase, name, tensor, ~finite, source))

    def _describe(
        self, phase: str, name: str, tensor: th.Tensor, bad: th.Tensor, source: str
    ) -> Wrong:
        rows: tuple[int, ...] = ()
        if self.batch_size and tensor.dim() and len(tensor) == self.batch_size:
            rows = tuple(bad.reshape(len(bad), -1).any(dim=1).nonzero().flatten().tolist())
        rows, origins = self.explain(name, rows) if rows else ((), ())
        told = []
        for row, origin in zip(rows, origins, strict=False):
            value = float(tensor[row][bad[row]].flatten()[0])
            sentence = f"row {row} of {self.place.batch}: {name} = {value}"
            if origin or len(rows) <= len(origins):
                told.append(f"{sentence}, {origin}" if origin else sentence)
        return Wrong(
            name=name,
            phase=phase,
            place=self.place,
            value=str(float(tensor[bad].flatten()[0])),
            count=int(bad.sum()),
            size=tensor.numel(),
            rows=rows[:MAX_ROWS],
            n_rows=len(rows),
            batch_size=self.batch_size,
            told=tuple(told),
            source=source,
        )
