"""Exact invariants of a rollout: what is stored is what happened, and follows from it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_ac_ext.monitoring.functional import generalised_advantages
from sb3_ac_ext.monitoring.neutral import has_modes
from sb3_ac_ext.monitoring.rollout import Sample, evaluate
from sb3_ac_ext.monitoring.signals.base import Reading, Signal, needs_on_policy
from sb3_ac_ext.monitoring.signals.stored import difference, newest
from sb3_ac_ext.monitoring.view import View

_ROWS, _GAE_STEPS = 256, 64


class RolloutProbe(Signal):
    """Invariants I1, I2 and I9 of a rollout, read before the update.

    ``probe/log_prob_error``: largest |log pi(a|s) - stored| over 256 rows, in nats, with the policy
    that acted: zero on CPU where state, action and log-probability of a row belong together
    (float32: below 1e-4, on a GPU below 1e-3). ``probe/value_error``: the same for values, relative
    to their magnitude. ``probe/log_prob_mode_error``: the same in training mode, where dropout or
    batch norm makes them differ.
    ``probe/advantage_error``: largest difference between the buffer's last 64 rows of advantages
    and a generalised advantage estimate (arXiv 1506.02438, eq. 16) of its rewards, values and
    episode starts with the model's own gamma and gae_lambda, over their standard deviation;
    ``probe/return_error`` the same for returns = advantages + values.
    ``probe/stored_obs_error``, ``_action_``, ``_reward_``, ``_start_``: the newest 32 rows against
    what ``env.step`` took and gave; at time limits the reward holds gamma V(terminal) besides, and
    is compared by itself: ``probe/timeout_reward_error``.
    ``probe/stored_clipped_error``: where the action is not the sampled but the executed one.

    gSDE is left out of the log-probabilities where its noise matrix was drawn anew since.
    """

    name = "rollout_probe"
    period = 2

    def __init__(self) -> None:
        self._reading = Reading()

    def supports(self, model: BaseAlgorithm) -> str | None:
        return needs_on_policy(model)

    def before_update(self, view: View) -> None:
        self._reading = reading = Reading()
        if view.rollout is None:
            return
        _stored(view, reading)
        _advantages(view, reading)
        _policy(view, reading)

    def collect(self, view: View) -> Reading:
        reading, self._reading = self._reading, Reading()
        return reading


def _stored(view: View, reading: Reading) -> None:
    model = view.model
    buffer = model.rollout_buffer
    steps = newest(view.window.recent, buffer.pos)
    if not steps or not hasattr(buffer, "episode_starts"):
        return
    rows = slice(buffer.pos - len(steps), buffer.pos)
    observations = buffer.observations
    stored = (
        {key: part[rows] for key, part in observations.items()}
        if isinstance(observations, dict)
        else observations[rows]
    )
    wrong_action = difference(buffer.actions[rows], [step.actions for step in steps])
    clipped = (
        wrong_action > 0.0 == difference(buffer.actions[rows], [step.executed for step in steps])
    )
    reading.put(
        probe__stored_obs_error=difference(stored, [step.obs for step in steps]),
        probe__stored_action_error=0.0 if clipped else wrong_action,
        probe__stored_clipped_error=wrong_action if clipped else 0.0,
    )
    _stored_rewards(model, steps, buffer.rewards[rows], reading)
    if len(steps) > 1:
        starts = buffer.episode_starts[rows][1:]
        ended = [step.dones for step in steps[:-1]]
        reading.put(probe__stored_start_error=difference(starts, ended))


def _stored_rewards(model: Any, steps: Any, stored: Any, reading: Reading) -> None:
    paid = np.array([step.rewards for step in steps], dtype=np.float32)
    expected = np.array([_bootstrapped(model, step) for step in steps])
    late = expected != paid
    reading.put(
        probe__stored_reward_error=difference(
            np.where(late, 0.0, stored), list(np.where(late, 0.0, paid))
        )
    )
    if late.any():
        reading.put(probe__timeout_reward_error=difference(stored[late], expected[late][:, None]))


def _bootstrapped(model: Any, step: Any) -> Any:
    """Rewards of one step as SB3 stores them."""
    rewards = np.array(step.rewards, dtype=np.float32)
    if hasattr(model.policy, "lstm_actor"):
        return rewards  # its terminal values need the hidden state of that moment
    for worker, timeout in step.timeouts.items():
        terminal = step.terminal_obs[worker]
        if timeout and terminal is not None:
            obs = model.policy.obs_to_tensor(terminal)[0]
            rewards[worker] += model.gamma * float(model.policy.predict_values(obs)[0])
    return rewards


def _advantages(view: View, reading: Reading) -> None:
    model = view.model
    buffer = model.rollout_buffer
    if view.last_values is None or view.last_dones is None or not hasattr(model, "gae_lambda"):
        return
    rows = slice(max(0, buffer.pos - _GAE_STEPS), buffer.pos)
    advantages, values = buffer.advantages[rows], buffer.values[rows]
    expected = generalised_advantages(
        buffer.rewards[rows],
        values,
        buffer.episode_starts[rows],
        _last_values(view.last_values, buffer, model.gamma),
        view.last_dones,
        model.gamma,
        model.gae_lambda,
    )
    scale = max(float(expected.std()), 1e-3 * float(np.abs(values).max()), 1e-8)
    if np.isfinite(scale):
        reading.put(
            probe__advantage_error=np.abs(advantages - expected).max() / scale,
            probe__return_error=np.abs(advantages + values - buffer.returns[rows]).max() / scale,
        )


def _last_values(given: Any, buffer: Any, gamma: float) -> Any:
    """Values after the last step.

    RecurrentPPO leaves those of the last step in its locals: there they are what the last row of
    advantages holds, and only the other rows are checked.
    """
    last = buffer.pos - 1
    if gamma == 0.0 or not np.array_equal(given, buffer.values[last]):
        return given
    return (buffer.advantages[last] + buffer.values[last] - buffer.rewards[last]) / gamma


def _policy(view: View, reading: Reading) -> None:
    model = view.model
    assert view.rollout is not None
    sample = _fewer(view.rollout.sample)
    now = evaluate(model, sample)
    size = np.maximum(1.0, np.abs(sample.values))
    reading.put(probe__value_error=np.max(np.abs(now.values - sample.values) / size))
    if getattr(model, "use_sde", False):
        return
    finite = np.isfinite(now.log_probs) & np.isfinite(sample.log_probs)
    if not finite.all():
        reading.put(policy__nonfinite_log_prob=np.sum(~finite))
        return
    error = np.abs(now.log_probs - sample.log_probs) / np.maximum(1.0, np.abs(sample.log_probs))
    reading.put(
        probe__log_prob_error=error.max(), probe__log_prob_error_share=np.mean(error > 1e-3)
    )
    if has_modes(model.policy):
        model.policy.set_training_mode(True)
        learning = evaluate(model, sample)
        model.policy.set_training_mode(False)
        error = np.abs(learning.log_probs - sample.log_probs)
        reading.put(probe__log_prob_mode_error=error.max())


def _fewer(sample: Sample) -> Sample:
    """Every k-th row, unless rows carry hidden states."""
    n = len(sample.log_probs)
    if "lstm_states" in sample.kwargs or n <= _ROWS:
        return sample
    k = -(-n // _ROWS)

    def cut(part: Any) -> Any:
        return {key: p[::k] for key, p in part.items()} if isinstance(part, dict) else part[::k]

    return Sample(
        kwargs={
            name: cut(part) if isinstance(part, dict | th.Tensor) else part
            for name, part in sample.kwargs.items()
        },
        log_probs=sample.log_probs[::k],
        values=sample.values[::k],
        returns=sample.returns[::k],
        advantages=sample.advantages[::k],
    )
