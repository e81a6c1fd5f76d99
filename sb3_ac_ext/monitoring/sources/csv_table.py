"""A CSV file as rows of text cells, with the faults that killed and resumed runs leave in it."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

from sb3_ac_ext.monitoring.sources.recording import NoDataError


@dataclass
class Table:
    """
    :param comment: text of a first line that begins with ``#``, empty when there is none
    :param rows: one dict per line, column -> cell, in order; ``None`` never occurs
    :param notes: what was left out
    """

    path: Path
    comment: str
    columns: list[str]
    rows: list[dict[str, str]]
    notes: list[str] = field(default_factory=list)


def read_table(path: Path) -> Table:
    """Read a CSV file; a last line without line break was torn and is dropped with a note.

    :param path: of the file; a first line that begins with ``#`` is kept apart as its comment
    :raises ValueError: when it cannot be read, is not text, or a line before the last has more or
        fewer cells than the header
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a CSV file: it is not text") from None
    comment, text = _split_comment(text)
    if not text.strip():
        raise NoDataError(f"{path} is empty")
    notes = []
    if not text.endswith("\n"):
        text = text[: text.rfind("\n") + 1]
        notes.append(f"{path.name}: the last line was torn and is dropped")
    try:
        lines = [line for line in csv.reader(io.StringIO(text), strict=True) if line]
    except csv.Error as error:
        raise ValueError(f"{path} is not a valid CSV file: {error}") from None
    if len(lines) < 2:
        raise NoDataError(f"{path} holds no complete row")
    columns = lines[0]
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(columns):
            raise ValueError(
                f"{path} row {number} has {len(line)} cells, its header has {len(columns)}"
            )
    rows = [dict(zip(columns, line, strict=True)) for line in lines[1:]]
    return Table(path, comment, columns, rows, notes)


def _split_comment(text: str) -> tuple[str, str]:
    if not text.startswith("#"):
        return "", text
    comment, _, rest = text.partition("\n")
    return comment[1:].strip(), rest


def number(cell: str) -> float | None:
    """The value of a cell, ``None`` when it is empty or no number; NaN and infinity are values."""
    try:
        return float(cell)
    except ValueError:
        return None
