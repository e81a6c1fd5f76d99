"""What may not happen where episodes begin and end, counted as it happens."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

_RESETS, _STARTS = 20, 20
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class BoundaryCounts:
    """Since training began.

    :param starts: first steps of episodes seen
    :param stale_starts: of these, those that returned the reset's observation again
    :param ends: ends of episodes seen
    :param old_resets: of these, those after which the reset returned the terminal observation
    :param distinct_old: different observations that such resets returned
    :param no_terminal: ends without ``terminal_observation``
    :param resets: resets compared over workers, the k-th of each with the k-th of all others
    :param twin_resets: of these, those equal to another worker's
    :param distinct_resets: different reset observations
    :param first_starts: reset observations of the first resets, shape (n, d), vectors only
    :param last_starts: of the newest resets that are not among the first
    :param places: environment step and worker of both, in this order, shape (n, 2)
    """

    starts: int = 0
    stale_starts: int = 0
    ends: int = 0
    old_resets: int = 0
    distinct_old: int = 0
    no_terminal: int = 0
    resets: int = 0
    twin_resets: int = 0
    distinct_resets: int = 0
    first_starts: Floats = field(default_factory=lambda: np.empty((0, 0)))
    last_starts: Floats = field(default_factory=lambda: np.empty((0, 0)))
    places: Floats = field(default_factory=lambda: np.empty((0, 2)))


class Boundaries:
    """Looks at steps that begin or end an episode; other steps cost nothing.

    :param n_envs: number of workers
    """

    def __init__(self, n_envs: int) -> None:
        self._pending: dict[int, bytes] = {}
        self._resets: list[list[bytes]] = [[] for _ in range(n_envs)]
        self._old_ends: set[bytes] = set()
        self._first: list[tuple[Any, int, int]] = []
        self._last: deque[tuple[Any, int, int]] = deque(maxlen=_STARTS)
        self._starts = self._stale = self._n_ends = self._old = self._missing = 0

    def began(self, raw_obs: Any) -> None:
        """All workers were reset. :param raw_obs: before normalisation"""
        for worker in range(len(self._resets)):
            self._reset(worker, raw_obs, 0)

    def _reset(self, worker: int, raw_obs: Any, step: int) -> None:
        obs = row_bytes(raw_obs, worker)
        self._pending[worker] = obs
        if isinstance(raw_obs, np.ndarray) and raw_obs.ndim == 2:
            starts = self._first if len(self._first) < _STARTS else self._last
            starts.append((raw_obs[worker].copy(), step, worker))
        if len(self._resets[worker]) < _RESETS:
            self._resets[worker].append(obs)

    @property
    def waiting(self) -> bool:
        """Whether a worker's first step is due."""
        return bool(self._pending)

    def stepped(self, raw_obs: Any, dones: npt.NDArray[np.bool_]) -> None:
        """The first step after a reset. :param raw_obs: what it returned"""
        for worker, reset in list(self._pending.items()):
            del self._pending[worker]
            if not dones[worker]:
                self._starts += 1
                self._stale += row_bytes(raw_obs, worker) == reset

    def ended(self, worker: int, obs: Any, raw_obs: Any, terminal: Any, step: int) -> None:
        """
        :param obs: all workers' observations as the policy gets them, this one's after its reset
        :param raw_obs: the same before normalisation
        :param terminal: ``info["terminal_observation"]``, ``None`` where it is missing
        :param step: environment steps so far
        """
        self._n_ends += 1
        self._reset(worker, raw_obs, step)
        if terminal is None:
            self._missing += 1
            return
        last = _bytes(terminal)
        if last == row_bytes(obs, worker):
            self._old += 1
            if len(self._old_ends) < _RESETS:
                self._old_ends.add(row_bytes(raw_obs, worker))

    def counts(self) -> BoundaryCounts:
        rounds = min(len(resets) for resets in self._resets) if len(self._resets) > 1 else 0
        twins = 0
        for k in range(rounds):
            row = [resets[k] for resets in self._resets]
            twins += sum(row.count(obs) > 1 for obs in row)
        return BoundaryCounts(
            starts=self._starts,
            stale_starts=self._stale,
            ends=self._n_ends,
            old_resets=self._old,
            distinct_old=len(self._old_ends),
            no_terminal=self._missing,
            resets=rounds * len(self._resets),
            twin_resets=twins,
            distinct_resets=len({obs for resets in self._resets for obs in resets}),
            first_starts=_column(self._first),
            last_starts=_column(self._last),
            places=np.array([place for _, *place in (*self._first, *self._last)], dtype=np.float64),
        )


def _column(starts: Iterable[tuple[Any, int, int]]) -> Floats:
    return np.asarray([obs for obs, *_ in starts], dtype=np.float64)


def row_bytes(obs: Any, worker: int) -> bytes:
    """One worker's observation as bytes, equal exactly where the observations are."""
    if isinstance(obs, dict):
        return b"".join(row_bytes(obs[key], worker) for key in sorted(obs))
    return np.ascontiguousarray(obs[worker]).tobytes()


def _bytes(obs: Any) -> bytes:
    if isinstance(obs, dict):
        return b"".join(_bytes(obs[key]) for key in sorted(obs))
    return np.ascontiguousarray(obs).tobytes()
