"""The tables in the terminal, and in Markdown for ``benchmarks/faults.md``."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from sb3_ac_ext.benchmark.faults import words
from sb3_ac_ext.benchmark.faults.judge import Judged
from sb3_ac_ext.benchmark.faults.origin import origin
from sb3_ac_ext.benchmark.faults.summary import Part
from sb3_ac_ext.console import TABLES, make_console

Rows = Iterable[Sequence[str]]


def print_tables(parts: Sequence[Part]) -> None:
    """Recognition, false alarms, and what was missed, of each part."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    console = make_console(TABLES)

    def show(headings: Sequence[str], rows: Rows) -> None:
        table = Table(box=SIMPLE_HEAD)
        for i, heading in enumerate(headings):
            table.add_column(heading, justify="left" if i == 0 else "right")
        for row in rows:
            table.add_row(*row)
        if table.row_count:
            console.print(table)

    for part in parts:
        console.print(words.TITLES[part.name], style="bold")
        show(words.FOUND_HEADINGS, (words.found_row(row) for row in part.recognised if row.found.n))
        show(words.ALARM_HEADINGS, (words.alarm_row(row) for row in part.alarms if row.warned.n))
        show(words.PEER_HEADINGS, (words.peer_row(row) for row in part.peers))
        for row in words.missed(part.faults):
            found = row.result.found
            console.print(f"  missed {found.n - found.k} of {found.n}: {row.fault}, {row.scenario}")
        for text in words.remarks(part):
            console.print(f"  {text}", markup=False)
    console.print(f"Bounds: {words.BOUNDS}", style="dim")


def markdown(parts: Sequence[Part], judged: Sequence[Judged], arguments: Sequence[str] = ()) -> str:
    """All tables as one document.

    :param parts: of the split, in the order of the document
    :param judged: all runs, for what they were recorded with
    :param arguments: of the command that made it
    """
    today = origin()
    lines = [
        "# What is found, and how often an alarm is false",
        "",
        f"Command: `{shlex.join(['sb3-ac', 'benchmark', 'faults', *arguments])}`.",
        f"Judged: {', '.join(f'{key} {value}' for key, value in today.items())}. "
        f"Recorded: {words.recorded_with(judged)}.",
        "",
        f"Bounds: {words.BOUNDS}. Intervals are exact (Clopper-Pearson), 95 %.",
        "",
        words.harm_rule(),
    ]
    for part in parts:
        lines += ["", f"## {words.TITLES[part.name]}", ""]
        lines += _table(
            words.FOUND_HEADINGS, [words.found_row(r) for r in part.recognised if r.found.n]
        )
        lines += _table(
            words.ALARM_HEADINGS, [words.alarm_row(r) for r in part.alarms if r.warned.n]
        )
        if part.peers:
            lines += _table(words.PEER_HEADINGS, [words.peer_row(row) for row in part.peers])
        lines += [*words.remarks(part), ""] if words.remarks(part) else []
        lines += [
            "### Each fault",
            "",
            *_table(words.FAULT_HEADINGS, map(words.fault_row, part.faults)),
        ]
        lines += ["### Confusion of causes", "", *_table(*_confusion(part))]
    return "\n".join(lines).rstrip() + "\n"


def _table(headings: Sequence[str], rows: Rows) -> list[str]:
    rows = list(rows)
    if not rows:
        return ["No runs.", ""]
    lines = [headings, ["---"] + ["---:"] * (len(headings) - 1), *rows]
    return [*("| " + " | ".join(line) + " |" for line in lines), ""]


def _confusion(part: Part) -> tuple[Sequence[str], list[Sequence[str]]]:
    """A row per true cause: how often it was named first, and what was named instead."""
    rows: list[Sequence[str]] = []
    for true in sorted({true for true, _ in part.confusion}):
        named = {name: n for (cause, name), n in part.confusion.items() if cause == true}
        others = sorted(((n, name) for name, n in named.items() if name != true), reverse=True)
        wrong = ", ".join(f"{name} {n}" for n, name in others)
        rows.append([true, str(sum(named.values())), str(named.get(true, 0)), wrong])
    return ("true cause", "runs", "named first", "named instead"), rows
