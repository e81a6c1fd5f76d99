"""Run a recorded update again and say which tensor goes wrong first, where, and from which row."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch as th

from sb3_ac_ext.flight.dump import Dump, read_dump
from sb3_ac_ext.flight.hooks import Watcher
from sb3_ac_ext.flight.randomness import kept
from sb3_ac_ext.flight.rebuild import rebuild
from sb3_ac_ext.flight.sightings import BEFORE, Sightings, Wrong
from sb3_ac_ext.flight.state import Parts, Tensors, weights_hash
from sb3_ac_ext.flight.update import Update, one_line
from sb3_ac_ext.monitoring.records import encode_number

MAX_JUMPS = 5


@dataclass(frozen=True)
class Jump:
    """A tensor whose largest magnitude grew.

    :param factor: now over the largest of the recorded updates before
    """

    name: str
    phase: str
    place: str
    now: float
    before: float
    factor: float

    def __str__(self) -> str:
        return (
            f"{self.name}: up to {self.now:.4g}, {self.factor:.3g} times the {self.before:.4g} "
            f"of the updates before ({self.phase}, {self.place})"
        )


@dataclass(frozen=True)
class Replayed:
    """What came of running an update again.

    :param algorithm: dotted name of its class
    :param index: of the update, counted from 0, of ``n_updates`` in the dump
    :param step: environment steps before the update
    :param reasons: why the dump was written
    :param wrong: the first non-finite tensor of each phase in order; the first one is the answer
    :param jumps: where none is, what grew most against the recorded updates before; the largest
        first, empty also where there was none before
    :param reproduced: whether the weights are bit for bit those recorded; ``None`` if unknown
    :param note: what ``reproduced`` does not say: where they differ, or why it is unknown
    :param error: what ``train()`` raised, again
    :param logged: the values that the update logged when it was recorded
    :param gradient_norms: of its last optimizer step, as recorded
    """

    algorithm: str
    index: int
    n_updates: int
    step: int
    reasons: tuple[str, ...]
    wrong: tuple[Wrong, ...]
    jumps: tuple[Jump, ...]
    reproduced: bool | None
    note: str
    error: str | None
    logged: dict[str, float]
    gradient_norms: dict[str, float]

    @property
    def first(self) -> Wrong | None:
        """The first tensor that goes wrong, ``None`` where all stay finite."""
        return self.wrong[0] if self.wrong else None

    def to_json(self) -> dict[str, Any]:
        """Plain data; infinities and NaN are strings."""
        data: dict[str, Any] = _plain(asdict(self))
        return data


def replay(path: Path | str, update: int = -1) -> Replayed:
    """Run one update of a dump again, with everything looked at.

    The environment is not needed. Global generators, the number of torch threads and the trace
    function are the same afterwards. Custom classes are imported under their dotted names.

    :param path: of the folder that the flight recorder wrote
    :param update: index, negative from the end
    :raises ValueError: if the dump cannot be read or replayed, or has no such update
    """
    dump = read_dump(path)
    if not dump.updates:
        raise ValueError(f"{path} holds no update: {'; '.join(dump.reasons)}")
    n_updates = len(dump.updates)
    if not -n_updates <= update < n_updates:
        raise ValueError(f"there is no update {update}: {path} holds {n_updates}, from 0")
    index = update % n_updates
    with _as_recorded(dump):
        sightings, after, error = _run(dump, dump.updates[index])
        jumps: tuple[Jump, ...] = ()
        if not sightings.wrong:
            earlier = [_run(dump, before)[0] for before in dump.updates[:index]]
            jumps = _jumps(sightings, earlier)
        reproduced, note = _compare(dump, index, after, error)
        if reproduced is False:
            # hooks bring back to autograd what drop-in algorithms differentiate by formula
            model = rebuild(dump, dump.updates[index])
            error = _train(model, dump.updates[index], nullcontext())
            reproduced, note = _compare(dump, index, _weights(model), error)
    return Replayed(
        algorithm=dump.settings["algorithm"],
        index=index,
        n_updates=n_updates,
        step=dump.updates[index].step,
        reasons=tuple(dump.reasons),
        wrong=tuple(sightings.wrong),
        jumps=jumps,
        reproduced=reproduced,
        note=note,
        error=error,
        logged=dump.updates[index].logged,
        gradient_norms=dump.updates[index].gradient_norms,
    )


@contextmanager
def _as_recorded(dump: Dump) -> Iterator[None]:
    threads = th.get_num_threads()
    device = th.device(dump.device if th.cuda.is_available() else "cpu")
    th.set_num_threads(dump.num_threads)
    try:
        with kept(device):
            yield
    finally:
        th.set_num_threads(threads)


def _run(dump: Dump, update: Update) -> tuple[Sightings, Tensors, str | None]:
    model = rebuild(dump, update)
    watcher = Watcher(model, update)
    error = _train(model, update, watcher.watching())
    return watcher.sightings, _weights(model), error


def _train(model: Any, update: Update, inside: AbstractContextManager[None]) -> str | None:
    """What the update raises, as it may have done when it was recorded."""
    try:
        with inside:
            model.train(**update.arguments)
    except Exception as raised:
        return one_line(raised)
    return None


def _weights(model: Any) -> Tensors:
    return {name: tensor.detach() for name, tensor in Parts(model).weights.items()}


def _jumps(now: Sightings, earlier: list[Sightings]) -> tuple[Jump, ...]:
    """What grew most, in the order of its growth; what was zero before is left out."""
    found = []
    for (phase, name), (size, place) in now.largest.items():
        if phase == BEFORE:
            continue  # the moments of a young optimizer grow from zero
        before = max((s.largest.get((phase, name), (0.0, place))[0] for s in earlier), default=0.0)
        if before > 0.0:
            found.append(Jump(name, phase, str(place), size, before, size / before))
    found.sort(key=lambda jump: -jump.factor)
    return tuple(found[:MAX_JUMPS])


def _compare(
    dump: Dump, index: int, weights: Tensors, error: str | None
) -> tuple[bool | None, str]:
    update, after = dump.updates[index], dump.after[index]
    if error != update.error:
        return False, f"train() raised {error or 'nothing'}, and {update.error or 'nothing'} before"
    if after is None:
        if update.error:
            return None, "it raised the same error, so that there are no weights to compare"
        return None, "the weights were changed between this update and the next, or the dump"
    if weights_hash(weights) == update.weights_hash:
        return True, ""
    distances = {
        name: float((tensor.cpu().double() - after[name].double()).abs().max())
        for name, tensor in weights.items()
    }
    name = max(distances, key=lambda k: math.inf if math.isnan(distances[k]) else distances[k])
    return False, f"largest difference {distances[name]:.3g} in {name}{_reasons(dump)}"


def _reasons(dump: Dump) -> str:
    """What may be behind a difference."""
    from sb3_ac_ext.monitoring.describe import versions

    here = versions()
    other = [
        f"{k} {v} then, {here.get(k)} now" for k, v in dump.versions.items() if here.get(k) != v
    ]
    left_out = [f"{name} was not recorded ({why})" for name, why in dump.refused.items()]
    return "".join(f"; {reason}" for reason in [*other, *left_out])


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return encode_number(value) if isinstance(value, float) else value
