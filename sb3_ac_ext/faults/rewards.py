"""Rewards of the training environment that are wrong in scale, sign, time or at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sb3_ac_ext.faults.base import Kind
from sb3_ac_ext.faults.changed_env import ChangedEnv, EnvFault, changed, later


def _fault(
    name: str, cause: str, summary: str, reward: Callable[[ChangedEnv, Any], Any], **knobs: Any
) -> EnvFault:
    wrapper = changed(reward=lambda env, value: reward(env, float(value)))
    knobs = {"kind": Kind.HARMFUL, **knobs}
    return EnvFault(
        name=name, component="rewards", cause=cause, summary=summary, wrapper=wrapper, **knobs
    )


def _outlier(env: ChangedEnv, reward: float) -> float:
    return env.severity * max(abs(reward), 1.0) if env.rng.random() < 1e-3 else reward


def _broken_number(env: ChangedEnv, reward: float, number: float) -> float:
    """Once at the step that the severity says, then once in a thousand steps."""
    strikes = env.rng.random() < 1e-3
    first = env.n_steps == int(env.severity)
    return number if first or (later(env) and strikes) else reward


def _nan(env: ChangedEnv, reward: float) -> float:
    return _broken_number(env, reward, np.nan)


def _infinite(env: ChangedEnv, reward: float) -> float:
    return _broken_number(env, reward, np.inf)


def _delayed(env: ChangedEnv, reward: float) -> float:
    """What is still owed at the end of an episode is lost."""
    env.queue.append(reward)
    return env.queue.popleft() if len(env.queue) > env.severity else 0.0


def _paid_at_end(env: ChangedEnv, reward: float) -> float:
    env.queue.append(reward)
    return sum(env.queue) if env.ended else 0.0


def _noisy(env: ChangedEnv, reward: float) -> float:
    """The scale is the running root mean square, so that constant rewards have one too."""
    env.moments.add(reward**2)
    scale = np.sqrt(env.moments.mean)
    return reward + float(env.rng.normal(0.0, env.severity * scale))


def _every_other_zero(env: ChangedEnv, reward: float) -> float:
    return 0.0 if env.rng.random() < env.severity else reward


_SCALED = {"unit": "factor", "needs": ("raw_rewards",)}

FAULTS = (
    _fault(
        "reward_scale_large",
        "reward_scale",
        "all rewards are multiplied by a large factor, as after a change of units",
        lambda env, reward: reward * env.severity,
        severity=1000.0,
        **_SCALED,
    ),
    _fault(
        "reward_scale_small",
        "reward_scale",
        "all rewards are multiplied by a tiny factor",
        lambda env, reward: reward * env.severity,
        severity=1e-4,
        **_SCALED,
    ),
    _fault(
        "reward_sign",
        "reward_sign",
        "a cost is paid as a reward: the sign of every reward is reversed",
        lambda env, reward: -env.severity * reward,
        unit="factor beside the sign",
    ),
    _fault(
        "reward_zero",
        "reward_constant",
        "every reward is 0, as when the reward function is never called",
        lambda env, reward: 0.0,
    ),
    _fault(
        "reward_constant",
        "reward_constant",
        "every reward is the same number",
        lambda env, reward: env.severity,
        unit="reward",
        needs=("varied_rewards",),
    ),
    _fault(
        "reward_outliers",
        "reward_outliers",
        "one reward in a thousand is far larger than all others",
        _outlier,
        severity=1e4,
        unit="factor",
    ),
    _fault(
        "reward_nan",
        "nonfinite_environment",
        "a reward is NaN, and one in a thousand after it",
        _nan,
        severity=1500.0,
        unit="steps of one worker until the first",
    ),
    _fault(
        "reward_inf",
        "nonfinite_environment",
        "a reward is infinite, and one in a thousand after it",
        _infinite,
        severity=1500.0,
        unit="steps of one worker until the first",
    ),
    _fault(
        "reward_delay",
        "reward_delay",
        "every reward is paid some steps late; what is owed at the end of an episode is lost",
        _delayed,
        kind=Kind.DEFECT,
        severity=5.0,
        unit="steps",
    ),
    _fault(
        "reward_paid_at_end",
        "reward_delay",
        "the rewards of an episode are paid as one sum at its end",
        _paid_at_end,
    ),
    _fault(
        "reward_noise",
        "reward_noise",
        "normal noise drowns every reward",
        _noisy,
        severity=5.0,
        unit="standard deviations per root mean square of the rewards",
    ),
    _fault(
        "reward_lost",
        "reward_noise",
        "most rewards arrive as 0, as over a channel that drops messages",
        _every_other_zero,
        severity=0.8,
        unit="probability",
    ),
)
