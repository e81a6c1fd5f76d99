"""``sb3-ac benchmark``: the measurements that the README quotes."""

from __future__ import annotations

import argparse
import json
import re
from functools import partial
from typing import Any

from sb3_ac_ext.console import TABLES, make_console


def add_parser(subparsers: Any) -> None:
    """:param subparsers: of the main parser"""
    parser = subparsers.add_parser("benchmark", help="measure what the monitor costs and finds")
    parser.set_defaults(run=run)
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    _add_faults(kinds)
    overhead = kinds.add_parser(
        "overhead", help="wall time of training with monitor or bundles over without, no canary"
    )
    overhead.add_argument("--pairs", type=_positive, default=7, help="pairs per work (default 7)")
    overhead.add_argument("--algo", nargs="+", choices=("ppo", "a2c", "sac"), default=None)
    overhead.add_argument(
        "--only", default="", metavar="REGEX", help="works whose name contains it, such as bundles"
    )
    overhead.add_argument("--num-threads", type=_positive, default=1, help="of PyTorch (default 1)")
    overhead.add_argument("--json", action="store_true", help="print one JSON document")
    speed = kinds.add_parser("speed", help="steps per second beside SB3 and SBX (extra peers)")
    speed.add_argument("--rounds", type=_positive, default=5, help="of all sides (default 5)")
    speed.add_argument("--algo", nargs="+", choices=("ppo", "a2c", "sac", "td3"), default=None)
    speed.add_argument("--timesteps", type=_positive, default=None, help="of a run, for a trial")
    speed.add_argument(
        "--vary", choices=("n_envs", "width", "batch_size"), help="measure cost against this"
    )
    speed.add_argument("--plot", metavar="FILE", help="HTML file with bars")
    speed.add_argument("--json", action="store_true", help="print one JSON document")
    speed.set_defaults(run=_run_speed)
    profile = kinds.add_parser("profile", help="where the time of a step goes, SB3's and ours")
    profile.add_argument("--algo", nargs="+", choices=("ppo", "a2c", "sac", "td3"), default=None)
    profile.add_argument("--timesteps", type=_positive, default=None, help="of a run, for a trial")
    profile.add_argument("--json", action="store_true", help="print one JSON document")
    profile.set_defaults(run=_run_profile)
    _add_learning(kinds)
    imports = kinds.add_parser("imports", help="seconds that importing this package adds to SB3's")
    imports.add_argument("--rounds", type=_positive, default=5, help="new processes (default 5)")
    imports.add_argument("--json", action="store_true", help="print one JSON document")
    imports.set_defaults(run=_run_imports)
    replay = kinds.add_parser("replay", help="cost of a prioritized batch over a uniform one")
    replay.add_argument("--transitions", type=_positive, default=1_000_000, help="(default 1e6)")
    replay.add_argument("--batch-size", type=_positive, default=256, help="(default 256)")
    replay.add_argument("--rounds", type=_positive, default=15, help="(default 15)")
    replay.add_argument("--json", action="store_true", help="print one JSON document")
    replay.set_defaults(run=run_replay)
    remedies = kinds.add_parser(
        "remedies", help="returns of clean runs, of broken ones, and of broken ones with actions"
    )
    remedies.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="(default 1 2 3)")
    remedies.add_argument("--num-threads", type=_positive, default=1, help="of PyTorch (default 1)")
    remedies.add_argument("--json", action="store_true", help="print one JSON document")
    remedies.set_defaults(run=run_remedies)
    _add_workers(kinds)
    crash = kinds.add_parser("crash", help="what a run loses when it is killed or its disk fails")
    crash.add_argument("--kills", type=_positive, default=100, help="(default 100)")
    crash.add_argument("--seed", type=int, default=0, help="of the moments (default 0)")
    crash.add_argument("--json", action="store_true", help="print one JSON document")
    crash.set_defaults(run=_run_crash)


