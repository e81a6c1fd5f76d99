"""``sb3-ac benchmark speed`` and ``profile``: print a table per work, or a JSON document."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table

from sb3_ac_ext.benchmark.speed import works
from sb3_ac_ext.benchmark.speed.measure import Measured, Speed, measure
from sb3_ac_ext.benchmark.speed.plot import write_plot
from sb3_ac_ext.benchmark.speed.profile import PARTS, PROFILED, Profile, profile
from sb3_ac_ext.benchmark.speed.works import COMPILED, EAGER, SB3
from sb3_ac_ext.console import TABLES, make_console


def run(args: argparse.Namespace) -> int:
    """
    :param args: with ``rounds``, ``algo``, ``timesteps``, ``vary``, ``plot`` and ``json``
    :return: 0; a missed target is printed, not an error
    """
    chosen = _chosen(args.algo)
    if args.vary is not None:
        chosen = [one for work in _first(chosen) for one in works.varied(work, args.vary)]
    results = []
    for work in chosen:
        if not args.json:
            print(f"{work.name}: {args.rounds} rounds ...", flush=True)
        results.append(measure(work, args.rounds, args.timesteps))
        if not args.json:
            print_table(results[-1])
    if args.plot:
        write_plot(results, Path(args.plot))
    if args.json:
        print(json.dumps([result.to_json() for result in results], indent=2))
    return 0


def run_profile(args: argparse.Namespace) -> int:
    """
    :param args: with ``algo``, ``timesteps`` and ``json``
    :return: 0
    """
    found = [
        [profile(work, side, args.timesteps) for side in PROFILED]
        for work in _first(_chosen(args.algo))
    ]
    if args.json:
        print(json.dumps([one.to_json() for group in found for one in group], indent=2))
    for group in () if args.json else found:
        _print_profile(group)
    return 0


def _chosen(algos: list[str] | None) -> list[works.Work]:
    return [w for w in works.WORKS if algos is None or w.algo.lower() in algos]


def _first(chosen: list[works.Work]) -> list[works.Work]:
    """Of each algorithm's works the first."""
    found: dict[str, works.Work] = {}
    for work in chosen:
        found.setdefault(work.algo, work)
    return [*found.values()]


def _print_profile(profiles: list[Profile]) -> None:
    title = f"{profiles[0].work}: microseconds per step, one thread"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("part")
    for one in profiles:
        table.add_column(one.side, justify="right")
    for part in PARTS:
        table.add_row(part, *(f"{one.parts[part]:,.1f}" for one in profiles))
    table.add_row("all", *(f"{sum(one.parts.values()):,.1f}" for one in profiles))
    if profiles[0].acting is not None:
        table.add_row("acting on 8 observations", *(f"{one.acting:,.0f}" for one in profiles))
    make_console(TABLES).print(table)


def _break_even(result: Measured, side: Speed) -> str:
    """In steps, of a side that compiles, against ours that does not."""
    eager = next((s for s in result.sides if s.side == EAGER), None)
    if side.side != COMPILED or eager is None:
        return ""
    steps = result.break_even(side, eager)
    return "never" if steps is None else f"{steps:,.0f}"


def print_table(result: Measured) -> None:
    """One work's sides, and whether its targets are kept."""
    table = Table(title=result.work, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("side", "steps/s", "range", "x SB3", "limit", "MiB", "pays from"):
        table.add_column(heading, justify="left" if heading == "side" else "right", no_wrap=True)
    for side in result.sides:
        low, high = min(side.steps_per_second), max(side.steps_per_second)
        table.add_row(
            side.side,
            f"{side.typical:,.0f}",
            f"{low:,.0f} to {high:,.0f}",
            f"{result.over(SB3, side):.2f}",
            f"{result.of_limit(side):.0%}",
            f"{side.peak_memory:,.0f}",
            _break_even(result, side),
        )
    console = make_console(TABLES)
    console.print(table)
    found = (result.over(SB3), result.over("sbx"), result.of_limit())
    names = ("over SB3", "over SBX", "of the limit")
    for name, value, target in zip(names, found, result.targets, strict=True):
        if value is not None and target is not None:
            verdict = "kept" if value >= target else "missed"
            console.print(f"  {name}: {value:.2f}, target {target:.2f} {verdict}")
