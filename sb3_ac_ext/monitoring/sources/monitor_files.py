"""``*.monitor.csv`` of SB3's Monitor: one file per worker, one row per finished episode."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sb3_ac_ext.monitoring.sources.csv_table import Table, number, read_table
from sb3_ac_ext.monitoring.sources.recording import NoDataError, Recording

Floats = npt.NDArray[np.float64]

MAX_BINS = 100
EPISODES_PER_BIN = 2
"""Episodes that a bin should hold per worker, on average."""


@dataclass
class _Episodes:
    """Episodes of one or all workers: steps at their end, return, length, time, worker, success."""

    steps: Floats
    returns: Floats
    lengths: Floats
    times: Floats
    workers: Floats
    success: Floats

    def take(self, index: Any) -> _Episodes:
        return _Episodes(*(column[index] for column in self._columns()))

    def _columns(self) -> tuple[Floats, ...]:
        return (
            self.steps, self.returns, self.lengths, self.times, self.workers, self.success,
        )  # fmt: skip

    @classmethod
    def join(cls, parts: Sequence[_Episodes]) -> _Episodes:
        columns = zip(*(part._columns() for part in parts), strict=True)
        return cls(*(np.concatenate(column) for column in columns))


def read_monitors(paths: Sequence[Path]) -> Recording:
    """Read the files of all workers as means over bins of environment steps.

    Workers of a vectorised environment step together, so an episode that ends at step ``k`` of its
    worker ends at step ``k * n_envs`` of the run. There are at most 100 bins, fewer when a worker
    would finish less than two episodes in one. Rows that are no numbers are left out and noted;
    where the time of a file goes back, the rows after it count as a continuation.

    :param paths: ``0.monitor.csv``, ``1.monitor.csv``, ... or a single file
    :raises ValueError: when a file is not one of Monitor's, or none holds a finished episode
    """
    recording = Recording("*.monitor.csv" if len(paths) > 1 else paths[0].name)
    workers = _worker_indices(paths)
    n_envs = max(workers) + 1
    parts: list[_Episodes] = []
    starts: list[float] = []
    for worker, path in zip(workers, paths, strict=True):
        try:
            table = read_table(path)
        except NoDataError:
            recording.notes.append(f"{path.name}: no finished episode")
            continue
        header = _header(table)
        recording.notes.extend(table.notes)
        starts.append(float(header.get("t_start", 0.0)))
        parts.append(_episodes(table, worker, n_envs, starts[-1], recording.notes))
        recording.facts.setdefault("env_id", header.get("env_id"))
    if not parts or not sum(len(part.steps) for part in parts):
        raise NoDataError(f"{paths[0].parent} holds no finished episode in {recording.source}")
    if n_envs > len(paths):
        recording.notes.append(f"{n_envs - len(paths)} of {n_envs} workers have no monitor.csv")
    recording.facts["n_envs"] = n_envs
    episodes = _Episodes.join(parts)
    _fill(recording, episodes.take(np.lexsort((episodes.workers, episodes.steps))), min(starts))
    return recording


def _worker_indices(paths: Sequence[Path]) -> list[int]:
    """The numbers in the file names; the order of the files where they are not numbered."""
    heads = [path.name.removesuffix("monitor.csv").rstrip(".") for path in paths]
    numbers = [int(head) for head in heads if head.isdecimal()]
    if len(paths) > 1 and len(set(numbers)) == len(paths):
        return numbers
    return list(range(len(paths)))


def _header(table: Table) -> dict[str, Any]:
    missing = [name for name in ("r", "l", "t") if name not in table.columns]
    if missing:
        raise ValueError(f"{table.path} is no monitor.csv of SB3: it has no column {missing[0]!r}")
    try:
        header = json.loads(table.comment or "{}")
        float(header.get("t_start", 0.0))
    except (ValueError, TypeError, AttributeError):
        raise ValueError(
            f"{table.path} is no monitor.csv of SB3: its first line is not a JSON header"
        ) from None
    return dict(header)


def _episodes(
    table: Table, worker: int, n_envs: int, t_start: float, notes: list[str]
) -> _Episodes:
    cells = [
        (number(row["r"]), number(row["l"]), number(row["t"]), number(row.get("is_success", "")))
        for row in table.rows
    ]
    rows = [
        (r, length, t, np.nan if success is None else success)
        for r, length, t, success in cells
        if r is not None and t is not None and np.isfinite(t) and length and 0 < length < np.inf
    ]
    if len(rows) < len(cells):
        notes.append(
            f"{table.path.name}: {len(cells) - len(rows)} rows with cells that are no numbers or "
            "lengths are left out"
        )
    data = np.asarray(rows, dtype=np.float64).reshape(-1, 4)
    if _restarts(data[:, 2]).any():
        notes.append(
            f"{table.path.name}: its time goes back; the rows after it count as a continuation"
        )
    return _Episodes(
        steps=np.cumsum(data[:, 1]) * n_envs,
        returns=data[:, 0],
        lengths=data[:, 1],
        times=t_start + _continued(data[:, 2]),
        workers=np.full(len(data), float(worker)),
        success=data[:, 3],
    )


def _restarts(times: Floats) -> npt.NDArray[np.bool_]:
    return np.diff(times) < 0


def _continued(times: Floats) -> Floats:
    """Times of an appended session count from the end of the session before it."""
    offsets = np.where(_restarts(times), times[:-1], 0.0)
    shift: Floats = np.concatenate([np.zeros(1), np.cumsum(offsets)])[: len(times)]
    return times + shift


def _fill(recording: Recording, episodes: _Episodes, t_start: float) -> None:
    """One snapshot per bin, at the end of its last episode."""
    n_envs = int(recording.facts["n_envs"])
    steps = episodes.steps.astype(np.int64)
    bins = int(np.clip(len(episodes.steps) // (EPISODES_PER_BIN * n_envs), 1, MAX_BINS))
    index = (steps * bins - 1) // steps[-1]  # an episode that ends on an edge belongs before it
    last_step, last_time = 0, t_start
    for which in np.unique(index):
        part = episodes.take(index == which)
        step, time = int(part.steps[-1]), float(part.times.max())
        values = {
            **_statistics("return", part.returns),
            **_statistics("length", part.lengths),
            "episodes/count": float(len(part.steps)),
        }
        if not np.isnan(part.success).all():
            values["episodes/success_rate"] = float(np.nanmean(part.success))
        if time > last_time:
            values["time/steps_per_second"] = (step - last_step) / (time - last_time)
            values["time/episodes_per_hour"] = 3600.0 * len(part.steps) / (time - last_time)
        recording.add(step, values)
        recording.seconds[step] = time - t_start
        recording.arrays[step] = {
            "episodes/worker_return_mean": _worker_means(part.returns, part.workers, n_envs),
            "episodes/worker_length_mean": _worker_means(part.lengths, part.workers, n_envs),
        }
        last_step, last_time = step, time


def _statistics(what: str, values: Floats) -> dict[str, float]:
    return {
        f"episodes/{what}_mean": float(values.mean()),
        f"episodes/{what}_std": float(values.std()),
        f"episodes/{what}_min": float(values.min()),
        f"episodes/{what}_max": float(values.max()),
    }


def _worker_means(values: Floats, workers: Floats, n_envs: int) -> tuple[float, ...]:
    """Mean per worker, NaN for one that finished no episode."""
    rows = (values[workers == worker] for worker in range(n_envs))
    return tuple(float(row.mean()) if len(row) else float("nan") for row in rows)