def _add_workers(kinds: Any) -> None:
    workers = kinds.add_parser(
        "workers", help="one of eight workers pays ten times: plain, VecNormalize, per worker"
    )
    workers.add_argument("--algo", nargs="+", choices=("ppo", "a2c"), default=["ppo", "a2c"])
    workers.add_argument("--seeds", type=_positive, default=5, help="how many (default 5)")
    workers.add_argument("--timesteps", type=_positive, default=None, help="of a run, for a trial")
    workers.add_argument("--jobs", type=_positive, default=2, help="processes (default 2)")
    workers.add_argument("--json", action="store_true", help="print one JSON document")
    workers.set_defaults(run=_run_workers)


def _add_learning(kinds: Any) -> None:
    learning = kinds.add_parser(
        "learning", help="what the drop-in algorithms and SB3 have learnt within a budget"
    )
    learning.add_argument(
        "--only", default="", metavar="REGEX", help="tasks whose name contains it"
    )
    learning.add_argument("--jobs", type=_positive, default=2, help="processes (default 2)")
    learning.set_defaults(run=_run_learning)
    solve = kinds.add_parser("solve", help="seconds until CartPole-v1 is solved, beside SB3")
    solve.add_argument("--algo", nargs="+", choices=("ppo", "a2c"), default=["ppo", "a2c"])
    solve.set_defaults(run=_run_solve)
    for parser in (learning, solve):
        parser.add_argument("--seeds", type=_positive, default=5, help="how many (default 5)")
        parser.add_argument("--json", action="store_true", help="print one JSON document")


def _run_imports(args: argparse.Namespace) -> int:
    from sb3_ac_ext.benchmark.imports import measure

    found = measure(args.rounds)
    print(json.dumps(found.to_json(), indent=2) if args.json else found.line())
    return 0


def _run_crash(args: argparse.Namespace) -> int:
    from sb3_ac_ext.benchmark.crash.command import run_crash

    return run_crash(args)


def _run_workers(args: argparse.Namespace) -> int:
    from sb3_ac_ext.benchmark import workers

    say = (lambda text: None) if args.json else partial(print, flush=True)
    found = workers.compare(args.algo, range(args.seeds), args.timesteps, args.jobs, say)
    if args.json:
        print(json.dumps([one.to_json() for one in found], indent=2))
    else:
        workers.print_learnt(found)
    return 0


def _run_profile(args: argparse.Namespace) -> int:
    from sb3_ac_ext.benchmark.speed.command import run_profile

    return run_profile(args)


def _run_learning(args: argparse.Namespace) -> int:
    from sb3_ac_ext.benchmark.learning.command import run_learning

    return run_learning(args)


def _run_solve(args: argparse.Namespace) -> int:
    from sb3_ac_ext.benchmark.learning.command import run_solve

    return run_solve(args)


def _add_faults(kinds: Any) -> None:
    parser = kinds.add_parser("faults", help="what is found, and how often an alarm is false")
    parser.add_argument("--quick", action="store_true", help="about ten minutes on two cores")
    parser.add_argument(
        "--out", default="benchmarks/runs", metavar="FOLDER", help="for recorded runs and tables"
    )
    parser.add_argument("--jobs", type=_positive, default=2, help="processes (default 2)")
    parser.add_argument("--only", default="", metavar="REGEX", help="cases whose name contains it")
    parser.add_argument("--part", choices=("healthy", "faulty", "all"), default="all")
    parser.add_argument(
        "--judge-only", action="store_true", help="run nothing, judge what is recorded"
    )
    parser.add_argument(
        "--split",
        choices=("tuning", "held-out", "earlier", "fresh", "all"),
        default="fresh",
        help="part of the runs that are run and judged (default fresh)",
    )
    parser.add_argument(
        "--limit", type=_positive, default=300, metavar="SECONDS", help="of training per case"
    )
    parser.add_argument(
        "--peers",
        action="store_true",
        help="ask other packages about the same runs (extra peers); one has to watch them anew",
    )
    parser.add_argument(
        "--keep",
        default="",
        metavar="FOLDER",
        help="copy a representative part of the runs there, with their verdicts",
    )
    parser.set_defaults(run=_run_faults)


