"""SB3's ``progress.csv``: one row per dump of the logger."""

from __future__ import annotations

import math
from pathlib import Path

from sb3_ac_ext.monitoring.sources.csv_table import Table, number, read_table
from sb3_ac_ext.monitoring.sources.names import canonical
from sb3_ac_ext.monitoring.sources.recording import NoDataError, Recording
from sb3_ac_ext.monitoring.sources.steps_back import kept_rows

STEP = "time/total_timesteps"
CLOCK = "time/time_elapsed"


def read_progress(path: Path) -> Recording:
    """Read ``progress.csv``.

    Rows at the same step become one snapshot, in which a later value replaces an earlier one. Where
    the steps go back, see :func:`kept_rows`. Rows without a step and cells that are no numbers are
    left out. All of it is noted.

    :raises ValueError: when the file cannot be read as a table of SB3's logger
    """
    table = read_table(path)
    if STEP not in table.columns:
        raise ValueError(f"{path} is no progress.csv of SB3's logger: it has no column {STEP!r}")
    recording = Recording("progress.csv", notes=list(table.notes))
    rows = _rows_that_hold(table, recording.notes)
    named = canonical(key for key in table.columns if not _is_text(key, rows, path, recording))
    for step, row in rows:
        cells = {key: number(row[key]) for key in named}
        recording.add(
            step,
            {
                named[key][0]: named[key][1] * value
                for key, value in cells.items()
                if value is not None
            },
        )
        seconds = number(row.get(CLOCK, ""))
        if seconds is not None:
            recording.seconds[step] = seconds
    if not recording.names:
        raise NoDataError(f"{path} holds no numbers")
    return recording


def _rows_that_hold(table: Table, notes: list[str]) -> list[tuple[int, dict[str, str]]]:
    name = table.path.name
    cells = [(number(row[STEP]), row) for row in table.rows]
    rows = [(int(step), row) for step, row in cells if step is not None and math.isfinite(step)]
    if len(rows) < len(table.rows):
        notes.append(f"{name}: {len(table.rows) - len(rows)} rows without a step are left out")
    kept, went_back = kept_rows([step for step, _ in rows])
    notes.extend(f"{name}: {note}" for note in went_back)
    return [rows[i] for i in kept]


def _is_text(
    key: str, rows: list[tuple[int, dict[str, str]]], path: Path, recording: Recording
) -> bool:
    """Whether no filled cell of a column is a number; notes the cells that are not."""
    filled = [row[key] for _, row in rows if row[key].strip()]
    wrong = sum(number(cell) is None for cell in filled)
    if wrong:
        recording.notes.append(
            f"{path.name}: {wrong} cells of {key} are no numbers and are left out"
        )
    return wrong == len(filled)
