"""What safe environments had to put up with: restarted workers, numbers that are not finite."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnvWrapper

from sb3_ac_ext.monitoring.signals.base import Reading, Signal
from sb3_ac_ext.monitoring.view import View
from sb3_ac_ext.vec_envs.failures import KINDS
from sb3_ac_ext.vec_envs.finite_guard import VecFiniteGuard
from sb3_ac_ext.vec_envs.safe_subproc import SafeSubprocVecEnv

Counts = dict[str, npt.NDArray[np.int64]]


class IncidentSignal(Signal):
    """Restarts of workers and non-finite numbers, counted since training began.

    ``workers/restarts`` with arrays ``workers/raised``, ``workers/died`` and ``workers/hung`` from
    a ``SafeSubprocVecEnv``; ``workers/nonfinite`` with arrays ``workers/nonfinite_observations``
    and ``workers/nonfinite_rewards`` from a ``VecFiniteGuard``. Arrays have one entry per worker.
    Other environments have no such series.
    """

    name = "incidents"

    def attach(self, model: BaseAlgorithm) -> None:
        self._before = _counts(model)

    def collect(self, view: View) -> Reading:
        reading = Reading()
        now = _counts(view.model)
        for name, counts in now.items():
            reading.put_array(name, counts - self._before.get(name, 0))
        restarts = [reading.arrays[f"workers/{k}"] for k in KINDS if f"workers/{k}" in now]
        if restarts:
            reading.put(workers__restarts=np.sum(restarts))
        if "workers/nonfinite_rewards" in now:
            parts = ("observations", "rewards")
            total = sum(sum(reading.arrays[f"workers/nonfinite_{part}"]) for part in parts)
            reading.put(workers__nonfinite=total)
        return reading


def _counts(model: Any) -> Counts:
    """Since the environments were made, shape (n_envs,) each."""
    found: Counts = {}
    env = model.env
    while isinstance(env, VecEnvWrapper):
        if isinstance(env, VecFiniteGuard):
            found["workers/nonfinite_observations"] = env.nonfinite_observations.copy()
            found["workers/nonfinite_rewards"] = env.nonfinite_rewards.copy()
        env = env.venv
    if isinstance(env, SafeSubprocVecEnv):
        for kind in KINDS:
            workers = [f.worker for f in env.worker_restarts if f.kind == kind]
            found[f"workers/{kind}"] = np.bincount(workers, minlength=env.num_envs)
    return found
