"""What a finished case leaves on disk: a compact history, and one small JSON document."""

from __future__ import annotations

import gzip
import io
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from sb3_ac_ext.benchmark.faults.cases import Case
from sb3_ac_ext.monitoring.history import History, write_header, write_snapshot
from sb3_ac_ext.monitoring.records import RunInfo, Snapshot, encode_number

HISTORY, RESULT = ".jsonl.gz", ".json"
DIGITS = 6
"""Significant digits that a recorded number keeps."""


@dataclass(frozen=True)
class Truth:
    """What is known about an injected fault.

    :param kind: what it is expected to do: ``harmful``, ``defect`` or ``benign``
    :param cause: what a right diagnosis names; empty when benign
    """

    name: str
    component: str
    cause: str
    kind: str


@dataclass(frozen=True)
class PeerVerdict:
    """What another package says of a run.

    :param what: names of its findings of at least a warning
    """

    critical: bool = False
    warned: bool = False
    what: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """How a case ended.

    :param returns: of the deterministic policy in a clean environment, one per episode; empty when
        it could not act
    :param seconds: wall time of ``learn()``
    :param steps: environment steps taken
    :param error: what ended training early
    :param truth: about the fault, ``None`` for a healthy run
    :param onset: environment step at which the fault begins; alarms before it are false
    :param origin: commit, date and versions that it was recorded with
    :param peer: verdict of a package that watched the run in place of our callback
    """

    case: Case
    returns: tuple[float, ...] = ()
    own_returns: tuple[float, ...] | None = None
    seconds: float = 0.0
    steps: int = 0
    error: str | None = None
    truth: Truth | None = None
    onset: int = 0
    origin: Mapping[str, str] = field(default_factory=dict)
    peer: PeerVerdict | None = None

    def to_json(self) -> dict[str, Any]:
        own = None if self.own_returns is None else _encoded(self.own_returns)
        return {**asdict(self), "returns": _encoded(self.returns), "own_returns": own}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Result:
        truth, own, peer = data["truth"], data["own_returns"], data["peer"]
        return cls(
            **{
                **data,
                "case": Case.from_json(data["case"]),
                "returns": tuple(map(float, data["returns"])),
                "own_returns": None if own is None else tuple(map(float, own)),
                "truth": None if truth is None else Truth(**truth),
                "peer": None if peer is None else PeerVerdict(**{**peer, "what": (*peer["what"],)}),
            }
        )

    def with_truth(self, truths: Mapping[str, Truth]) -> Result:
        """The same with what is known about its fault today."""
        return replace(self, truth=truths.get(self.case.fault or "", self.truth))


def compact(value: float) -> float:
    """Rounded to :data:`DIGITS` significant digits; whole numbers and non-finite ones stay."""
    return float(f"{value:.{DIGITS}g}") if abs(value) < 1e15 and value % 1 else float(value)


def _encoded(values: Iterable[float]) -> list[float | str]:
    return [encode_number(compact(value)) for value in values]


def write_history(path: Path, history: History) -> None:
    """``monitor.jsonl``, compressed, numbers rounded; the same history gives the same bytes."""
    text = io.StringIO()
    write_header(text, history.info)
    for snapshot in history:
        write_snapshot(
            text,
            Snapshot(
                snapshot.step,
                snapshot.seconds,
                {name: compact(value) for name, value in snapshot.values.items()},
                {name: tuple(map(compact, row)) for name, row in snapshot.arrays.items()},
            ),
        )
    _replace(path, gzip.compress(text.getvalue().encode(), compresslevel=6, mtime=0))


def read_history(path: Path) -> History:
    """:raises ValueError: when the file is missing or not a compressed history"""
    try:
        lines = gzip.decompress(path.read_bytes()).decode().splitlines()
        header, *rest = (json.loads(line) for line in lines)
        return History(RunInfo.from_json(header), map(Snapshot.from_json, rest))
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a recorded history: {error}") from None


def write_result(path: Path, result: Result) -> None:
    text = json.dumps(result.to_json(), allow_nan=False, indent=1)
    _replace(path, text.encode())


def read_result(path: Path) -> Result:
    """:raises ValueError: when the file is missing or holds no result"""
    try:
        return Result.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not the result of a case: {error}") from None


def is_complete(folder: Path, case: Case) -> bool:
    """Whether the case was recorded with exactly these settings; a changed scenario runs anew."""
    try:
        return read_result(folder / f"{case.slug}{RESULT}").case == case
    except ValueError:
        return False


def results(folder: Path) -> list[Result]:
    """All results of a folder, by name.

    :raises ValueError: when there is none, or one cannot be read
    """
    paths = sorted(folder.glob(f"*--s*{RESULT}")) if folder.is_dir() else []
    if not paths:
        raise ValueError(f"{folder} holds no recorded case")
    return [read_result(path) for path in paths]


def total_bytes(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def _replace(path: Path, content: bytes) -> None:
    """A reader sees the old file, the new one or none, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
