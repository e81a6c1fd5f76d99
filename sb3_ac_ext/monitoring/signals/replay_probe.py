"""Exact invariants of a replay buffer: what is stored is what happened."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_ac_ext.monitoring import replay
from sb3_ac_ext.monitoring.recorder import Step
from sb3_ac_ext.monitoring.signals.base import Reading, Signal, needs_off_policy
from sb3_ac_ext.monitoring.signals.stored import difference, newest, rows_of
from sb3_ac_ext.monitoring.view import View


class ReplayProbe(Signal):
    """Invariant I9 of a replay buffer, read before the update.

    ``probe/stored_obs_error``, ``_next_obs_``, ``_action_``, ``_reward_``, ``_done_``,
    ``_timeout_``: the newest 32 transitions against what ``env.step`` took and gave: actions scaled
    to [-1, 1], observations and rewards before normalisation, the terminal observation and not the
    reset's at the end of an episode. Exact, but for terminal observations with VecNormalize, which
    SB3 clips and un-normalises: these are left out.
    """

    name = "replay_probe"

    def __init__(self) -> None:
        self._reading = Reading()

    def supports(self, model: BaseAlgorithm) -> str | None:
        return needs_off_policy(model) or replay.unreadable(model)

    def before_update(self, view: View) -> None:
        self._reading = Reading()
        buffer = view.model.replay_buffer
        # the newest step is recorded, but SB3 calls on_rollout_end only after storing it
        steps = newest(view.window.recent, buffer.size())
        if len(steps):
            rows = (buffer.pos - len(steps) + np.arange(len(steps))) % buffer.buffer_size
            _compare(view.model, steps, rows, self._reading)

    def collect(self, view: View) -> Reading:
        reading, self._reading = self._reading, Reading()
        return reading


def _compare(model: Any, steps: Any, rows: Any, reading: Reading) -> None:
    buffer = model.replay_buffer
    reading.put(
        probe__stored_obs_error=difference(
            rows_of(buffer.observations, rows), [step.obs for step in steps]
        ),
        probe__stored_action_error=_action_error(model, steps, rows),
        probe__stored_reward_error=difference(
            buffer.rewards[rows], [step.rewards for step in steps]
        ),
        probe__stored_done_error=difference(buffer.dones[rows], [step.dones for step in steps]),
    )
    if buffer.handle_timeout_termination:
        timeouts = [_timeouts(step) for step in steps]
        reading.put(probe__stored_timeout_error=difference(buffer.timeouts[rows], timeouts))
    else:
        ignored = any(any(step.timeouts.values()) for step in steps)
        reading.put(probe__stored_timeout_error=float(ignored))
    if not getattr(buffer, "optimize_memory_usage", False):
        following = rows_of(buffer.next_observations, rows)
        expected = [_following(model, step) for step in steps]
        keep = [k for k, obs in enumerate(expected) if obs is not None]
        if keep:
            reading.put(
                probe__stored_next_obs_error=difference(
                    rows_of(following, keep), [expected[k] for k in keep]
                )
            )


def _action_error(model: Any, steps: Any, rows: Any) -> float:
    stored = model.replay_buffer.actions[rows]
    if isinstance(model.action_space, spaces.Box):
        stored = model.policy.unscale_action(stored)
        # SB3 clips what exploration noise makes of an action before both uses
        span = model.action_space.high - model.action_space.low
        return difference(stored / span, [step.executed / span for step in steps])
    return difference(stored, [step.executed for step in steps])


def _timeouts(step: Step) -> Any:
    flags = np.zeros(len(step.dones), dtype=np.float32)
    for worker, timeout in step.timeouts.items():
        flags[worker] = timeout
    return flags


def _following(model: Any, step: Step) -> Any:
    """Next observations with the terminal ones put in; ``None`` where they are not exact."""
    if not step.terminal_obs:
        return step.new_obs
    missing = any(obs is None for obs in step.terminal_obs.values())
    if missing or model._vec_normalize_env is not None:
        return None
    if isinstance(step.new_obs, dict):
        following = {key: part.copy() for key, part in step.new_obs.items()}
        for worker, obs in step.terminal_obs.items():
            for key in following:
                following[key][worker] = obs[key]
        return following
    rows = step.new_obs.copy()
    for worker, obs in step.terminal_obs.items():
        rows[worker] = obs
    return rows
