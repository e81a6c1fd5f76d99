"""``sb3-ac benchmark speed``: measure, print a table per work, or one JSON document."""

from __future__ import annotations

import argparse
import json

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from sb3_ac_ext.benchmark.speed import works
from sb3_ac_ext.benchmark.speed.measure import Measured, measure
from sb3_ac_ext.benchmark.speed.works import SB3


def run(args: argparse.Namespace) -> int:
    """
    :param args: with ``rounds``, ``algo``, ``timesteps`` and ``json``
    :return: 0; a missed target is printed, not an error
    """
    results = []
    for work in works.WORKS:
        if args.algo is None or work.algo.lower() in args.algo:
            if not args.json:
                print(f"{work.name}: {args.rounds} rounds ...", flush=True)
            results.append(measure(work, args.rounds, args.timesteps))
    if args.json:
        print(json.dumps([result.to_json() for result in results], indent=2))
    for result in () if args.json else results:
        _print_table(result)
    return 0


def _print_table(result: Measured) -> None:
    table = Table(title=result.work, title_justify="left", box=SIMPLE_HEAD)
    for heading in ("side", "steps/s", "range", "x SB3", "limit", "MiB"):
        table.add_column(heading, justify="left" if heading == "side" else "right", no_wrap=True)
    for side in result.sides:
        low, high = min(side.steps_per_second), max(side.steps_per_second)
        table.add_row(
            side.side,
            f"{side.typical:,.0f}",
            f"{low:,.0f} to {high:,.0f}",
            f"{result.over(SB3, side):.2f}",
            f"{side.typical / result.limit:.0%}",
            f"{side.peak_memory:,.0f}",
        )
    console = Console()
    console.print(table)
    of_limit = result.best.typical / result.limit
    found = (result.over(SB3), result.over("sbx"), of_limit)
    names = ("over SB3", "over SBX", "of the limit")
    for name, value, target in zip(names, found, result.targets, strict=True):
        if value is not None and target is not None:
            verdict = "kept" if value >= target else "missed"
            console.print(f"  {name}: {value:.2f}, target {target:.2f} {verdict}")
