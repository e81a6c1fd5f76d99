"""Checks of what a random policy observed."""

from __future__ import annotations

import numpy as np

from sb3_ac_ext.doctor.exploration import Experience
from sb3_ac_ext.doctor.layout import Layout
from sb3_ac_ext.doctor.records import Check, Status

_LEAST_STARTS = 5
_LARGE, _HUGE = 10.0, 100.0
_UNLIKE, _FAR_APART = 100.0, 1000.0
_LEAST_ROWS = 100
_MOST_DIMENSIONS = 0.5


def stale(experience: Experience) -> Check:
    """The first step returns what ``reset`` returned: the observation lags one step behind.

    Judged against how often later steps repeat an observation, which slow environments do too.

    :param experience: of a random policy
    """
    name = "stale observations"
    starts = [episode.observations for episode in experience.episodes if episode.length]
    if len(starts) < _LEAST_STARTS or _is_constant(experience.observations):
        reason = f"{len(starts)} episodes began, or nothing observed ever changes"
        return Check(name, Status.SKIPPED, reason)
    repeated = sum(np.array_equal(rows[0], rows[1]) for rows in starts)
    later = [np.all(rows[2:] == rows[1:-1], axis=1) for rows in starts]
    usual = float(np.mean(np.concatenate(later))) if any(map(len, later)) else 0.0
    message = (
        f"the first step returns the observation of the reset in {repeated} of {len(starts)} "
        f"episodes, later steps repeat one in {usual:.0%}"
    )
    if repeated < 0.9 * len(starts):
        return Check(name, Status.OK, message)
    remedy = "return the observation after the step from step(), not the one before it"
    return Check(name, Status.FAIL if usual < 0.3 else Status.WARNING, message, remedy)


def overwritten(experience: Experience) -> Check:
    """A returned observation changes later: all callers that keep it see another state.

    :param experience: of a random policy
    """
    name = "shared observations"
    steps = sum(episode.overwritten for episode in experience.episodes)
    resets = sum(episode.reset_overwrote for episode in experience.episodes)
    if not steps + resets:
        return Check(name, Status.OK, f"none of {experience.n_steps:,} changed after its return")
    message = (
        f"{steps:,} of {experience.n_steps:,} returned observations changed at the next step, and "
        f"{resets} last ones at the reset, so that terminal_observation is not the terminal one"
    )
    return Check(name, Status.FAIL, message, "return a copy: observation.copy()")


def old_state(experience: Experience) -> Check:
    """``reset`` returns where the last episode ended.

    :param experience: of a random policy
    """
    name = "reset begins anew"
    pairs = [
        (before.observations[-1], after.observations[0])
        for before, after in zip(experience.episodes, experience.episodes[1:], strict=False)
        if before.length
    ]
    if len(pairs) < _LEAST_STARTS or _is_constant(experience.observations):
        return Check(name, Status.SKIPPED, f"{len(pairs)} episodes followed another")
    same = sum(np.array_equal(last, first) for last, first in pairs)
    message = f"{same} of {len(pairs)} resets return the last observation of the episode before"
    if same < 0.8 * len(pairs):
        return Check(name, Status.OK, message)
    return Check(name, Status.FAIL, message, "reset the state before reset() observes it")


def finite(experience: Experience) -> Check:
    """NaN or infinity in an observation.

    :param experience: of a random policy
    """
    name = "finite observations"
    bad = ~np.isfinite(experience.observations)
    if not bad.any():
        return Check(name, Status.OK, f"all of {len(bad):,} observations")
    names = _some(experience.layout, bad.any(axis=0))
    message = f"{int(bad.any(axis=1).sum()):,} of {len(bad):,} are not finite: {names}"
    return Check(
        name, Status.FAIL, message, "find the division or overflow; VecCheckNan stops at it"
    )


def constant(experience: Experience) -> Check:
    """Dimensions that never change tell the agent nothing.

    :param experience: of a random policy
    """
    name = "constant dimensions"
    rows = _measured(experience)
    if rows.shape[1] == 0 or len(rows) < _LEAST_ROWS:
        return Check(name, Status.SKIPPED, _unmeasured(rows))
    still = np.ptp(rows, axis=0) == 0.0
    if not still.any():
        return Check(name, Status.OK, f"all {len(still)} dimensions change")
    message = f"{int(still.sum())} of {len(still)} never change in {len(rows):,} observations"
    if still.all():
        return Check(name, Status.FAIL, message, "the agent is blind: return the present state")
    message = f"{message}: {_some(experience.layout, _in_place(experience.layout, still))}"
    most = bool(still.mean() > _MOST_DIMENSIONS)
    remedy = "leave them out, unless they change only where random actions do not lead"
    return Check(name, Status.WARNING if most else Status.NOTE, message, remedy)


def scale(experience: Experience, normalized: str = "") -> Check:
    """Inputs far from unit scale saturate small networks, and large ones drown the others.

    :param experience: of a random policy
    :param normalized: by what observations are normalised before the agent sees them, if at all
    """
    name = "observation scale"
    rows = _measured(experience)
    if rows.shape[1] == 0 or not np.isfinite(rows).all():
        return Check(name, Status.SKIPPED, _unmeasured(rows))
    sizes = np.quantile(np.abs(rows), 0.99, axis=0)
    moving = sizes[(np.ptp(rows, axis=0) > 0.0) & (sizes > 0.0)]
    largest = float(sizes.max())
    ratio = float(moving.max() / moving.min()) if len(moving) else 1.0
    message = (
        f"99 % of values are below {largest:.3g}, the dimensions' scales differ {ratio:.3g} times"
    )
    if normalized:
        return Check(name, Status.OK, f"{message}; normalised by {normalized}")
    if largest <= _LARGE and ratio <= _UNLIKE:
        return Check(name, Status.OK, message)
    grave = largest > _HUGE or ratio > _FAR_APART
    remedy = "normalise observations: VecNormalize(env, norm_obs=True), in YAML normalize: true"
    return Check(name, Status.WARNING if grave else Status.NOTE, message, remedy)


def _measured(experience: Experience) -> np.ndarray:
    return experience.observations[:, experience.layout.measured]


def _unmeasured(rows: np.ndarray) -> str:
    if rows.shape[1] == 0:
        return "the observations are images or choices, which SB3 scales itself"
    return f"{len(rows)} observations are too few, or not finite"


def _in_place(layout: Layout, chosen: np.ndarray) -> np.ndarray:
    """From the measured dimensions to all."""
    found = np.zeros(len(layout.names), dtype=bool)
    found[np.flatnonzero(layout.measured)[chosen]] = True
    return found


def _some(layout: Layout, chosen: np.ndarray, most: int = 5) -> str:
    names = [layout.names[index] for index in np.flatnonzero(chosen)]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _is_constant(rows: np.ndarray) -> bool:
    return bool(np.all(rows == rows[0]))
