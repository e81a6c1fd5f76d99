"""``sb3-ac benchmark faults``: run what is missing, judge all, print and write the tables."""

from __future__ import annotations

import argparse
import importlib.util
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from sb3_ac_ext.benchmark.faults.cases import Case
from sb3_ac_ext.benchmark.faults.fixtures import keep
from sb3_ac_ext.benchmark.faults.judge import Judged, judge_folder
from sb3_ac_ext.benchmark.faults.peers import PeerVerdicts
from sb3_ac_ext.benchmark.faults.records import Result
from sb3_ac_ext.benchmark.faults.split import SPLIT, Split, read_split, write_split
from sb3_ac_ext.benchmark.faults.statistics import mean
from sb3_ac_ext.benchmark.faults.summary import Part, summarise

_SHOWN = {"held-out": ("held-out", "strictly-held-out")}


def run(args: argparse.Namespace) -> int:
    """
    :param args: with ``out``, ``quick``, ``part``, ``only``, ``split``, ``jobs``, ``limit``,
        ``judge_only``, ``peers`` and ``keep``
    :return: 0; missed targets are printed, not an error
    :raises ValueError: for arguments that select nothing, or a folder without recorded cases
    """
    from sb3_ac_ext.benchmark.faults.plan import planned
    from sb3_ac_ext.benchmark.faults.subjects import subjects, truths

    out = Path(args.out)
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out {args.out} is a file: give a folder")
    known = truths()
    halves = _split({name: truth.component for name, truth in known.items()})
    cases = planned(subjects(), halves, args.part, args.quick, args.only)
    in_split = [case for case in cases if halves.contains(args.split, case)]
    if not in_split:
        raise ValueError(f"none of the {len(cases)} cases asked for is in the part {args.split}")
    if not args.judge_only:
        _record(in_split, out, args.jobs, args.limit)
    # harm is measured on all clean runs that there are, those of other parts too
    judged = judge_folder(out, known, args.jobs, {case.slug for case in cases})
    peers = _peers(in_split, judged, out, args) if args.peers else []
    parts = summarise(judged, halves, _SHOWN.get(args.split, (args.split,)), peers)
    _publish(out, parts, judged, _arguments(args))
    if args.keep:
        size = keep(judged, out, Path(args.keep))
        print(f"Kept a representative part in {args.keep}: {size / 1e6:.1f} MB")
    return 0


def _split(components: Mapping[str, str]) -> Split:
    """The committed halves; new names are added to them, which shows in the next commit."""
    from sb3_ac_ext.benchmark.faults.plan import with_all_names

    if not SPLIT.exists():  # an installed package has no benchmarks/
        return with_all_names(Split(), components)
    committed = read_split()
    halves = with_all_names(committed, components)
    if halves != committed:
        write_split(halves)
        print(f"Added new names to {SPLIT}")
    return halves


def _record(
    cases: Sequence[Case], out: Path, jobs: int, limit: float, work: str | None = None
) -> None:
    from sb3_ac_ext.benchmark.faults.grid import RUN_CASE, missing, run_grid
    from sb3_ac_ext.benchmark.faults.origin import origin
    from sb3_ac_ext.environments import check_env, find_env

    for env_id in sorted({case.scenario.env_id for case in cases}):
        check_env(find_env(env_id), {})
    n = len(missing(cases, out))
    print(f"{len(cases)} cases, {n} to run, {jobs} at a time, into {out}", flush=True)
    start = time.monotonic()

    def progress(result: Result, done: int, total: int) -> None:
        left = (time.monotonic() - start) / done * (total - done)
        score = f"return {mean(result.returns):,.1f}" if result.returns else "no return"
        note = f"; {result.error}" if result.error else ""
        print(
            f"[{done}/{total}, {left / 60:.0f} min left] {result.case.slug}: "
            f"{result.seconds:.1f} s, {score}{note}",
            flush=True,
        )

    run_grid(cases, out, jobs, limit, origin(), progress, work or RUN_CASE)


def _peers(
    cases: Sequence[Case], judged: Sequence[Judged], out: Path, args: argparse.Namespace
) -> list[PeerVerdicts]:
    """Ask the other packages; reward-scope can only watch the runs once more."""
    from sb3_ac_ext.benchmark.faults.peers import REWARD_SCOPE, ask_all

    if not args.judge_only and importlib.util.find_spec("reward_scope") is not None:
        from sb3_ac_ext.benchmark.faults.peer_run import WORK

        _record(cases, out / REWARD_SCOPE, args.jobs, args.limit, WORK)
    return ask_all(out, judged)


def _arguments(args: argparse.Namespace) -> list[str]:
    """Those that decide what the tables hold, for the document."""
    said = [flag for flag in ("quick", "peers") if getattr(args, flag)]
    valued = {"only": "", "part": "all", "split": "fresh"}
    flags = [f"--{flag}" for flag in said]
    for name, usual in valued.items():
        value = getattr(args, name)
        flags += [f"--{name}", value] if value != usual else []
    return flags


def _publish(
    out: Path, parts: Sequence[Part], judged: Sequence[Judged], arguments: Sequence[str]
) -> None:
    from sb3_ac_ext.benchmark.faults.export import document
    from sb3_ac_ext.benchmark.faults.page import render_page
    from sb3_ac_ext.benchmark.faults.table import markdown, print_tables

    text = json.dumps(document(parts, judged), indent=1, allow_nan=False)
    (out / "results.json").write_text(text + "\n", encoding="utf-8")
    (out / "faults.md").write_text(markdown(parts, judged, arguments), encoding="utf-8")
    (out / "faults.html").write_text(render_page(parts, judged), encoding="utf-8")
    print_tables(parts)
    names = ("results.json", "faults.md", "faults.html")
    print(f"Wrote {', '.join(str(out / name) for name in names)}")
