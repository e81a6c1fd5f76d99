"""Observations that are wrong in scale, time, order or at all, in training and evaluation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sb3_ac_ext.faults.base import Kind
from sb3_ac_ext.faults.changed_env import ChangedEnv, TaskFault, changed, later


def _fault(
    name: str, cause: str, summary: str, observation: Callable[[ChangedEnv, Any], Any], **knobs: Any
) -> TaskFault:
    knobs = {"kind": Kind.HARMFUL, **knobs}
    return TaskFault(
        name=name,
        component="observations",
        cause=cause,
        summary=summary,
        wrapper=changed(observation=observation),
        **knobs,
    )


def _one_scaled(env: ChangedEnv, observation: Any) -> Any:
    factors = np.ones(observation.size)
    factors[0] = env.severity
    return observation * factors.reshape(observation.shape)


def _partly_dead(env: ChangedEnv, observation: Any) -> Any:
    """The last entries are 0, at least one of them."""
    n_dead = max(1, round(env.severity * observation.size))
    alive = np.arange(observation.size) < observation.size - n_dead
    return observation * alive.reshape(observation.shape)


def _stale(env: ChangedEnv, observation: Any) -> Any:
    env.queue.append(observation)
    return env.queue.popleft() if len(env.queue) > env.severity else env.queue[0]


def _noisy(env: ChangedEnv, observation: Any) -> Any:
    env.moments.add(observation.astype(np.float64))
    return observation + env.severity * env.moments.std * env.rng.normal(size=observation.shape)


def _shuffled(env: ChangedEnv, observation: Any) -> Any:
    if env.rng.random() >= env.severity:
        return observation
    return env.rng.permutation(observation.flatten()).reshape(observation.shape)


def _dropped(env: ChangedEnv, observation: Any) -> Any:
    return observation * float(env.rng.random() >= env.severity)


def _nan(env: ChangedEnv, observation: Any) -> Any:
    strikes = env.rng.random() < 1e-3
    first = env.n_steps == int(env.severity)
    return _one_lost(observation) if first or (later(env) and strikes) else observation


def _one_lost(observation: Any) -> Any:
    lost = observation.copy()
    lost.flat[0] = np.nan
    return lost


_RAW = {"needs": ("raw_observations",)}

FAULTS = (
    _fault(
        "obs_scale_large",
        "observation_scale",
        "all observations are multiplied by a large factor",
        lambda env, observation: observation * env.severity,
        severity=1000.0,
        unit="factor",
        **_RAW,
    ),
    _fault(
        "obs_scale_one_dim",
        "observation_scale",
        "the first entry of the observation is multiplied by a large factor",
        _one_scaled,
        severity=1e4,
        unit="factor",
        **_RAW,
    ),
    _fault(
        "obs_offset",
        "observation_scale",
        "a large number is added to every entry, as with absolute instead of relative positions",
        lambda env, observation: observation + env.severity,
        severity=300.0,
        unit="offset",
        **_RAW,
    ),
    _fault(
        "obs_dead_dims",
        "observation_dead",
        "the last entries of the observation are always 0, as with sensors that are not connected",
        _partly_dead,
        severity=0.5,
        unit="share of the entries",
    ),
    _fault(
        "obs_all_zero",
        "observation_dead",
        "every observation is 0, as when an array is returned before it is filled",
        lambda env, observation: observation * 0,
    ),
    _fault(
        "obs_stale",
        "observation_stale",
        "the observation from before the action is returned",
        _stale,
        kind=Kind.DEFECT,
        unit="steps",
    ),
    _fault(
        "obs_noise",
        "observation_noise",
        "normal noise drowns the observations",
        _noisy,
        severity=3.0,
        unit="standard deviations of each entry",
    ),
    _fault(
        "obs_shuffled",
        "observation_noise",
        "the entries of the observation come in another order at every step",
        _shuffled,
        unit="probability",
    ),
    _fault(
        "obs_dropped",
        "observation_noise",
        "whole observations are lost and read as 0",
        _dropped,
        severity=0.5,
        unit="probability",
    ),
    _fault(
        "obs_nan",
        "nonfinite_environment",
        "an entry of an observation is NaN, and one in a thousand steps after it",
        _nan,
        severity=1500.0,
        unit="steps of one worker until the first",
    ),
)
