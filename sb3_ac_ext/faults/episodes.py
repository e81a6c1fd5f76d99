"""Episodes that end or begin in the wrong way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sb3_ac_ext.faults.base import Kind
from sb3_ac_ext.faults.changed_env import ChangedEnv, EnvFault, changed


class _ReturnsOldObservation(ChangedEnv):
    """``reset()`` begins a new episode and returns the last observation of the old one."""

    _last: Any = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        observation, info = super().reset(seed=seed, options=options)
        return observation if self._last is None else self._last, info

    def step(self, action: Any) -> Any:
        result = super().step(action)
        self._last = result[0]
        return result


class _SkipsResets(ChangedEnv):
    """``reset()`` fails to reach the simulator, which goes on from where it was."""

    _last: Any = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        if self._last is None or self.rng.random() >= self.severity:
            return super().reset(seed=seed, options=options)
        self.begin()
        return self._last, {}

    def step(self, action: Any) -> Any:
        result = super().step(action)
        self._last = result[0]
        return result


def _fault(
    name: str, cause: str, kind: Kind, summary: str, wrapper: type[ChangedEnv], **knobs: Any
) -> EnvFault:
    return EnvFault(
        name=name,
        component="episodes",
        cause=cause,
        kind=kind,
        summary=summary,
        wrapper=wrapper,
        **knobs,
    )


def _ends(ends: Callable[[ChangedEnv, bool, bool], tuple[bool, bool]]) -> type[ChangedEnv]:
    return changed(ends=ends)


def _short(env: ChangedEnv, terminated: bool, truncated: bool) -> tuple[bool, bool]:
    return terminated, truncated or env.episode_steps >= env.severity


def _at_random(env: ChangedEnv, terminated: bool, truncated: bool) -> tuple[bool, bool]:
    return terminated or bool(env.rng.random() < env.severity), truncated


FAULTS = (
    _fault(
        "truncated_as_terminated",
        "time_limit_handling",
        Kind.DEFECT,
        "the end by time limit is reported as terminated",
        _ends(lambda env, terminated, truncated: (terminated or truncated, False)),
        needs=("truncations",),
    ),
    _fault(
        "terminated_as_truncated",
        "time_limit_handling",
        Kind.DEFECT,
        "every real end is reported as truncated, so the value of a state without future counts",
        _ends(lambda env, terminated, truncated: (False, terminated or truncated)),
        needs=("terminations",),
    ),
    _fault(
        "never_terminates",
        "episode_ends",
        Kind.HARMFUL,
        "terminated is swallowed: episodes go on after their end until the time limit",
        _ends(lambda env, terminated, truncated: (False, truncated)),
        needs=("terminations",),
    ),
    _fault(
        "no_time_limit",
        "episode_ends",
        Kind.HARMFUL,
        "episodes never end, neither by termination nor by time limit",
        _ends(lambda env, terminated, truncated: (False, False)),
    ),
    _fault(
        "done_early",
        "episode_ends",
        Kind.HARMFUL,
        "every episode is reported as terminated after a few steps",
        _ends(lambda env, terminated, truncated: (env.episode_steps >= env.severity, truncated)),
        severity=3.0,
        unit="steps",
    ),
    _fault(
        "time_limit_short",
        "episode_ends",
        Kind.HARMFUL,
        "the time limit is far too short for the task, though reported as it should be",
        _ends(_short),
        severity=10.0,
        unit="steps",
    ),
    _fault(
        "random_terminations",
        "episode_ends",
        Kind.HARMFUL,
        "episodes terminate at random, as with a watchdog that fires too easily",
        _ends(_at_random),
        severity=0.1,
        unit="probability per step",
    ),
    _fault(
        "reset_returns_old",
        "reset_broken",
        Kind.DEFECT,
        "reset() begins an episode and returns the last observation of the one before",
        _ReturnsOldObservation,
    ),
    _fault(
        "reset_skipped",
        "reset_broken",
        Kind.HARMFUL,
        "reset() does not reach the simulator: the old episode goes on, and ends at once",
        _SkipsResets,
        severity=0.5,
        unit="probability",
    ),
)
