"""The command ``sb3-ac``: one file per verb, which imports what it needs only when it runs."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Sequence
from typing import NoReturn

VERBS = ("train", "evaluate", "doctor", "diagnose", "report", "replay", "inspect", "benchmark")
BAD_INPUT = 2


class _Parser(argparse.ArgumentParser):
    """Reports a wrong flag like any other bad input: one sentence, no usage text."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message}; see {self.prog} --help")


def make_parser() -> argparse.ArgumentParser:
    """The parser with all verbs; building it imports neither torch nor SB3."""
    from sb3_ac_ext import __version__

    parser = _Parser(prog="sb3-ac", description="Train with Stable-Baselines3, watched.")
    parser.add_argument("--version", action="version", version=f"sb3-ac {__version__}")
    subparsers = parser.add_subparsers(dest="verb", metavar="verb", required=True)
    for verb in VERBS:
        name = f"{__name__}.{verb}"
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(name).add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """
    :param argv: the arguments, those of the process by default
    :return: exit code: 0 success, 2 bad input, or what the verb says
    """
    try:
        args = make_parser().parse_args(argv)
        return int(args.run(args))
    except (ValueError, OSError) as error:
        print(f"sb3-ac: error: {_one_line(error)}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        return 130


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
