"""Find the files that a record speaks of, and refuse a mixture of two units."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sb3_ac_ext.evaluation.unit import Unit, UnitPaths, aside, sha256

_TRIES = 3


@dataclass(frozen=True)
class OpenUnit:
    """
    :param unit: what its record says
    :param model: the model's file, its hash checked
    :param vecnormalize: the normaliser's, its hash checked; ``None`` for one without
    """

    unit: Unit
    model: Path
    vecnormalize: Path | None


def read_unit(folder: str | Path) -> OpenUnit | None:
    """Open a saved unit; nothing is written.

    A file that a crash left under its temporary name is found there. While a training goes on, a
    unit that is replaced at this very moment is read again.

    :param folder: of a run
    :return: ``None`` where there is no record
    :raises ValueError: if the record cannot be read, or the files are not those that it names
    """
    paths = UnitPaths(Path(folder))
    for left in reversed(range(_TRIES)):
        unit = _read_record(paths.record)
        if unit is None:
            return None
        try:
            return OpenUnit(unit, *_files(paths, unit))
        except ValueError:
            if not left or _read_record(paths.record) == unit:
                raise
    raise AssertionError("the last try returns or raises")


def _read_record(path: Path) -> Unit | None:
    try:
        return Unit.from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ValueError(f"{str(path)!r} cannot be read: {error}") from error


def _files(paths: UnitPaths, unit: Unit) -> tuple[Path, Path | None]:
    if paths.model.name not in unit.files:
        raise ValueError(f"{str(paths.record)!r} does not say which model it belongs to")
    model = _matching(paths.model, unit.files[paths.model.name], paths.record)
    digest = unit.files.get(paths.vecnormalize.name)
    if digest is None:
        return model, None
    return model, _matching(paths.vecnormalize, digest, paths.record)


def _matching(path: Path, digest: str, record: Path) -> Path:
    """The file, or what was to replace it when a crash came: whichever has this hash."""
    there = [candidate for candidate in (path, aside(path)) if candidate.is_file()]
    for candidate in there:
        if sha256(candidate) == digest:
            return candidate
    if path not in there:
        raise ValueError(f"{str(path)!r} is missing, which {record.name} beside it speaks of")
    raise ValueError(
        f"{str(path)!r} is not the file that {record.name} beside it was written for: its SHA-256 "
        f"begins with {sha256(path)[:12]}, not {digest[:12]}; files of two models are mixed"
    )
