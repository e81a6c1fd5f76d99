"""NaN and infinity while training runs: where, in words, and cheap enough for every update."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch as th

from sb3_ac_ext.flight.state import Tensors

_MAY_BE_NAN = {"train/explained_variance"}
"""Undefined where returns are constant, which is no fault."""


def bad_losses(logged: Mapping[str, float]) -> str | None:
    """
    :param logged: what ``train()`` recorded
    """
    bad = {k: v for k, v in logged.items() if not math.isfinite(v) and k not in _MAY_BE_NAN}
    return ", ".join(f"{name} = {value}" for name, value in bad.items()) or None


def bad_tensors(what: str, tensors: Tensors, norms: np.ndarray[Any, Any]) -> str | None:
    """
    :param what: for the sentence, such as ``weights``
    :param norms: of the floating-point tensors; only where one overflowed are entries looked at
    """
    if np.isfinite(norms).all():
        return None
    floating = [(name, t) for name, t in tensors.items() if t.is_floating_point()]
    bad = [name for name, tensor in floating if not bool(th.isfinite(tensor).all())]
    if not bad:
        return None
    return f"{what} of {len(bad)} of {len(floating)} tensors, {bad[0]} first"


def bad_step(step_locals: Mapping[str, Any]) -> dict[str, str]:
    """What of an environment step is not finite: ``rewards``, ``observations`` -> worker and value.

    :param step_locals: of ``collect_rollouts``
    """
    found = {}
    rewards = np.asarray(step_locals["rewards"])
    for worker in np.flatnonzero(~np.isfinite(rewards))[:1]:
        found["rewards"] = f"reward of worker {worker} = {rewards[worker]}"
    observations = step_locals["new_obs"]
    parts = observations if isinstance(observations, dict) else {"": observations}
    for key, part in parts.items():
        if part.dtype.kind == "f" and not np.isfinite(part).all():
            at = tuple(int(i) for i in np.argwhere(~np.isfinite(part))[0])
            where = "".join(f"[{i}]" for i in at[1:])
            name = f"observation {key}" if key else "observation"
            found.setdefault("observations", f"{name}{where} of worker {at[0]} = {part[at]}")
    return found
