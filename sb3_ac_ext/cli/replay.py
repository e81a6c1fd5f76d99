"""``sb3-ac replay``: run a recorded update again and show the first tensor that goes wrong."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from sb3_ac_ext.cli.arguments import run_path

if TYPE_CHECKING:
    from sb3_ac_ext.flight.replay import Replayed

EXIT_FINE, EXIT_NONFINITE = 0, 1

_DESCRIPTION = """\
Run an update of a dump again, as the flight recorder wrote it into flight_STEP
(DiagnosticsCallback(flight_recorder=4, log_dir=...)), without the environment: through the
algorithm's own train(), with its weights, optimizer, data and random generators. Shows the first
tensor with a NaN or an infinity and where it came from, or what grew most against the updates
before.
"""
_EPILOG = """\
exit status: 0 all numbers were finite, 1 one was not, 2 the dump cannot be used
"""


def add_parser(subparsers: Any) -> None:
    """:param subparsers: of the ``sb3-ac`` command"""
    parser = subparsers.add_parser(
        "replay",
        help="run a recorded update again: the first tensor that goes wrong",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("path", type=run_path, metavar="DUMP", help="folder flight_STEP")
    parser.add_argument(
        "--update", type=int, default=-1, help="index of the update, from the end if negative"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """
    :param args: with ``path``, ``update`` and ``json``
    :return: exit status
    :raises ValueError: when the dump cannot be read or replayed
    """
    from sb3_ac_ext.flight.replay import replay

    replayed = replay(args.path, args.update)
    if args.json:
        print(json.dumps(replayed.to_json(), indent=2, allow_nan=False))
    else:
        for line in lines(replayed):
            print(line)
    return EXIT_NONFINITE if replayed.wrong else EXIT_FINE


def lines(replayed: Replayed) -> list[str]:
    """The answer for people, line by line.

    :param replayed: an update that was run again
    """
    name = replayed.algorithm.rpartition(".")[2]
    found = [
        f"{name}, update {replayed.index} at step {replayed.step:,} "
        f"({replayed.n_updates} recorded, counted from 0)",
        *(f"dumped because: {reason}" for reason in replayed.reasons),
        "",
        *(_wrong_lines(replayed) if replayed.wrong else _jump_lines(replayed)),
        "",
    ]
    if replayed.error:
        found.append(f"train() raised {replayed.error}")
    return [*found, _reproduced_line(replayed)]


def _wrong_lines(replayed: Replayed) -> list[str]:
    first, *rest = replayed.wrong
    found = [f"First wrong tensor: {first}"]
    if first.source:
        found.append(f"  {first.source}")
    if first.n_rows > len(first.told):
        found.append(f"  {_rows(first)}")
    found.extend(f"  {sentence}" for sentence in first.told)
    return [*found, *(f"then: {wrong}" for wrong in rest)]


def _rows(wrong: Any) -> str:
    if wrong.n_rows == wrong.batch_size:
        return f"all {wrong.n_rows} rows of {wrong.place.batch}"
    shown = ", ".join(str(row) for row in wrong.rows)
    more = wrong.n_rows - len(wrong.rows)
    rest = f" and {more} more" if more else ""
    word = "row" if wrong.n_rows == 1 else "rows"
    return f"{word} {shown}{rest} of the {wrong.batch_size} in {wrong.place.batch}"


def _jump_lines(replayed: Replayed) -> list[str]:
    found = ["All tensors stay finite."]
    if replayed.jumps:
        return [*found, "What grew most:", *(f"  {jump}" for jump in replayed.jumps)]
    if replayed.index == 0:
        return [*found, "There is no update before it in the dump to compare magnitudes with."]
    return found


def _reproduced_line(replayed: Replayed) -> str:
    if replayed.reproduced:
        return "The replay reproduced the recorded weights bit for bit."
    if replayed.reproduced is None:
        return f"Whether the weights are those of the run is not known: {replayed.note}."
    return f"The replay did NOT reproduce the recorded update: {replayed.note}."
