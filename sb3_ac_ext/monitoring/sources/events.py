"""TensorBoard event files: the scalars that SB3's logger and our callback wrote."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sb3_ac_ext.monitoring.sources.algorithms import known_algorithm
from sb3_ac_ext.monitoring.sources.names import canonical
from sb3_ac_ext.monitoring.sources.recording import NoDataError, Recording
from sb3_ac_ext.monitoring.sources.steps_back import kept_rows

_FRAME = 16  # bytes around a record: length, its checksum, the record's checksum
_ABSURD_LENGTH = 1 << 30

_Point = tuple[int, float, str, float]  # step, wall time, tag, value


def read_events(paths: Sequence[Path]) -> Recording:
    """Read the scalars of one TensorBoard run.

    A record that the end of a file cuts off is dropped with a note, as after ``kill -9``. Where the
    steps go back from one event to the next, see :func:`kept_rows`.

    :param paths: the event files of one folder; their names sort by the time they were begun
    :raises ValueError: when a file is not one of TensorBoard's, or is damaged
    """
    recording = Recording("TensorBoard", facts=_facts(paths[0].parent))
    points: list[_Point] = []
    for path in sorted(paths):
        points.extend(_scalars(path, recording.notes))
    if not points:
        raise NoDataError(f"{paths[0].parent} holds no scalars in its event files")
    kept, went_back = kept_rows([step for step, *_ in points])
    recording.notes.extend(f"{paths[0].parent.name}: {note}" for note in went_back)
    begin = min(wall_time for _, wall_time, _, _ in points)
    named = canonical(dict.fromkeys(tag for _, _, tag, _ in points))
    for step, wall_time, tag, value in (points[i] for i in kept):
        if tag in named:
            name, factor = named[tag]
            recording.add(step, {name: factor * value})
            recording.seconds[step] = wall_time - begin
    return recording


def _scalars(path: Path, notes: list[str]) -> Iterator[_Point]:
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from tensorboard.compat.proto import event_pb2

    for record in _records(path, notes):
        try:
            event = event_pb2.Event.FromString(record)
        except DecodeError:
            raise ValueError(f"{path} is damaged: a record is no TensorBoard event") from None
        for value in event.summary.value:
            scalar = _scalar(value)
            if scalar is not None:
                yield int(event.step), float(event.wall_time), value.tag, scalar


def _scalar(value: Any) -> float | None:
    if value.HasField("simple_value"):
        return float(value.simple_value)
    if value.HasField("tensor") and value.metadata.plugin_data.plugin_name == "scalars":
        from tensorboard.util.tensor_util import make_ndarray

        return float(make_ndarray(value.tensor))
    return None


def _records(path: Path, notes: list[str]) -> Iterator[bytes]:
    """The loader stops silently at a fault: the bytes left tell a torn from a damaged file."""
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader

    try:
        size = path.stat().st_size
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    position = 0
    for record in RawEventFileLoader(str(path)).Load():
        position += len(record) + _FRAME
        yield record
    if position == size:
        return
    if position and _is_cut_off(path, position, size):
        notes.append(f"{path.name}: the last record was torn and is dropped")
        return
    raise ValueError(
        f"{path} is damaged or no TensorBoard event file: nothing is readable from byte "
        f"{position} of {size} on"
    )


def _is_cut_off(path: Path, position: int, size: int) -> bool:
    """Whether the record at a position would reach beyond the end of the file."""
    with path.open("rb") as stream:
        stream.seek(position)
        head = stream.read(8)
    if len(head) < 8:
        return True
    length = int(struct.unpack("<Q", head)[0])
    return size < position + length + _FRAME and length < _ABSURD_LENGTH


def _facts(folder: Path) -> dict[str, Any]:
    """SB3 names the folder ``<tb_log_name>_<k>``, the Zoo puts it into one named after the env."""
    name = re.fullmatch(r"(.+)_\d+", folder.name)
    algorithm = known_algorithm(name.group(1)) if name else None
    env = folder.parent.name
    facts: dict[str, Any] = dict(algorithm or {})
    if algorithm and re.search(r"-v\d+$", env):
        facts["env_id"] = env
    return facts
