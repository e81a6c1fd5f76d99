"""``sb3-ac diagnose``: judge a recorded run, or a folder of them, without environment or GPU."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sb3_ac_ext.cli.arguments import run_path
from sb3_ac_ext.console import make_console
from sb3_ac_ext.monitoring.records import encode_number

if TYPE_CHECKING:
    from rich.console import Console

    from sb3_ac_ext.monitoring.history import History
    from sb3_ac_ext.monitoring.records import Verdict

EXIT_FINE, EXIT_CRITICAL, EXIT_UNUSABLE = 0, 1, 2
_LAST = ("episodes/return_mean", "canary/return_mean")

_DESCRIPTION = """\
Judge a run from its files: a run folder of ours or of the RL Zoo, progress.csv, TensorBoard event
files, evaluations.npz or *.monitor.csv. A folder of many runs gives a table. What the files do not
hold is listed as not observed and is not judged.
"""
_EPILOG = """\
exit status: 0 nothing critical, 1 at least one critical finding, 2 the input cannot be used
"""


@dataclass(frozen=True)
class Judged:
    """A run folder or file with what came of it: history and verdict, or the problem."""

    path: Path
    history: History | None = None
    verdict: Verdict | None = None
    problem: str = ""


def add_parser(subparsers: Any) -> None:
    """:param subparsers: of the ``sb3-ac`` command"""
    parser = subparsers.add_parser(
        "diagnose",
        help="say whether a recorded run is healthy, and if not, what is wrong",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("path", type=run_path, metavar="RUN", help="run folder, file or log folder")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument(
        "--verbose", action="store_true", help="all causes, and each finding with its details"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """
    :param args: with ``path``, ``json`` and ``verbose``
    :return: exit status
    :raises ValueError: when the path holds nothing that can be judged
    """
    from sb3_ac_ext.monitoring.sources import run_folders

    folders = run_folders(args.path)
    if len(folders) > 1:
        return _many(args.path, folders, args.json)
    judged = _judge(folders[0] if folders else args.path)
    if args.json:
        _print_json(_run_json(judged))
    else:
        _print_run(make_console(), judged, args.verbose)
    return _exit_status([judged])


def _judge(path: Path) -> Judged:
    from sb3_ac_ext.monitoring.sources import load_history
    from sb3_ac_ext.monitoring.watch import judge

    history = load_history(path)
    return Judged(path, history, judge(history))


def _judge_or_problem(path: Path) -> Judged:
    try:
        return _judge(path)
    except (ValueError, OSError) as error:
        return Judged(path, problem=str(error))


def _exit_status(runs: Iterable[Judged]) -> int:
    statuses = [judged.verdict.status if judged.verdict else None for judged in runs]
    if "critical" in statuses:
        return EXIT_CRITICAL
    return EXIT_UNUSABLE if all(status is None for status in statuses) else EXIT_FINE


def _many(path: Path, folders: list[Path], as_json: bool) -> int:
    runs = [_judge_or_problem(folder) for folder in folders]
    if as_json:
        _print_json({"path": str(path), "runs": [_run_json(judged) for judged in runs]})
    else:
        _print_table(make_console(), path, runs)
    return _exit_status(runs)


def _print_json(document: dict[str, Any]) -> None:
    print(json.dumps(document, indent=2, allow_nan=False, default=str))


def _run_json(judged: Judged) -> dict[str, Any]:
    if judged.history is None or judged.verdict is None:
        return {"path": str(judged.path), "error": judged.problem}
    info = judged.history.info
    return {
        "path": str(judged.path),
        "run": {name: _finite(value) for name, value in info.to_json().items()},
        "step": judged.history.step,
        "snapshots": len(judged.history),
        "last": {name: _last(judged.history, name) for name in _LAST},
        **judged.verdict.to_json(),
        "not_observed": dict(info.not_observed),
        "notes": list(judged.history.notes),
    }


def _finite(value: Any) -> Any:
    """Hyperparameters may be infinite, JSON has no such numbers."""
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    return encode_number(value) if isinstance(value, float) else value


def _last(history: History, name: str) -> float | str | None:
    series = history.series(name, last=1)
    return encode_number(series.values[0]) if series else None


def _print_run(console: Console, judged: Judged, verbose: bool) -> None:
    from sb3_ac_ext.monitoring.sinks.verdict_view import TOP_CAUSES, verdict_lines

    history, verdict = judged.history, judged.verdict
    assert history is not None and verdict is not None
    console.print(_headline(history), style="bold", markup=False)
    for line in verdict_lines(verdict, None if verbose else TOP_CAUSES):
        console.print(line)
    _print_findings(console, verdict, verbose)
    _print_pairs(console, "Not observed, not judged", history.info.not_observed.items())
    for note in history.notes:
        console.print(f"Note: {note}", style="dim", markup=False)


def _headline(history: History) -> str:
    info = history.info
    facts = [" on ".join(filter(None, (info.algo, info.env_id))) or "unknown algorithm"]
    if info.seed is not None:
        facts.append(f"seed {info.seed}")
    total = f" of {info.total_timesteps:,}" if info.total_timesteps else ""
    facts.append(f"{history.step:,}{total} steps")
    facts.append(f"read from {'monitor.jsonl' if info.source == 'callback' else info.source}")
    return ", ".join(facts)


def _print_findings(console: Console, verdict: Verdict, verbose: bool) -> None:
    from sb3_ac_ext.monitoring.sinks.verdict_view import Line, finding_line

    if verdict.findings:
        console.print("Findings", style="bold")
    for finding in verdict.findings:
        console.print(finding_line(finding))
        if verbose:
            measure = f"{finding.value:.4g}, threshold {finding.threshold:.4g}"
            console.print(Line(f"{measure}, since step {finding.since:,}", label="value"))
            console.print(Line(", ".join(finding.series), label="series"))
            console.print(Line(finding.advice, label="try"))


def _print_pairs(console: Console, title: str, pairs: Iterable[tuple[str, str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for name, reason in pairs:
        table.add_row(Text(f"  {name}"), Text(reason, style="dim"))
    if table.row_count:
        console.print(title, style="bold")
        console.print(table)


def _print_table(console: Console, path: Path, runs: list[Judged]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    console.print(f"{len(runs)} runs in {path}", style="bold", markup=False)
    table = Table(box=SIMPLE_HEAD)
    for name in ("run", "algo", "env"):
        table.add_column(name, overflow="fold")
    for name in ("steps", "last return", "last canary"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("top cause", overflow="fold")
    for judged in runs:
        table.add_row(*_cells(judged, path))
    console.print(table)


def _cells(judged: Judged, root: Path) -> list[Any]:
    from rich.text import Text

    from sb3_ac_ext.monitoring.sinks.verdict_view import STYLES

    name = Text(str(judged.path.relative_to(root)))
    history, verdict = judged.history, judged.verdict
    if history is None or verdict is None:
        problem = judged.problem.replace(f"{judged.path}/", "")
        return [name, *[""] * 5, Text("unusable", style="red"), Text(problem)]
    returns = [history.series(series, last=1) for series in _LAST]
    return [
        name,
        history.info.algo or "",
        history.info.env_id or "",
        f"{history.step:,}",
        *(f"{series.values[0]:,.1f}" if series else "" for series in returns),
        Text(verdict.status, style=STYLES.get(verdict.status, "dim")),
        Text(verdict.diagnoses[0].title if verdict.diagnoses else ""),
    ]
