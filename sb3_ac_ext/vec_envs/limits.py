"""How often and how long a worker may fail, and how it begins again."""

from __future__ import annotations

import math

import numpy as np


def check_safety(max_restarts: int, step_timeout: float | None) -> None:
    """
    :param max_restarts: of workers
    :param step_timeout: in seconds, ``None`` for none
    :raises ValueError: for values out of range
    """
    if max_restarts < 0:
        raise ValueError(f"max_restarts={max_restarts!r} is not accepted: give 0 or more")
    if step_timeout is not None and not 0.0 < step_timeout < math.inf:
        raise ValueError(
            f"step_timeout={step_timeout!r} is not accepted: give a positive number of seconds, "
            "or None"
        )


def restart_seed(seed: int | None, n_restarts: int) -> int | None:
    """A worker's seed after so many restarts, the same in every run.

    :param seed: that the worker began with, ``None`` where it had none
    :param n_restarts: of this worker
    """
    if seed is None:
        return None
    return int(np.random.SeedSequence((seed, n_restarts)).generate_state(1)[0] >> 1)
