"""What an environment is used for, read from who calls it.

A wrapper sees what is below it. What is above (another normaliser, the algorithm with its discount
factor, an evaluation) it can only see while it is being called, and RL Zoo wraps training and
evaluation environments by the same call with the same arguments.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

_EVALUATING = {
    ("stable_baselines3.common", "evaluate_policy"),
    ("sb3_contrib.common.maskable", "evaluate_policy"),
    ("rl_zoo3", "enjoy"),
}
"""Package and function of those who report rewards and teach nobody."""


@dataclass(frozen=True)
class Use:
    """
    :param learner: the algorithm that trains in the environment, if it is among the callers
    :param evaluated: whether the environment is there for an evaluation
    :param above: wrappers around the environment that the call came through
    """

    learner: BaseAlgorithm | None
    evaluated: bool
    above: tuple[VecEnvWrapper, ...] = field(default=())


def use_of(env: VecEnv) -> Use:
    """
    :param env: one of whose methods is running
    """
    learner, evaluated = None, False
    above: list[VecEnvWrapper] = []
    for frame in _frames():
        owner = frame.f_locals.get("self")
        if isinstance(owner, VecEnvWrapper):
            if owner is not env and owner not in above and env in layers(owner):
                above.append(owner)
        elif isinstance(owner, BaseAlgorithm):
            if env in layers(owner.env):
                learner = owner
                break
            evaluated = True  # a callback of this algorithm steps an environment of its own
        name = frame.f_globals.get("__package__"), frame.f_code.co_name
        evaluated = evaluated or name in _EVALUATING
    return Use(learner, evaluated and learner is None, tuple(above))


def learner_from(buffer: Any) -> BaseAlgorithm | None:
    """The algorithm that learns from a replay buffer, if it is among the callers.

    :param buffer: one of whose methods is running
    """
    for frame in _frames():
        owner = frame.f_locals.get("self")
        if isinstance(owner, BaseAlgorithm) and getattr(owner, "replay_buffer", None) is buffer:
            return owner
    return None


def layers(env: VecEnv | None) -> list[VecEnv]:
    """A vectorised environment and all that it wraps, the outermost first."""
    found: list[VecEnv] = []
    while env is not None:
        found.append(env)
        env = env.venv if isinstance(env, VecEnvWrapper) else None
    return found


def _frames() -> Iterator[FrameType]:
    """From the nearest caller to the farthest; none where Python does not tell."""
    frame = inspect.currentframe()
    while frame is not None:
        yield frame
        frame = frame.f_back
