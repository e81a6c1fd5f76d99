"""A representative part of the recorded runs, with the verdicts that are expected of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sb3_ac_ext.benchmark.faults.judge import NO_HISTORY, Judged
from sb3_ac_ext.benchmark.faults.records import HISTORY, RESULT

EXPECTED = "expected.json"
MOST_BYTES = 20_000_000


def representative(judged: Iterable[Judged]) -> list[Judged]:
    """One run of every fault and one of every healthy scenario, the lowest seed of each.

    A fault that was found in one run and missed in another is there with one of either, so that a
    change of a threshold shows on both sides.
    """
    chosen: dict[tuple[Any, ...], Judged] = {}
    for one in sorted(judged, key=lambda one: one.result.case.slug):
        case = one.result.case
        if one.status != NO_HISTORY:
            chosen.setdefault((case.fault or case.scenario.name, one.alarmed), one)
    return sorted(chosen.values(), key=lambda one: one.result.case.slug)


def keep(judged: Iterable[Judged], source: Path, target: Path) -> int:
    """Copy the representative part of a folder, and write what is expected of it.

    :param judged: of that folder
    :param source: that the grid has written
    :param target: emptied of earlier recordings
    :return: bytes written
    :raises ValueError: when it would be more than :data:`MOST_BYTES`
    """
    chosen = representative(judged)
    paths = [source / f"{one.result.case.slug}{end}" for one in chosen for end in (HISTORY, RESULT)]
    size = sum(path.stat().st_size for path in paths)
    if size > MOST_BYTES:
        raise ValueError(f"{len(chosen)} runs have {size:,} bytes: more than {MOST_BYTES:,}")
    target.mkdir(parents=True, exist_ok=True)
    for old in (*target.glob(f"*{HISTORY}"), *target.glob(f"*--s*{RESULT}")):
        old.unlink()
    for path in paths:
        shutil.copyfile(path, target / path.name)
    expected = {one.result.case.slug: verdict_of(one) for one in chosen}
    (target / EXPECTED).write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")
    return size


def verdict_of(one: Judged) -> dict[str, Any]:
    """What a change of a threshold must not change unnoticed."""
    return {"status": one.status, "causes": list(one.causes[:3]), "detected": one.detected}


def read_expected(folder: Path) -> dict[str, dict[str, Any]]:
    """Case -> verdict, empty where nothing was recorded."""
    path = folder / EXPECTED
    if not path.exists():
        return {}
    expected: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return expected
