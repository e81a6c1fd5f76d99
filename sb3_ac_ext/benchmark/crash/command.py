"""``sb3-ac benchmark crash``: kill, fill, forbid and damage, and count what is lost."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from sb3_ac_ext.benchmark.crash.damage import damage_one
from sb3_ac_ext.benchmark.crash.disk import full, read_only, small_disk
from sb3_ac_ext.benchmark.crash.victim import FOREVER, Victim, train, weights
from sb3_ac_ext.checkpoints.bundle import newest_complete
from sb3_ac_ext.console import TABLES, make_console

_AFTERWARDS = 100


@dataclass
class Outcome:
    """
    :param what: happened
    :param times: how often
    :param resumed: how often a complete bundle was found, no older than the one before
    :param inside: how often a bundle was half written
    :param lost: environment steps to be taken again, each time
    :param note: in words
    """

    what: str
    times: int = 0
    resumed: int = 0
    inside: int = 0
    lost: list[int] = field(default_factory=list)
    note: str = ""


def crash(kills: int, seed: int, say: Callable[[str], None]) -> list[Outcome]:
    """
    :param kills: how many times a run is killed, and files damaged
    :param seed: of the moments and places
    :param say: receives progress
    """
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        killed = _kill(folder / "bundles", kills, rng, say)
        found = [killed, _equal_to_the_uninterrupted(folder)]
        found += [_damage(folder, kills, flip, rng) for flip in (False, True)]
        found += [
            _disk(folder / "disk", full, "disk full"),
            _disk(folder / "ro", read_only, "read-only"),
        ]
    return found


def _kill(folder: Path, kills: int, rng: random.Random, say: Callable[[str], None]) -> Outcome:
    found = Outcome("kill -9")
    before = 0
    for n in range(kills):
        victim = Victim(folder)
        while victim.alive and victim.steps <= before:  # it has gone on, or begun
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 0.4))
        done = victim.kill()
        found.times += 1
        found.inside += any(folder.glob(".*.part"))
        if not any(folder.glob("bundle-*")) and before == 0:
            found.resumed += 1  # nothing was complete yet: it begins anew
            found.lost.append(done)
            continue
        at = newest_complete(folder)[0].steps
        found.resumed += at >= before
        found.lost.append(done - at)
        before = at
        if (n + 1) % 10 == 0:
            say(f"{n + 1} of {kills} kills, at step {at}")
    return found


def _equal_to_the_uninterrupted(folder: Path) -> Outcome:
    """After all the kills, the run is the one that was never killed."""
    total = newest_complete(folder / "bundles")[0].steps + _AFTERWARDS
    killed, whole = (
        weights(train(folder / "bundles", total)),
        weights(train(folder / "whole", total, every=FOREVER)),
    )
    same = sum(np.array_equal(value, killed[name]) for name, value in whole.items())
    return Outcome(
        "compared with a run that was not killed",
        len(whole),
        same,
        note=f"arrays equal to the bit, at step {total}",
    )


def _damage(folder: Path, times: int, flip: bool, rng: random.Random) -> Outcome:
    newest = newest_complete(folder / "bundles")[0].steps
    found = Outcome("a bit flipped" if flip else "a file cut off")
    for _ in range(times):
        found.times += 1
        at = damage_one(folder / "bundles", folder / "damaged", flip, rng)
        found.resumed += at <= newest
        found.lost.append(newest - at)
    return found


def _disk(folder: Path, happen: Callable[[Path], int], what: str) -> Outcome:
    with small_disk(folder) as disk:
        if disk is None:
            return Outcome(what, note="not tried: mounting a small disk needs root")
        try:
            at = happen(disk)
        except ValueError as error:
            return Outcome(what, 1, note=str(error))
        return Outcome(what, 1, 1, note=f"trained on, and the bundle of step {at} is complete")


def run_crash(args: Any) -> int:
    """
    :param args: parsed flags
    :return: exit code: 1 if anything was lost
    """
    import json
    from functools import partial

    say = (lambda text: None) if args.json else partial(print, flush=True)
    found = crash(args.kills, args.seed, say)
    if args.json:
        print(json.dumps([asdict(one) for one in found], indent=2))
    else:
        _print(found)
    return 0 if all(one.resumed == one.times for one in found) else 1


def _print(found: list[Outcome]) -> None:
    from rich.table import Table

    table = Table("what", "times", "went on", "inside a write", "steps lost", "", box=None)
    for one in found:
        lost = f"{median(one.lost):g} (at most {max(one.lost)})" if one.lost else ""
        inside = str(one.inside) if one.what == "kill -9" else ""
        table.add_row(one.what, str(one.times), str(one.resumed), inside, lost, one.note)
    make_console(TABLES).print(table)
