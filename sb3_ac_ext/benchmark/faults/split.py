"""Which half of faults, scenarios and seeds thresholds are tuned on; the rest is reported.

The halves stand in ``benchmarks/split.json`` and were fixed before any tuning; the file is written
by :func:`extended`, from hashes of the names and nothing else.

A run belongs to *tuning* when its fault, its scenario and its seed all do: only these may be
looked at when a threshold is set. A run is *held out* when its fault and its seed both are
(scenarios of either half: a detector may know the environment, not the fault); it is held out
*strictly* when its scenario is, too. Runs of mixed halves are in neither, and are used for
nothing. A healthy run has no fault: it is for tuning when its scenario and seed are, and held out
when its seed is.

The held-out half was read once, and what it showed was mended; since then it is for tuning, too.
So it is with every round of *fresh* runs that followed: seeds that nothing had been run with, and
every fault, of either half, in a scenario that it had not been run in. The newest round counts;
the others are *earlier*.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sb3_ac_ext.benchmark.faults.cases import Case, digest

PARTS = ("tuning", "held-out", "strictly-held-out", "earlier", "fresh", "all")
KINDS = ("faults", "scenarios", "seeds")
ROUNDS = ((6, 7, 8), (9, 10, 11), (12, 13, 14), (15, 16, 17))
"""Seeds of the rounds of fresh runs, each read once."""
FRESH = ROUNDS[-1]
"""Seeds of the newest round. Once it has been read, the next reading needs another."""
SPLIT = Path(__file__).resolve().parents[3] / "benchmarks" / "split.json"


@dataclass(frozen=True)
class Split:
    """Names of both halves, by kind: ``faults``, ``scenarios``, ``seeds``."""

    tuning: Mapping[str, frozenset[str]] = field(default_factory=dict)
    held_out: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def contains(self, part: str, case: Case) -> bool:
        """
        :param part: one of :data:`PARTS`
        :raises ValueError: for any other part
        """
        if part not in PARTS:
            raise ValueError(f"unknown split {part!r}: accepted are {', '.join(PARTS)}")
        if part == "all":
            return True
        if part == "fresh":
            return case.seed in FRESH
        if part == "earlier":
            return any(case.seed in seeds for seeds in ROUNDS[:-1])
        names = {"scenarios": case.scenario.name, "seeds": str(case.seed)}
        if case.fault is not None:
            names["faults"] = case.fault
        if part == "tuning":
            return all(name in self.tuning.get(kind, ()) for kind, name in names.items())
        if part == "held-out":
            del names["scenarios"]
        return all(name in self.held_out.get(kind, ()) for kind, name in names.items())

    def to_json(self) -> dict[str, Any]:
        return {
            half: {kind: sorted(names, key=_by_number) for kind, names in sides.items()}
            for half, sides in (("tuning", self.tuning), ("held_out", self.held_out))
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Split:
        sides = [
            {kind: frozenset(data[half][kind]) for kind in KINDS} for half in ("tuning", "held_out")
        ]
        return cls(*sides)


def extended(split: Split, kind: str, names: Iterable[str], group: Mapping[str, str]) -> Split:
    """The split with new names added, those that it knows left where they are.

    Within each group, in order of a hash, names go to the half that has fewer of the group: of two
    faults of one component, one is for tuning and one is held out.

    :param kind: one of :data:`KINDS`
    :param group: name -> group; those without one are a group of their own
    """
    tuning, held_out = set(split.tuning.get(kind, ())), set(split.held_out.get(kind, ()))
    for name in sorted(set(names) - tuning - held_out, key=lambda name: digest(f"{kind}:{name}")):
        mine = group.get(name)
        fewer = sum(group.get(n) == mine for n in tuning) - sum(
            group.get(n) == mine for n in held_out
        )
        odd = int(digest(f"{kind}/{mine}"), 16) % 2  # the half that gets the odd one
        (tuning if fewer < odd else held_out).add(name)
    return Split(
        {**split.tuning, kind: frozenset(tuning)}, {**split.held_out, kind: frozenset(held_out)}
    )


def read_split(path: Path = SPLIT) -> Split:
    """:raises ValueError: when the file is missing or not a split"""
    try:
        return Split.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a split: {error}") from None


def write_split(split: Split, path: Path = SPLIT) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(split.to_json(), indent=2) + "\n", encoding="utf-8")


def _by_number(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdigit() else (-1, name)
