"""Observations as the networks receive them: finite, on one scale, alive."""

from __future__ import annotations

from typing import Any

import numpy as np

from sb3_ac_ext.monitoring.functional import roughness
from sb3_ac_ext.monitoring.recorder import all_finite
from sb3_ac_ext.monitoring.signals.base import Reading, Signal
from sb3_ac_ext.monitoring.transitions import Transitions
from sb3_ac_ext.monitoring.view import View

_MAX_ENTRIES, _LEAST_ROWS = 200_000, 64


class ObservationSignal(Signal):
    """Observations after normalisation: the 99th percentile of magnitude, dead and mis-scaled
    dimensions.

    ``observations/dims`` counts entries (of vectors only), ``observations/constant_dims`` those
    that never change in the newest transitions (in the sample where these are not known);
    ``observations/scale_ratio`` is the largest over the smallest standard deviation of the
    others. ``observations/roughness``: median over entries of the von
    Neumann ratio within episodes, mean squared step over variance: 2 for white noise, far below for
    anything that moves.
    ``observations/nonfinite`` counts NaN and infinite entries, of the newest observations too.
    Inputs far from unit scale saturate tanh networks and slow every update; ``VecNormalize`` mends
    that.
    """

    name = "observations"

    def before_update(self, view: View) -> None:
        _ = view.transitions  # read now: the update flattens the buffer

    def collect(self, view: View) -> Reading:
        reading = Reading()
        newest = view.window.last_obs
        nonfinite = 0 if newest is None or all_finite(newest) else _count_nonfinite(newest)
        if view.observations is not None:
            parts = _parts(view.observations)
            nonfinite += sum(_count_nonfinite(part) for part in parts)
            sizes = np.concatenate([_entries(part) for part in parts])
            if len(sizes):
                reading.put(observations__p99_abs=np.percentile(sizes, 99))
            _spread(parts, reading)
        if view.transitions is not None:
            _roughness(view.transitions, reading)
            _constant(view.transitions, reading)  # of more steps than a short rollout's sample
        reading.put(observations__nonfinite=nonfinite)
        return reading


def _roughness(steps: Transitions, reading: Reading) -> None:
    if steps.inside.sum() < _LEAST_ROWS:
        return
    change = (steps.next_observations - steps.observations)[steps.inside]
    found = roughness(steps.observations[steps.inside], change)
    if found is not None:
        reading.put(observations__roughness=found)


def _constant(steps: Transitions, reading: Reading) -> None:
    rows = steps.observations.reshape(-1, steps.observations.shape[2])
    if len(rows) >= _LEAST_ROWS:
        reading.put(observations__constant_dims=np.sum(rows.std(axis=0) <= 1e-12))


def _parts(observations: Any) -> list[np.ndarray]:
    tensors = observations.values() if isinstance(observations, dict) else [observations]
    return [tensor.cpu().numpy() for tensor in tensors]


def _count_nonfinite(observations: Any) -> int:
    if isinstance(observations, dict):
        return sum(_count_nonfinite(part) for part in observations.values())
    return int(np.sum(~np.isfinite(observations))) if observations.dtype.kind == "f" else 0


def _entries(part: np.ndarray) -> np.ndarray:
    flat = np.abs(part.ravel()[:_MAX_ENTRIES].astype(np.float64))
    return flat[np.isfinite(flat)]


def _spread(parts: list[np.ndarray], reading: Reading) -> None:
    vectors = [part.reshape(len(part), -1) for part in parts if part.ndim == 2]
    if not vectors or len(vectors[0]) < 2:
        return
    deviations = np.concatenate([v.astype(np.float64).std(axis=0) for v in vectors])
    alive = deviations[np.isfinite(deviations) & (deviations > 1e-12)]
    reading.put(
        observations__constant_dims=np.sum(deviations <= 1e-12), observations__dims=len(deviations)
    )
    if len(alive):
        reading.put(observations__scale_ratio=alive.max() / alive.min())
