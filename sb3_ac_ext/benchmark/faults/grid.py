"""Run many cases, each in a process of its own: resumable, and no crash loses another case."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from sb3_ac_ext.benchmark.faults.cases import Case
from sb3_ac_ext.benchmark.faults.records import (
    HISTORY,
    RESULT,
    Result,
    is_complete,
    read_result,
    write_result,
)

RUN_CASE = "sb3_ac_ext.benchmark.faults.run_case:run_case"
_GRACE = 60.0
"""Seconds beyond its limit after which a process that does not answer is killed."""

Progress = Callable[[Result, int, int], None]


@dataclass
class _Running:
    case: Case
    process: BaseProcess
    deadline: float
    log: Path


def missing(cases: Sequence[Case], folder: Path) -> list[Case]:
    """Those that are not recorded yet."""
    return [case for case in cases if not is_complete(folder, case)]


def run_grid(
    cases: Sequence[Case],
    folder: Path,
    jobs: int = 2,
    limit: float = 300.0,
    origin: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    work: str = RUN_CASE,
) -> None:
    """Record all cases that the folder lacks.

    :param folder: for histories and results; an interrupted run leaves it ready to go on
    :param jobs: processes at a time, one PyTorch thread each
    :param limit: seconds of training per case
    :param origin: commit and date, noted in every result
    :param work: ``module:function`` that a child calls with case, folder, limit and origin
    :param progress: told (result, number done, number of all) after each case
    """
    # fails here, where it is seen, and not in every child
    importlib.import_module(work.partition(":")[0])
    folder.mkdir(parents=True, exist_ok=True)
    waiting = deque(missing(cases, folder))
    total, done = len(waiting), 0
    running: dict[int, _Running] = {}
    context = _context()
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                job = _start(context, waiting.popleft(), folder, limit, origin or {}, work)
                running[job.process.sentinel] = job
            for sentinel in _ended(running):
                job = running.pop(sentinel)
                result = _finish(job, folder)
                done += 1
                if progress is not None:
                    progress(result, done, total)
    finally:
        for job in running.values():
            job.process.kill()
            job.process.join()
            job.log.unlink(missing_ok=True)
        for leftover in folder.glob(".*.tmp"):
            leftover.unlink(missing_ok=True)


def _context() -> Any:
    """Children are forked from a server that has imported PyTorch, where the system can."""
    os.environ["OMP_NUM_THREADS"] = "1"
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload([RUN_CASE.partition(":")[0]])
    return context


def _start(
    context: Any, case: Case, folder: Path, limit: float, origin: Mapping[str, str], work: str
) -> _Running:
    log = folder / f".{case.slug}.log.tmp"
    (folder / f"{case.slug}{HISTORY}").unlink(missing_ok=True)  # of other settings
    process = context.Process(
        target=_work, args=(case, folder, limit, dict(origin), log, work), daemon=False
    )
    process.start()
    return _Running(case, process, time.monotonic() + limit + _GRACE, log)


def _work(
    case: Case, folder: Path, limit: float, origin: dict[str, str], log: Path, work: str
) -> None:
    """What a child does; its output goes to a file that is read only if it dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when its children end
    with log.open("wb") as stream:
        os.dup2(stream.fileno(), sys.stdout.fileno())
        os.dup2(stream.fileno(), sys.stderr.fileno())
    module, _, function = work.partition(":")
    getattr(importlib.import_module(module), function)(case, folder, limit, origin)


def _ended(running: Mapping[int, _Running]) -> list[int]:
    """Processes that ended; one far beyond its limit is killed, and counts as ended."""
    ready = [int(sentinel) for sentinel in wait(list(running), timeout=5.0)]  # type: ignore[arg-type, call-overload]
    now = time.monotonic()
    for sentinel, job in running.items():
        if sentinel not in ready and now > job.deadline:
            job.process.kill()
            ready.append(sentinel)
    return ready


def _finish(job: _Running, folder: Path) -> Result:
    """The child's result, or one that says how the child died."""
    job.process.join()
    path = folder / f"{job.case.slug}{RESULT}"
    try:
        if is_complete(folder, job.case):
            return read_result(path)
        result = Result(job.case, error=f"the process ended with code {_said(job)}")
        write_result(path, result)
        return result
    finally:
        job.log.unlink(missing_ok=True)


def _said(job: _Running) -> str:
    try:
        lines = job.log.read_text(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return f"{job.process.exitcode}" + (f": {lines[-1][:300]}" if lines else "")