def _run_faults(args: argparse.Namespace) -> int:
    from sb3_ac_ext.benchmark.faults.command import run

    return run(args)


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
    named = [work for work in works() if re.search(args.only, work.name)]
    chosen = [w for w in named if args.algo is None or w.name.split()[0] in args.algo]
    results = []
    for work in chosen:
        if not args.json:
            print(f"{work.name}: {args.pairs} pairs of {work.timesteps:,} steps ...", flush=True)
        result = measure(work, args.pairs)
        results.append(result)
        if not args.json:
            print(f"  {result.line()}", flush=True)
    if args.json:
        print(json.dumps([result.to_json() for result in results], indent=2))
    else:
        _print_table(results)
    return 0


def _run_speed(args: argparse.Namespace) -> int:
    from sb3_ac_ext.benchmark.speed.command import run

    return run(args)


def run_replay(args: argparse.Namespace) -> int:
    """
    :param args: parsed arguments
    :return: 0
    """
    import torch as th

    from sb3_ac_ext.benchmark.replay import measure

    th.set_num_threads(1)
    cost = measure(args.transitions, args.batch_size, args.rounds)
    if args.json:
        print(json.dumps(cost.to_json(), indent=2))
        return 0
    print(
        f"{cost.batch_size} of {cost.transitions:,} transitions: uniform {cost.uniform:.0f} us, "
        f"prioritized {cost.prioritized:.0f} us, ratio {cost.ratio:.2f} ({cost.low:.2f} to "
        f"{cost.high:.2f} in {args.rounds} rounds); new priorities {cost.update:.0f} us"
    )
    return 0


def run_remedies(args: argparse.Namespace) -> int:
    """
    :param args: parsed arguments
    :return: 0
    """
    import torch as th

    from sb3_ac_ext.benchmark import remedies
    from sb3_ac_ext.run_spec import check_threads

    check_threads(args.num_threads)
    th.set_num_threads(args.num_threads)
    say = (lambda text: None) if args.json else partial(print, flush=True)
    results = remedies.run_remedies(args.seeds, say=say)
    if args.json:
        print(json.dumps([result.to_json() for result in results], indent=2))
    else:
        _print_remedies(results, remedies.TARGET)
    return 0


def _print_remedies(results: list[Any], target: float) -> None:
    from statistics import mean

    from rich.table import Table

    table = Table(
        title=f"Mean return of {len(results[0].clean)} runs each; target: remedied at least "
        f"{target:.0%} of clean"
    )
    for heading in ("fault", "task", "clean", "broken", "with actions", "recovered", "of clean"):
        table.add_column(heading, justify="left" if heading in ("fault", "task") else "right")
    for result in results:
        returns = (f"{mean(row):.1f}" for row in (result.clean, result.broken, result.remedied))
        table.add_row(
            result.fault, result.task, *returns, f"{result.recovered:.0%}", f"{result.share:.0%}"
        )
    make_console(TABLES).print(table)


def _print_table(results: list[Any]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    title = "Time of learn() with monitor or bundles over without, canary excluded"
    table = Table(title=title, box=SIMPLE_HEAD)
    for heading in ("work", "wall", "range of pairs", "CPU", "bound", "without", "own clock"):
        table.add_column(heading, justify="left" if heading == "work" else "right")
    for result in results:
        table.add_row(
            result.name,
            f"{result.ratio:.3f}",
            f"{result.low:.3f} to {result.high:.3f}",
            f"{result.cpu_ratio:.3f}",
            f"{result.target:.2f}",
            f"{result.plain_seconds:.1f} s",
            f"{result.callback_share:.1%}",
        )
    make_console(TABLES).print(table)
