"""``sb3-ac benchmark``: the measurements that the README quotes."""

from __future__ import annotations

import argparse
import json
from typing import Any


def add_parser(subparsers: Any) -> None:
    """:param subparsers: of the main parser"""
    parser = subparsers.add_parser("benchmark", help="measure what the monitor costs")
    parser.set_defaults(run=run)
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    overhead = kinds.add_parser(
        "overhead", help="wall time of training with the callback over without it, canary excluded"
    )
    overhead.add_argument("--pairs", type=_positive, default=7, help="pairs per work (default 7)")
    overhead.add_argument("--algo", nargs="+", choices=("ppo", "a2c", "sac"), default=None)
    overhead.add_argument("--num-threads", type=_positive, default=1, help="of PyTorch (default 1)")
    overhead.add_argument("--json", action="store_true", help="print one JSON document")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def run(args: argparse.Namespace) -> int:
    """
    :param args: parsed arguments
    :return: 0; a missed target is printed, not an error, for machines are shared and noisy
    """
    import torch as th

    from sb3_ac_ext.benchmark.overhead import measure, works
    from sb3_ac_ext.run_spec import check_threads

    check_threads(args.num_threads)
    th.set_num_threads(args.num_threads)
    chosen = [w for w in works() if args.algo is None or w.name.split()[0] in args.algo]
    results = []
    for work in chosen:
        if not args.json:
            print(f"{work.name}: {args.pairs} pairs of {work.timesteps:,} steps ...", flush=True)
        results.append(measure(work, args.pairs))
    if args.json:
        print(json.dumps([result.to_json() for result in results], indent=2))
    else:
        _print_table(results)
    return 0


def _print_table(results: list[Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Wall time with DiagnosticsCallback over without, canary excluded")
    for heading in (
        "work",
        "wall ratio",
        "range of pairs",
        "best over best",
        "target",
        "without",
        "own clock",
    ):
        table.add_column(heading, justify="left" if heading == "work" else "right")
    for result in results:
        table.add_row(
            result.name,
            f"{result.ratio:.3f}",
            f"{result.low:.3f} to {result.high:.3f}",
            f"{result.best_ratio:.3f}",
            f"<= {result.target:.2f}",
            f"{result.plain_seconds:.1f} s",
            f"{result.callback_share:.1%}",
        )
    Console().print(table)
