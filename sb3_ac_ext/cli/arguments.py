"""Read single arguments of the command line: each error says what would do."""

from __future__ import annotations

import argparse
import math
import reprlib
from pathlib import Path

_MOST = 2**63 - 1


def read_whole_number(text: str) -> int:
    """
    :param text: ``100000`` or ``1e5``
    :raises argparse.ArgumentTypeError: if it is not a whole number, or one of more than 64 bits
    """
    for read in (int, float):
        try:
            number = read(text)
        except ValueError:
            continue
        if isinstance(number, float) and not (math.isfinite(number) and number.is_integer()):
            continue
        if abs(number) > _MOST:
            raise argparse.ArgumentTypeError(
                f"{reprlib.repr(text)} is not between {-_MOST} and {_MOST}"
            )
        return int(number)
    raise argparse.ArgumentTypeError(f"{reprlib.repr(text)} is not a whole number")


def run_path(text: str) -> Path:
    """
    :param text: a run folder, file or log folder
    :raises argparse.ArgumentTypeError: if it is empty, which ``Path`` takes for the present folder
    """
    if not text.strip():
        raise argparse.ArgumentTypeError("the path is empty: name a file or a folder, . for this")
    return Path(text)
