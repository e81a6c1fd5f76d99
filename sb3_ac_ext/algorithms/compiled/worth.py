"""Whether a run is long enough for compiling to pay."""

from __future__ import annotations

import time
from typing import Any

SETTLED, LEAST_LEFT = 5.0, 120.0
"""Seconds of training after which the rest is estimated, and that must be left: a build takes about
20 to 60, beside the training, and steps take half to a quarter of the time afterwards."""


def long_enough(model: Any) -> bool:
    """Whether so much of a run of ``learn()`` is left, at the speed that it has had so far."""
    elapsed = (time.time_ns() - model.start_time) / 1e9
    done = model.num_timesteps - model._num_timesteps_at_start
    to_do = model._total_timesteps - model.num_timesteps
    return bool(elapsed > SETTLED and elapsed * to_do > LEAST_LEFT * max(done, 1))
