"""Judge recorded cases with the detectors of today: milliseconds each, as often as they change."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from sb3_ac_ext.benchmark.faults.records import HISTORY, Result, Truth, read_history, results
from sb3_ac_ext.monitoring.detectors import default_detectors
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Finding, Severity, Verdict
from sb3_ac_ext.monitoring.watch import Watch

NO_HISTORY = "no history"
_ALARMS = ("warning", "critical")


@dataclass(frozen=True)
class Judged:
    """A recorded case with what the monitor says of it.

    :param status: of the verdict, or ``no history`` where the process died
    :param detected: environment step of the first finding that is at least a warning, after the
        fault began
    :param detector: which detector raised that one
    :param causes: names, the most likely first
    :param detectors: those with a finding that is at least a warning
    :param idle: whether training went as it does without the fault, which has not acted then
    """

    result: Result
    status: str
    detected: int | None = None
    detector: str = ""
    causes: tuple[str, ...] = ()
    detectors: tuple[str, ...] = ()
    idle: bool = False

    @property
    def alarmed(self) -> bool:
        return self.status in _ALARMS and self.detected is not None

    @property
    def critical(self) -> bool:
        return self.alarmed and self.status == "critical"

    @property
    def delay(self) -> float | None:
        """Share of the budget that passed between the fault's beginning and the first warning."""
        if self.detected is None or not self.alarmed:
            return None
        passed = self.detected - self.result.onset
        return min(1.0, passed / self.result.case.scenario.budget)

    def names_cause(self, among: int) -> bool:
        """Whether the true cause is one of the first ``among`` causes."""
        truth = self.result.truth
        return truth is not None and truth.cause in self.causes[:among] and self.alarmed

    @property
    def named(self) -> str:
        """The cause that is named first; ``nothing`` without an alarm."""
        return self.causes[0] if self.alarmed and self.causes else "nothing"

    def to_json(self) -> dict[str, Any]:
        truth = self.result.truth
        return {
            "case": self.result.case.slug,
            "true_cause": truth.cause if truth else None,
            "status": self.status,
            "detected": self.detected,
            "detector": self.detector,
            "causes": list(self.causes[:5]),
            "error": self.result.error,
        }


def judge_folder(
    folder: Path,
    truths: Mapping[str, Truth] | None = None,
    jobs: int = 1,
    slugs: Collection[str] | None = None,
) -> list[Judged]:
    """Judge the recorded cases of a folder, in order of names.

    :param folder: written by the grid
    :param truths: what is known about the faults today; by default what was known at recording
    :param jobs: processes
    :param slugs: names of the cases to judge, all by default
    :raises ValueError: when the folder holds none of them, or one that cannot be read
    """
    recorded = [
        result.with_truth(truths or {})
        for result in results(folder)
        if slugs is None or result.case.slug in slugs
    ]
    if not recorded:
        raise ValueError(f"none of the cases asked for is recorded in {folder}")
    work = partial(judge_result, folder)
    if jobs <= 1:
        return [work(result) for result in recorded]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        return list(pool.map(work, recorded, chunksize=8))


def judge_result(folder: Path, result: Result) -> Judged:
    """:param folder: that holds the case's history"""
    path = folder / f"{result.case.slug}{HISTORY}"
    if not path.exists():
        return Judged(result, NO_HISTORY)
    history = read_history(path)
    verdict, alarms = replayed(history)
    alarms = [alarm for alarm in alarms if alarm.step >= result.onset]
    return Judged(
        result=result,
        status=verdict.status,
        detected=alarms[0].step if alarms else None,
        detector=alarms[0].finding.detector if alarms else "",
        causes=tuple(diagnosis.cause for diagnosis in verdict.diagnoses),
        detectors=tuple(dict.fromkeys(alarm.finding.detector for alarm in alarms)),
        idle=_in_training(result) and _idle(history, folder / f"{_clean(result)}{HISTORY}"),
    )


def _in_training(result: Result) -> bool:
    """Whether a fault of the run would act on training."""
    return result.truth is not None and result.truth.component != "evaluation"


def _clean(result: Result) -> str:
    return replace(result.case, fault=None, severity=None).slug


def _idle(history: History, clean: Path) -> bool:
    """Whether all that a run has in common with the clean one of the same seed is the same to the
    last bit. When the canary plays depends on the clock, and what it tells on how often it has."""
    if not clean.exists():
        return False
    others = {snapshot.step: snapshot.values for snapshot in read_history(clean)}
    for snapshot in history:
        other = others.get(snapshot.step)
        if other is None:
            return False
        names = snapshot.values.keys() & other.keys()
        both = [name for name in names if not name.startswith(("time/", "canary/", "parity/"))]
        mine, theirs = ([values[name] for name in both] for values in (snapshot.values, other))
        if not both or not np.array_equal(mine, theirs, equal_nan=True):
            return False
    return len(history) > 0


@dataclass(frozen=True)
class Alarm:
    """A finding of at least a warning, at a step at which it held."""

    step: int
    finding: Finding


def replayed(history: History) -> tuple[Verdict, list[Alarm]]:
    """The verdict, as :func:`~sb3_ac_ext.monitoring.watch.judge` gives it, and the way to it.

    :return: verdict, and all alarms at all steps, in order
    """
    watch = Watch(default_detectors())
    alarms: list[Alarm] = []
    for n in range(1, len(history) + 1):
        view = history.until(n)
        watch.update(view)
        held = (finding for finding in watch.current if finding.severity >= Severity.WARNING)
        alarms.extend(Alarm(view.step, finding) for finding in held)
    return watch.verdict(history), alarms
