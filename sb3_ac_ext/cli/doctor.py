"""``sb3-ac doctor``: examine environment, configuration or algorithm before the training."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from sb3_ac_ext.cli.arguments import read_whole_number
from sb3_ac_ext.console import make_console

if TYPE_CHECKING:
    from rich.console import Console

    from sb3_ac_ext.doctor import Check, Examination

EXIT_FINE, EXIT_FAILED = 0, 1
_STYLES = {
    "fail": "bold red",
    "warning": "yellow",
    "note": "cyan",
    "skipped": "dim",
    "ok": "green",
}

_DESCRIPTION = """\
Look for what would spoil a training, within a minute and before it begins. With --env the
environment is checked as a random policy sees it; with --algo too, its configuration for it.
With --algo alone the algorithm is trained on five probe environments with known answers, which
tells which stage of a custom algorithm is broken.
"""
_EPILOG = """\
exit status: 0 no failure, though warnings perhaps, 1 a failure or no time to look, 2 bad input
"""


def add_parser(subparsers: Any) -> None:
    """:param subparsers: of the ``sb3-ac`` command"""
    parser = subparsers.add_parser(
        "doctor",
        help="examine an environment, a configuration or an algorithm before the training",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--env", metavar="ID", help="environment id")
    parser.add_argument("--algo", help="name of an algorithm, or my_package.MyPPO")
    parser.add_argument("-conf", "--conf-file", help="YAML file, Python file or module")
    parser.add_argument("-params", "--hyperparams", nargs="+", help="key:value settings to replace")
    parser.add_argument("--env-kwargs", nargs="+", help="key:value arguments of the environment")
    parser.add_argument(
        "--gym-packages", nargs="+", default=[], help="modules that register environments"
    )
    parser.add_argument("--seed", type=read_whole_number, default=0, help="default: 0")
    parser.add_argument(
        "--timeout", type=float, default=60.0, metavar="SECONDS", help="default: 60"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """
    :param args: parsed flags
    :return: exit status
    :raises ValueError: for names, files or values that cannot be
    """
    from sb3_ac_ext.doctor import Status, examine
    from sb3_ac_ext.quiet import muted_stderr

    pairs = {name: _pairs(args, name) for name in ("hyperparams", "env_kwargs")}
    with muted_stderr(True):
        examination = examine(
            args.env,
            args.algo,
            conf_file=args.conf_file,
            gym_packages=args.gym_packages,
            seed=args.seed,
            timeout=args.timeout,
            **pairs,
        )
    if args.json:
        print(json.dumps(examination.to_json(), indent=2, allow_nan=False))
    else:
        _print(make_console(), examination)
    return EXIT_FAILED if examination.status in (Status.FAIL, Status.SKIPPED) else EXIT_FINE


def _pairs(args: argparse.Namespace, name: str) -> dict[str, Any] | None:
    from sb3_ac_ext.literals import parse_pairs
    from sb3_ac_ext.lookup import about

    with about(f"--{name.replace('_', '-')}"):
        value = getattr(args, name)
        return None if value is None else parse_pairs(value)


def _print(console: Console, examination: Examination) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from sb3_ac_ext.doctor import by_gravity

    console.print(examination.subject, style="bold", markup=False)
    table = Table(box=SIMPLE_HEAD)
    table.add_column("", no_wrap=True)
    table.add_column("check", no_wrap=True)
    table.add_column("what was seen", overflow="fold")
    for check in by_gravity(examination.checks):
        status = check.status.value
        table.add_row(Text(status, style=_STYLES[status]), Text(check.name), _seen(check))
    console.print(table)
    style = _STYLES[examination.status.value]
    line = f"Verdict: {examination.verdict} ({examination.seconds:.1f} s)"
    console.print(line, style=style, markup=False)


def _seen(check: Check) -> Any:
    from rich.text import Text

    if not check.remedy or check.status.value == "ok":
        return Text(check.message)
    return Text(check.message).append(f"\ntry: {check.remedy}", style="dim")
