"""Where commands print their tables and judgements."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

TABLES = 150
"""Columns that a benchmark's tables may take on a pipe."""


def make_console(width: int = 10_000) -> Console:
    """As wide as the terminal. On a pipe nothing is wrapped: whoever reads it searches lines.

    :param width: columns on a pipe
    """
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else width)
