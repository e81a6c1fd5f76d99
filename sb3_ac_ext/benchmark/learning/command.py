"""``sb3-ac benchmark learning`` and ``sb3-ac benchmark solve``: measure and print."""

from __future__ import annotations

import argparse
import json
import re
from functools import partial
from statistics import mean, median

from rich.box import SIMPLE_HEAD
from rich.table import Table

from sb3_ac_ext.benchmark.faults.cases import Scenario
from sb3_ac_ext.benchmark.learning import curves
from sb3_ac_ext.benchmark.learning.curves import Learnt
from sb3_ac_ext.benchmark.learning.sides import EAGER, IN_BACKGROUND, SB3
from sb3_ac_ext.benchmark.learning.solving import CHECK, EPISODES, SOLVED, Race, race
from sb3_ac_ext.console import TABLES, make_console

TARGET = 0.5
"""Of SB3's seconds, at most."""
ALPHA = 0.05


def run_learning(args: argparse.Namespace) -> int:
    """
    :param args: with ``only``, ``seeds``, ``jobs`` and ``json``
    :return: 0, or 2 when no task's name matches
    """
    tasks = [task for task in curves.TASKS if re.search(args.only, task.name)]
    if not tasks:
        names = ", ".join(task.name for task in curves.TASKS)
        print(f"no task's name contains {args.only!r}; there are {names}")
        return 2
    say = (lambda text: None) if args.json else partial(print, flush=True)
    found = curves.learn(tasks, range(args.seeds), args.jobs, say=say)
    if args.json:
        print(json.dumps([one.to_json() for one in found], indent=2))
    else:
        _print_learnt(found)
    return 0


def _print_learnt(found: list[Learnt]) -> None:
    table = Table(title="Mean return over seeds, 95 % interval", box=SIMPLE_HEAD)
    for heading in ("task", "steps", "side", "return", "interval", "p", "effect", ""):
        table.add_column(heading, justify="left" if heading in ("task", "side") else "right")
    for one in found:
        for side in one.returns:
            low, high = one.interval(side)
            p_value, effect = one.against(side)
            worse = p_value < ALPHA and effect < 0.0
            compared = ("", "", "") if side == SB3.name else (
                f"{p_value:.2f}", f"{effect:+.2f}", "worse" if worse else ""
            )  # fmt: skip
            value = f"{mean(one.returns[side]):.1f}"
            name = (one.task, f"{one.budget:,}") if side == SB3.name else ("", "")
            table.add_row(*name, side, value, f"{low:.1f} to {high:.1f}", *compared)
    make_console(TABLES).print(table)


def run_solve(args: argparse.Namespace) -> int:
    """
    :param args: with ``algo``, ``seeds`` and ``json``
    :return: 0; a missed target is printed, not an error
    """
    say = (lambda text: None) if args.json else partial(print, flush=True)
    results = []
    for algo in args.algo:
        task = Scenario(algo, "CartPole-v1", "tuned", 200_000, 8, continuous=False)
        results.append(race(task, range(args.seeds), (SB3, EAGER, IN_BACKGROUND), say))
    if args.json:
        print(json.dumps([result.to_json() for result in results], indent=2))
    for result in () if args.json else results:
        _print_race(result)
    return 0


def _print_race(result: Race) -> None:
    title = (
        f"{result.task}: seconds of training until {EPISODES} episodes return {SOLVED:g} on "
        f"average, checked every {CHECK:,} steps"
    )
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for heading in ("side", "median", "range", "x SB3", "imports"):
        table.add_column(heading, justify="left" if heading == "side" else "right")
    for side in dict.fromkeys(run.side for run in result.runs):
        seconds = result.seconds(side)
        imports = median(run.imports for run in result.runs if run.side == side)
        table.add_row(
            side,
            f"{median(seconds):.1f}",
            f"{min(seconds):.1f} to {max(seconds):.1f}",
            f"{result.ratio(side, SB3.name):.2f}",
            f"{imports:.1f}",
        )
    console = make_console(TABLES)
    console.print(table)
    best = min(result.ratio(s.name, SB3.name) for s in (EAGER, IN_BACKGROUND))
    console.print(
        f"  of SB3's: {best:.2f}, target {TARGET} {'kept' if best <= TARGET else 'missed'}"
    )
