"""Workers that failed and were restarted, or delivered numbers that are not finite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sb3_ac_ext.monitoring.detectors.base import Detector
from sb3_ac_ext.monitoring.history import Floats, History
from sb3_ac_ext.monitoring.records import Finding, Severity

_KINDS = ("raised", "died", "hung")
_PARTS = ("observations", "rewards")


@dataclass(frozen=True)
class WorkerRestarts(Detector):
    """A worker process raised, died or hung since the last snapshot, and was restarted.

    Exact: one is enough. Training goes on, with one truncated episode more per restart. Reason and
    traceback stand in ``worker_restarts`` of the ``SafeSubprocVecEnv``, and of ``run.json``.
    """

    name = "worker_restarts"
    causes = {"worker_restarts": 1.0}  # noqa: RUF012
    advice = (
        "read the worker's traceback in worker_restarts of SafeSubprocVecEnv, or of run.json, and "
        "mend its environment; a worker that died without one often ran out of memory"
    )

    def check(self, history: History) -> Finding | None:
        new = _new(history, [f"workers/{kind}" for kind in _KINDS])
        if new is None:
            return None
        total = new.sum(axis=0)
        worker = int(np.argmax(total))
        kinds = zip(_KINDS, new[:, worker], strict=True)
        how = " and ".join(f"{kind} {_times(count)}" for kind, count in kinds if count > 0.0)
        others = [str(i) for i in np.flatnonzero(total) if i != worker]
        also = f"; restarted, too: {', '.join(others)}" if others else ""
        return self.finding(
            history,
            Severity.WARNING,
            f"worker {worker} was restarted: it {how}{also}",
            total[worker],
            0.0,
            ("workers/restarts",),
            since=_before(history),
            worker=worker,
        )


@dataclass(frozen=True)
class WorkerNonFinite(Detector):
    """A worker delivered NaN or infinity since the last snapshot, and ``VecFiniteGuard`` kept it
    from the algorithm.

    Exact: one is enough. What was put in its place is made up: find where it comes from.
    """

    name = "worker_nonfinite"
    causes = {"nonfinite_environment": 1.0}  # noqa: RUF012
    advice = "VecFiniteGuard(env, on_nonfinite='raise') stops at the first, with worker and entry"

    def check(self, history: History) -> Finding | None:
        new = _new(history, [f"workers/nonfinite_{part}" for part in _PARTS])
        if new is None:
            return None
        total = new.sum(axis=0)
        worker = int(np.argmax(total))
        parts = zip(_PARTS, new[:, worker], strict=True)
        what = " and ".join(f"{count:.0f} in {part}" for part, count in parts if count > 0.0)
        return self.finding(
            history,
            Severity.WARNING,
            f"worker {worker} delivered numbers that are not finite, {what}; they were replaced",
            total[worker],
            0.0,
            ("workers/nonfinite",),
            since=_before(history),
            worker=worker,
        )


def _new(history: History, names: Sequence[str]) -> Floats | None:
    """What was counted since the last snapshot, a row per name; ``None`` where nothing was."""
    last = history.last
    if last is None or any(name not in last.arrays for name in names):
        return None
    now = np.array([last.arrays[name] for name in names])
    before = history.until(len(history) - 1).last
    if before is not None and all(name in before.arrays for name in names):
        now = now - np.array([before.arrays[name] for name in names])
    return now if (now > 0.0).any() else None


def _before(history: History) -> int:
    return history.until(len(history) - 1).step


def _times(count: float) -> str:
    return "once" if count == 1.0 else f"{count:.0f} times"
