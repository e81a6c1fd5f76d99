"""Actions that are not executed as chosen, and environments that change during training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from sb3_ac_ext.faults.base import ON_POLICY, Kind
from sb3_ac_ext.faults.changed_env import (
    ChangedEnv,
    EnvFault,
    TaskFault,
    changed,
    later,
    mirrored,
)


def random_action(env: ChangedEnv) -> Any:
    """A uniform action from the wrapper's own generator."""
    space = env.action_space
    if isinstance(space, gym.spaces.Discrete):
        return space.start + env.rng.integers(space.n)
    centre, radius = _middle(space)
    return (centre + radius * env.rng.uniform(-1.0, 1.0, space.shape)).astype(space.dtype)


def _delayed(env: ChangedEnv, action: Any) -> Any:
    """The first action of an episode is held until the delay is over."""
    env.queue.append(action)
    return env.queue.popleft() if len(env.queue) > env.severity else env.queue[0]


def _ignored(env: ChangedEnv, action: Any) -> Any:
    return random_action(env) if env.rng.random() < env.severity else action


def _sticky(env: ChangedEnv, action: Any) -> Any:
    if not env.queue or env.rng.random() >= env.severity:
        env.queue.append(action)
    return env.queue[-1]


def _clipped(env: ChangedEnv, action: Any) -> Any:
    centre, radius = _middle(env.action_space)
    return np.clip(action, centre - env.severity * radius, centre + env.severity * radius)


def _scaled(env: ChangedEnv, action: Any) -> Any:
    centre, _ = _middle(env.action_space)
    return (centre + env.severity * (action - centre)).astype(action.dtype)


def _middle(space: Any) -> tuple[Any, Any]:
    """Centre and half width of a Box; 0 and 1 where it has no bounds."""
    bounded = np.isfinite(space.high - space.low)
    centre = np.where(bounded, (space.high + space.low) / 2, 0.0)
    return centre, np.where(bounded, (space.high - space.low) / 2, 1.0)


class _PermutedActions(ChangedEnv):
    """Every episode gives the actions another meaning: order of choices, or signs."""

    def __init__(self, env: gym.Env[Any, Any], worker: int, severity: float) -> None:
        super().__init__(env, worker, severity)
        self.begin()

    def begin(self) -> None:
        super().begin()
        space = self.action_space
        if isinstance(space, gym.spaces.Discrete):
            self._order = self.rng.permutation(int(space.n))
        else:
            self._signs = self.rng.choice([-1.0, 1.0], size=space.shape)

    def action(self, action: Any) -> Any:
        space = self.action_space
        if isinstance(space, gym.spaces.Discrete):
            return space.start + self._order[action - space.start]
        return np.where(self._signs < 0, mirrored(space, action), action)


class _NarrowBounds(ChangedEnv):
    """The task is the same; its actions are declared, and taken, in smaller units."""

    def __init__(self, env: gym.Env[Any, Any], worker: int, severity: float) -> None:
        super().__init__(env, worker, severity)
        space: Any = env.action_space
        self.action_space = gym.spaces.Box(
            (space.low * severity).astype(space.dtype),
            (space.high * severity).astype(space.dtype),
            dtype=space.dtype,
        )

    def action(self, action: Any) -> Any:
        space: Any = self.env.action_space
        return np.clip(action / self.severity, space.low, space.high).astype(space.dtype)


class _Drifting(ChangedEnv):
    """From one step on, actions work the other way round and sensors read something else."""

    def action(self, action: Any) -> Any:
        return mirrored(self.action_space, action) if later(self) else action

    def observation(self, observation: Any) -> Any:
        self.moments.add(observation.astype(np.float64))
        return observation + self.moments.std if later(self) else observation


def _swapped(env: ChangedEnv, observation: Any) -> Any:
    return observation[..., ::-1] if later(env) else observation


def _drifting_sensor(env: ChangedEnv, observation: Any) -> Any:
    """Calibration is lost at a steady rate: one standard deviation in as many steps."""
    env.moments.add(observation.astype(np.float64))
    return observation + env.moments.std * env.n_steps / env.severity


def _path(name: str, summary: str, action: Callable[[ChangedEnv, Any], Any], **knobs: Any) -> Any:
    return TaskFault(
        name=name,
        component="actions",
        cause="action_path",
        summary=summary,
        wrapper=changed(action=action),
        **{"kind": Kind.HARMFUL, **knobs},
    )


def _drift(name: str, summary: str, wrapper: type[ChangedEnv], **knobs: Any) -> EnvFault:
    knobs = {"severity": 3000.0, "unit": "steps of one worker until it begins", **knobs}
    return EnvFault(
        name=name,
        component="dynamics",
        cause="environment_drift",
        kind=Kind.HARMFUL,
        summary=summary,
        wrapper=wrapper,
        **knobs,
    )


FAULTS = (
    _path(
        "action_delayed",
        "actions are executed some steps late",
        _delayed,
        kind=Kind.DEFECT,
        unit="steps",
    ),
    _path(
        "action_ignored",
        "a random action is executed in place of the chosen one",
        _ignored,
        unit="probability",
    ),
    _path(
        "action_sticky",
        "the action executed before is executed again, as with lost messages",
        _sticky,
        severity=0.75,
        unit="probability",
    ),
    _path(
        "action_scaled",
        "only a small part of the action arrives, as with wrong units",
        _scaled,
        severity=0.05,
        unit="factor",
        actions="continuous",
    ),
    _path(
        "action_clipped_small",
        "actions are clipped to a small part of their range",
        _clipped,
        severity=0.05,
        unit="share of the range",
        actions="continuous",
    ),
    TaskFault(
        name="action_permuted_every_episode",
        component="actions",
        cause="action_path",
        kind=Kind.HARMFUL,
        summary="the actions mean something else in every episode: another order, or other signs",
        wrapper=_PermutedActions,
    ),
    TaskFault(
        name="action_bounds_narrow",
        component="actions",
        cause="action_bounds",
        kind=Kind.HARMFUL,
        summary="actions have tiny units, so almost all that a new policy samples lie beyond them",
        wrapper=_NarrowBounds,
        severity=0.01,
        unit="factor",
        algos=ON_POLICY,
        actions="continuous",
    ),
    _drift(
        "env_drift",
        "from one step on, actions work the other way round and observations are shifted by one "
        "standard deviation",
        _Drifting,
    ),
    _drift(
        "reward_inverted_midway",
        "from one step on, the sign of the reward is reversed",
        changed(reward=lambda env, reward: -reward if later(env) else reward),
    ),
    _drift(
        "reward_scale_midway",
        "from one step on, all rewards are a hundred times as large",
        changed(reward=lambda env, reward: 100.0 * reward if later(env) else reward),
        needs=("raw_rewards",),
    ),
    _drift(
        "sensor_swap_midway",
        "from one step on, the entries of the observation come in reverse order",
        changed(observation=_swapped),
    ),
    _drift(
        "action_swap_midway",
        "from one step on, actions work the other way round",
        changed(
            action=lambda env, action: mirrored(env.action_space, action) if later(env) else action
        ),
    ),
    _drift(
        "sensor_drift",
        "observations lose their calibration at a steady rate",
        changed(observation=_drifting_sensor),
        unit="steps of one worker for a shift of one standard deviation",
    ),
)
