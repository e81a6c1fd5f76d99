"""How long steps and resets take."""

from __future__ import annotations

import numpy as np

from sb3_ac_ext.doctor.exploration import Experience
from sb3_ac_ext.doctor.records import Check, Status

_SLOW_SHARE = 0.5
_SLOW_FACTOR = 20.0
_LEAST_SLOW = 5
_HALT_MS = 100.0  # shorter ones are the work of a busy machine
_NOTICEABLE_MS = 5.0


def step_time(experience: Experience) -> Check:
    """The distribution of step times: a few slow steps hold up all workers of a step.

    :param experience: of a random policy
    """
    name = "step time"
    milliseconds = 1e3 * np.concatenate([e.step_seconds for e in experience.episodes])
    resets = 1e3 * np.array([episode.reset_seconds for episode in experience.episodes])
    median, p99 = np.quantile(milliseconds, [0.5, 0.99])
    # starts broken off for the sake of other checks are no part of training
    share = float(resets.mean() * len(experience.ended))
    share /= share + float(milliseconds.sum())
    slow = milliseconds[milliseconds > max(_SLOW_FACTOR * median, _HALT_MS)]
    slow_share = float(slow.sum() / milliseconds.sum())
    message = (
        f"median {median:.3g} ms, 99 % below {p99:.3g} ms; "
        f"resets {resets.mean():.3g} ms, {share:.0%} of the time"
    )
    if share > _SLOW_SHARE and resets.mean() > _NOTICEABLE_MS:
        return Check(name, Status.NOTE, message, "most time goes into resets: make them cheaper")
    if slow_share > _SLOW_SHARE and len(slow) >= _LEAST_SLOW:
        message = f"{message}; {len(slow)} steps of up to {slow.max():.3g} ms take {slow_share:.0%}"
        remedy = "find the slow steps; with SubprocVecEnv all workers wait for the slowest"
        return Check(name, Status.NOTE, message, remedy)
    return Check(name, Status.OK, message)
