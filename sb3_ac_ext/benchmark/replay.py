"""What a prioritized batch costs against a uniform one of Stable-Baselines3, draw by draw."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer

from sb3_ac_ext.buffers import PrioritizedReplayBuffer

_DRAWS = 200


@dataclass(frozen=True)
class ReplayCost:
    """Medians over rounds of alternating order, in microseconds per batch.

    :param transitions: that both buffers hold
    :param batch_size: rows of a batch
    :param uniform: to draw one uniformly
    :param prioritized: to draw one by priorities
    :param update: to set its priorities
    :param ratio: of the two draws, pair by pair
    :param low: least ratio
    :param high: largest ratio
    """

    transitions: int
    batch_size: int
    uniform: float
    prioritized: float
    update: float
    ratio: float
    low: float
    high: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def measure(transitions: int, batch_size: int, rounds: int) -> ReplayCost:
    """Observations of 17 entries, actions of 6, priorities that differ.

    :param transitions: at least 1
    :param batch_size: at least 1
    :param rounds: of both, at least 1
    """
    rng = np.random.default_rng(0)
    uniform = _filled(ReplayBuffer, transitions, rng)
    prioritized = _filled(PrioritizedReplayBuffer, transitions, rng)
    prioritized.update_priorities(
        np.arange(transitions), th.as_tensor(rng.exponential(size=transitions))
    )
    errors = th.rand(batch_size)
    rows = prioritized.sample(batch_size).rows
    draws = {
        "uniform": lambda: uniform.sample(batch_size),
        "prioritized": lambda: prioritized.sample(batch_size),
    }
    taken: dict[str, list[float]] = {"uniform": [], "prioritized": [], "update": []}
    for k in range(rounds):
        for name in sorted(draws, reverse=k % 2 == 0):
            taken[name].append(_microseconds(draws[name]))
        taken["update"].append(_microseconds(lambda: prioritized.update_priorities(rows, errors)))
    ratios = [b / a for a, b in zip(taken["uniform"], taken["prioritized"], strict=True)]
    medians = {name: median(times) for name, times in taken.items()}
    return ReplayCost(
        transitions, batch_size, **medians, ratio=median(ratios), low=min(ratios), high=max(ratios)
    )


def _filled(cls: Any, size: int, rng: np.random.Generator) -> Any:
    space = spaces.Box(-1.0, 1.0, (17,), np.float32)
    buffer = cls(size, space, spaces.Box(-1.0, 1.0, (6,), np.float32), device="cpu")
    for column in (buffer.observations, buffer.next_observations, buffer.actions):
        column[:] = rng.random(column.shape, dtype=np.float32)
    buffer.full = True
    return buffer


def _microseconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    for _ in range(_DRAWS):
        call()
    return 1e6 * (time.perf_counter() - start) / _DRAWS
