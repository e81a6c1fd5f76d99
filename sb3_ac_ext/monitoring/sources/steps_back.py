"""Where the steps of a record go back: a run was resumed, or another one was appended."""

from __future__ import annotations

from collections.abc import Sequence


def kept_rows(steps: Sequence[int]) -> tuple[list[int], list[str]]:
    """Rows that still hold once a record has gone back.

    Where the steps go back to ``s``, what had been recorded from ``s`` on is superseded. A run that
    was resumed from a checkpoint keeps its past, one that began anew replaces the run before it.

    :param steps: of the rows, in the order in which they were written; equal ones may repeat
    :return: indices of the rows to keep, with non-decreasing steps, and a note for each step back
    """
    kept: list[int] = []
    notes: list[str] = []
    for row, step in enumerate(steps):
        before = len(kept)
        if kept and step < steps[kept[-1]]:
            last = steps[kept[-1]]
            while kept and steps[kept[-1]] >= step:
                kept.pop()
            notes.append(
                f"steps go back from {last} to {step}; {before - len(kept)} earlier rows from "
                f"step {step} on are superseded and left out"
            )
        kept.append(row)
    return kept, notes
