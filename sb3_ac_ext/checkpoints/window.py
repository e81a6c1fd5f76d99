"""Which checkpoints are kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Kept:
    """
    :param steps: environment steps of a bundle
    :param score: lower bound of what its policy earns, NaN where nobody evaluated it
    :param good: whether weights were finite and nothing critical was open
    """

    steps: int
    score: float = math.nan
    good: bool = True


def superseded(bundles: Sequence[Kept], keep_last: int, keep_best: int) -> list[int]:
    """Which of the bundles may go.

    The newest ones stay, those with the best scores, and the newest good one, so that a run that
    went wrong long ago can still be taken up where it was right.

    :param bundles: in any order
    :param keep_last: how many of the newest stay
    :param keep_best: how many of the best stay
    :return: steps of those that may go
    """
    newest = sorted(bundles, key=lambda kept: kept.steps, reverse=True)
    scored = [kept for kept in newest if kept.good and not math.isnan(kept.score)]
    best = sorted(scored, key=lambda kept: kept.score, reverse=True)[:keep_best]
    good = [kept for kept in newest if kept.good][:1]
    stay = {kept.steps for kept in (*newest[:keep_last], *best, *good)}
    return [kept.steps for kept in newest if kept.steps not in stay]
