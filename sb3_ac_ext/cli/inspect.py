"""``sb3-ac inspect``: what a saved model or bundle holds, and what a load of it would execute."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sb3_ac_ext.cli.arguments import run_path
from sb3_ac_ext.console import make_console

if TYPE_CHECKING:
    from rich.console import Console

    from sb3_ac_ext.inspection import Report, Use

EXIT_EXPECTED, EXIT_DOUBTFUL = 0, 1
_SHOWN = 12
_STYLES = {"suspicious": "bold red", "damaged": "bold red", "code": "yellow", "expected": "green"}
_SENTENCES = {
    "suspicious": "SUSPICIOUS: a load would do what does not belong in a saved model",
    "damaged": "DAMAGED: not all of it is as it was saved",
    "code": "CARRIES CODE: a load rebuilds functions from the file and may run them",
    "expected": "EXPECTED: a load only rebuilds data",
}
_NOTHING = "COMPLETE: all hashes and sizes are right, and a load executes nothing"

_DESCRIPTION = """\
Say what is in an SB3 model (.zip), a vecnormalize.pkl, a replay buffer, a file of torch.save or one
of our checkpoint bundles, and what a load of it would execute. Nothing is unpickled, imported or
written.
"""
_EPILOG = """\
exit status: 0 a load only rebuilds data, 1 it carries code, is suspicious or damaged, 2 bad input
"""


def add_parser(subparsers: Any) -> None:
    """:param subparsers: of the ``sb3-ac`` command"""
    parser = subparsers.add_parser(
        "inspect",
        help="say what a saved model holds, and what a load of it would execute",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("path", type=run_path, metavar="FILE", help="model, pickle or bundle")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--verbose", action="store_true", help="everything, nothing cut")
    parser.add_argument(
        "--trust", nargs="+", default=[], metavar="MODULE", help="modules of yours that may appear"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """
    :param args: with ``path``, ``json``, ``verbose`` and ``trust``
    :return: exit status
    :raises ValueError: when the file cannot be read, and for what is no name of a module
    """
    from sb3_ac_ext.inspection import Verdict, inspect_file

    report = inspect_file(args.path, args.trust)
    if args.json:
        print(json.dumps(report.to_json(), indent=2, allow_nan=False))
    else:
        _print(make_console(), report, None if args.verbose else _SHOWN)
    return EXIT_EXPECTED if report.verdict is Verdict.EXPECTED else EXIT_DOUBTFUL


def _print(console: Console, report: Report, most: int | None) -> None:
    verdict = report.verdict.value
    console.print(_clean(f"{report.title} ({_bytes(report.size)})"), style="bold")
    nothing = report.kind == "bundle" and not report.problems
    console.print(_clean(_NOTHING if nothing else _SENTENCES[verdict]), style=_STYLES[verdict])
    _print_load(console, report, most)
    _print_rows(console, "Damaged", [(problem,) for problem in report.problems], most)
    facts = {name: value for name, value in report.facts.items() if value is not None}
    _print_rows(console, "Content", _rows(facts), None)
    _print_pairs(console, "Hyperparameters", report.hyperparameters, most)
    for file, tensors in sorted(report.parameters.items(), key=lambda part: -len(part[1])):
        rows = [(name, f"{list(part.shape)}", part.dtype) for name, part in tensors.items()]
        count = sum(_elements(part.shape) for part in tensors.values())
        title = f"{file}: {_counted(len(rows), 'tensor')}, {_counted(count, 'number')}"
        _print_rows(console, title, rows, most)
    _print_rows(console, "Optimizers", _optimizers(report.optimizers), most)
    if most is None or report.kind == "bundle":
        _print_rows(console, "Files", [_file(part) for part in report.files], most)
    _print_pairs(console, "Versions", report.versions, most)
    for note in report.notes:
        console.print(_clean(f"Note: {note}"), style="dim")


def _print_pairs(console: Console, title: str, values: Mapping[str, Any], most: int | None) -> None:
    """In running text; what is not set comes last, by name only."""
    if most is None:
        _print_rows(console, title, _rows(values), None)
        return
    unset = [name for name, value in values.items() if value is None or value in ({}, [])]
    parts = [f"{name} = {_text(value)}" for name, value in values.items() if name not in unset]
    rows = [("; ".join(parts),)] if parts else []
    if unset:
        rows.append((f"not set: {', '.join(unset)}",))
    _print_rows(console, title, rows, None)


def _print_load(console: Console, report: Report, most: int | None) -> None:
    from sb3_ac_ext.inspection import Group

    titles = {
        Group.SUSPICIOUS: "A load would, suspiciously,",
        Group.CODE: "Code in the file",
        Group.EXPECTED: "A load would, as expected,",
    }
    for group, title in titles.items():
        rows = [_use(use) for use in report.of(group)]
        if group is not Group.EXPECTED or most is None:
            _print_rows(console, title, rows, most)
        elif rows:
            calls = sum(use.count for use in report.of(group) if use.kind != "imports")
            line = f"{len(rows)} known names are called {calls:,} times (--verbose lists them)"
            console.print(_clean(line), style="dim")


_VERBS = {"calls": "call", "creates": "create", "imports": "import", "changes": "change"}


def _use(use: Use) -> tuple[str, ...]:
    carried = use.group.value == "code" and " " in use.name
    name = use.name if carried else f"{_VERBS[use.kind]} {use.name}"
    if use.kind == "calls" and use.arguments:
        name += f"({use.arguments})"
    places = ", ".join(use.where[:3]) + (", ..." if len(use.where) > 3 else "")
    times = f" ({use.count:,} times)" if use.count > 1 else ""
    return name, f"in {places}{times}", "" if carried else use.reason


def _optimizers(optimizers: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for file, facts in optimizers.items():
        groups = facts["groups"]
        rate = ", ".join(f"lr {group['lr']}" for group in groups if "lr" in group)
        state = ", ".join(facts["state"]) or "no state yet"
        rows.append((file, rate, f"{state} of {facts['parameters']} parameters"))
    return rows


def _file(file: Any) -> tuple[str, ...]:
    return file.name, _bytes(file.size), "" if file.status == "ok" else file.status, file.note


def _rows(values: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [(name, _text(value)) for name, value in values.items()]


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_text(part)}" for name, part in value.items()) or "{}"
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        return "; ".join(value)
    return str(value)


def _print_rows(
    console: Console, title: str, rows: Iterable[tuple[str, ...]], most: int | None
) -> None:
    from rich.table import Table

    rows = list(rows)
    if not rows:
        return
    console.print(_clean(title), style="bold")
    table = Table.grid(padding=(0, 2), pad_edge=True)
    for _ in range(max(len(row) for row in rows)):
        table.add_column(overflow="fold")
    for name, *cells in rows[:most]:
        table.add_row(_clean(name), *(_clean(cell, "dim") for cell in cells))
    console.print(table)
    if most is not None and len(rows) > most:
        console.print(_clean(f"  ... and {len(rows) - most} more (--verbose)"), style="dim")


def _clean(text: str, style: str = "") -> Any:
    """Names in a file are anybody's: no markup, no control sequences for the terminal."""
    from rich.text import Text

    shown = (char if char.isprintable() else ascii(char)[1:-1] for char in text)
    return Text("".join(shown), style=style)


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def _bytes(size: int) -> str:
    for unit, least in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= least:
            return f"{size / least:.1f} {unit}"
    return f"{size} bytes"


def _elements(shape: Iterable[int]) -> int:
    count = 1
    for length in shape:
        count *= length
    return count
