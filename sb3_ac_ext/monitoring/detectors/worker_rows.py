"""What was measured per worker, snapshot by snapshot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sb3_ac_ext.monitoring.history import Floats, History

_ARRAYS = {
    "scale": "rewards/worker_scale",
    "mean": "rewards/worker_mean",
    "std": "rewards/worker_std",
    "mean_abs": "rewards/worker_abs_mean",
    "zero_share": "rewards/worker_zero_share",
    "q25": "rewards/worker_q25",
    "q75": "rewards/worker_q75",
}


_LEAST_WORKERS = 3


@dataclass(frozen=True)
class Row:
    """Rewards of all workers in one snapshot; every array has shape (n_envs,).

    :param steps: per worker
    """

    step: int
    steps: float
    scale: Floats
    mean: Floats
    std: Floats
    mean_abs: Floats
    zero_share: Floats
    q25: Floats
    q75: Floats


def newest_rows(history: History, last: int) -> list[Row]:
    """The last rows in order of time; none below 3 workers or when the newest snapshot has none."""
    newest = history.last
    if newest is None or any(name not in newest.arrays for name in _ARRAYS.values()):
        return []
    if len(newest.arrays["rewards/worker_scale"]) < _LEAST_WORKERS:
        return []
    columns = {field: history.rows(name, last) for field, name in _ARRAYS.items()}
    lengths = history.series("rewards/steps", last).values
    n = min(len(lengths), *(len(column) for column in columns.values()))
    return [
        Row(
            step=columns["scale"][-k][0],
            steps=float(lengths[-k]),
            **{field: np.asarray(column[-k][1]) for field, column in columns.items()},
        )
        for k in range(n, 0, -1)
    ]


def newest_matrix(
    history: History, name: str, last: int, every: int = 1
) -> tuple[list[int], Floats] | None:
    """(steps, values of shape (snapshots, n_envs)) when the newest snapshot has the array.

    :param last: snapshots
    :param every: the newest and each so many before
    """
    newest = history.last
    if newest is None or name not in newest.arrays or len(newest.arrays[name]) < _LEAST_WORKERS:
        return None
    rows = history.rows(name, last * every)[::-1][::every][::-1]
    return [step for step, _ in rows], np.array([row for _, row in rows])


def snapshots_per_episode(history: History) -> int | None:
    """Within an episode a worker is where it began: only what lies an episode apart is
    exchangeable between workers. ``None`` before an episode has ended."""
    lengths = history.series("episodes/length_mean").finite().values[-5:]
    taken = history.series("rewards/steps", last=5).values
    if not len(lengths) or not len(taken):
        return None
    return max(1, int(np.ceil(np.median(lengths) / max(float(np.median(taken)), 1.0))))
