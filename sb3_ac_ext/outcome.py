"""How a run ended, and one sentence that says why."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_ac_ext.models import weights_are_finite
from sb3_ac_ext.vec_envs.failures import WorkerError
from sb3_ac_ext.vec_envs.finite_guard import NonFiniteError

_TELLING = (WorkerError, NonFiniteError)
"""Errors whose text says where, which the line that raised them does not."""


@dataclass(frozen=True)
class Outcome:
    """
    :param status: ``finished``, ``stopped`` by a callback, ``paused`` as asked, ``preempted`` by
        a signal, ``interrupted`` by the user,
        ``diverged`` (weights are not finite) or ``failed``
    :param error: why, in one sentence, for the last two
    :param traceback: where, for a developer
    """

    status: str
    error: str | None = None
    traceback: str | None = None

    @property
    def failed(self) -> bool:
        return self.status in ("diverged", "failed")


def judge(
    model: BaseAlgorithm, error: BaseException | None, goal: int, ended: str | None = None
) -> Outcome:
    """
    :param model: as training left it
    :param error: what ended training, ``None`` if it returned
    :param goal: environment steps that were asked for
    :param ended: ``paused`` or ``preempted``, ``None`` for neither
    """
    if isinstance(error, KeyboardInterrupt):
        return Outcome("interrupted")
    at = f"at step {model.num_timesteps:,}"
    trace = None if error is None else "".join(traceback.format_exception(error))
    if not weights_are_finite(model):
        reason = f"training diverged: {at} the policy's weights are no longer finite"
        return Outcome("diverged", reason, trace)
    if error is not None:
        return Outcome("failed", f"training failed {at}: {_reason(model, error)}", trace)
    if model.num_timesteps >= goal:
        return Outcome("finished")
    return Outcome(ended or "stopped")


def _reason(model: BaseAlgorithm, error: BaseException) -> str:
    if isinstance(error, _TELLING):
        return str(error)
    if not _observations_are_finite(model):
        return "the environment returned observations that are NaN or infinite"
    first_line = str(error).strip().partition("\n")[0]
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {first_line}{where}"


def _observations_are_finite(model: BaseAlgorithm) -> bool:
    observations: Any = getattr(model, "_last_obs", None)
    parts = observations.values() if isinstance(observations, dict) else [observations]
    return all(part is None or bool(np.isfinite(part).all()) for part in parts)
