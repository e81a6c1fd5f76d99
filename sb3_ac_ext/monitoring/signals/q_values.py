"""Q-values of off-policy critics: their range, their bound, their error."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_ac_ext.monitoring import replay
from sb3_ac_ext.monitoring.describe import environment_facts
from sb3_ac_ext.monitoring.functional import dip_test, robust_deviation
from sb3_ac_ext.monitoring.signals.base import Reading, Signal, needs_off_policy
from sb3_ac_ext.monitoring.signals.hyperparameters import entropy_coefficient
from sb3_ac_ext.monitoring.view import View

_RECENT_STEPS = 2000
_MIN_EPISODES = 3


class QValueSignal(Signal):
    """Q(s, a) on a replay batch, in units of (normalised) return.

    ``q/mean, std, min, max`` over the minimum of the critics; ``q/twin_gap`` mean absolute
    difference of two critics; ``q/target_gap`` mean absolute difference of online and target
    critic.
    ``q/bound`` = (max|r| + alpha max|log pi|) / (1 - gamma): no correct critic can exceed it, the
    second term being SAC's entropy bonus; ``q/bound_ratio`` = max|Q| / bound. ``q/bias``: mean of
    Q(s, a) minus the discounted Monte-Carlo return over the steps of recent finished episodes
    (bootstrapped with Q at time limits); ``q/bias_relative`` divides by the robust deviation of
    these returns.
    ``q/entropy_share``: SAC's mean |alpha log pi| per step over the mean |Q|.
    ``q/dip``, ``q/dip_p``: Hartigan's dip test; two modes are normal in success/fail tasks.
    """

    name = "q_values"

    def __init__(self) -> None:
        self._largest_reward = 0.0
        self._window = _RECENT_STEPS

    def supports(self, model: BaseAlgorithm) -> str | None:
        return needs_off_policy(model) or replay.unreadable(model)

    def attach(self, model: BaseAlgorithm) -> None:
        self._largest_reward = replay.largest_reward(model)
        self._window = max(_RECENT_STEPS, 4 * (environment_facts(model)[1] or 0))

    def collect(self, view: View) -> Reading:
        reading = Reading()
        rewards = view.window.rewards
        if len(rewards) and np.isfinite(rewards).any():
            size = float(np.abs(rewards[np.isfinite(rewards)]).max())
            self._largest_reward = max(self._largest_reward, size)
        if view.batch is None or not view.updated:
            return reading
        batch = view.batch
        critics = q_values(view.model, batch.observations, batch.actions)
        smallest = critics.min(axis=1)
        finite = np.isfinite(smallest)
        reading.put(q__nonfinite=np.sum(~finite))
        if not finite.all():
            return reading
        reading.put(
            q__mean=smallest.mean(),
            q__std=smallest.std(),
            q__min=smallest.min(),
            q__max=smallest.max(),
        )
        if critics.shape[1] > 1:
            reading.put(q__twin_gap=np.mean(np.ptp(critics, axis=1)))
        target = q_values(view.model, batch.observations, batch.actions, target=True)
        if target is not None:
            reading.put(q__target_gap=np.mean(np.abs(critics - target)))
        bonus, largest_bonus = _entropy_bonus(view)
        size = float(np.mean(np.abs(smallest)))
        if bonus and size > 0.0:
            reading.put(q__entropy_share=bonus / size)
        self._bound(view, np.abs(critics).max(), largest_bonus, reading)
        _bias(view, self._window, reading)
        dip = dip_test(smallest)
        if dip is not None:
            reading.put(q__dip=dip[0], q__dip_p=dip[1])
        return reading

    def _bound(self, view: View, largest: float, bonus: float, reading: Reading) -> None:
        gamma = view.model.gamma
        if gamma >= 1.0 or self._largest_reward == 0.0:
            return
        bound = (self._largest_reward + bonus) / (1.0 - gamma)
        reading.put(q__bound=bound, q__bound_ratio=largest / bound)


def q_values(model: Any, observations: Any, actions: th.Tensor, target: bool = False) -> Any:
    """Q(s, a) of all critics, shape (n, n_critics); ``None`` where there is no target network."""
    policy = model.policy
    if isinstance(model.action_space, spaces.Discrete):
        names = ("q_net_target", "quantile_net_target") if target else ("q_net", "quantile_net")
        network = next((getattr(policy, n) for n in names if hasattr(policy, n)), None)
        if network is None:
            return None
        values = network(observations)
        if values.dim() == 3:  # (n, quantiles, n_actions)
            values = values.mean(dim=1)
        chosen = values.gather(1, actions.long().reshape(-1, 1))
    else:
        critic = getattr(policy, "critic_target" if target else "critic", None)
        if critic is None:
            return None
        output = critic(observations, actions)
        # TQC: (n, n_critics, n_quantiles); twin critics: a tuple of (n, 1)
        chosen = th.cat(output, dim=1) if isinstance(output, tuple) else output.mean(dim=2)
    return chosen.cpu().numpy().astype(np.float64)


def _entropy_bonus(view: View) -> tuple[float, float]:
    """Mean and largest of |alpha log pi| per step; zeros without an entropy bonus."""
    actor: Any = getattr(view.model.policy, "actor", None)
    coefficient = entropy_coefficient(view.model)
    if coefficient is None or not hasattr(actor, "action_log_prob"):
        return 0.0, 0.0
    assert view.batch is not None
    _, log_prob = actor.action_log_prob(view.batch.observations)
    size = coefficient * log_prob.abs()
    return float(size.mean()), float(size.max())


def _bias(view: View, window: int, reading: Reading) -> None:
    found = replay.recent(view.model, window)
    if found is None:
        return
    ends = found.terminations | found.truncations
    if ends.sum() < _MIN_EPISODES:
        return
    returns = _episode_returns(view.model, found)
    at = np.argwhere(np.isfinite(returns))
    at = at[np.linspace(0, len(at) - 1, min(len(at), replay.BATCH)).astype(int)]
    rows, workers = found.rows[at[:, 0]], at[:, 1]
    estimates = q_values(
        view.model,
        replay.observations_at(view.model, rows, workers),
        replay.actions_at(view.model, rows, workers),
    ).min(axis=1)
    actual = returns[at[:, 0], at[:, 1]]
    bias = float(np.mean(estimates - actual))
    reading.put(q__bias=bias)
    spread = robust_deviation(actual)
    if spread > 0.0:
        reading.put(q__bias_relative=bias / spread)


def _episode_returns(model: Any, found: replay.Recent) -> Any:
    """Discounted return to the end of the episode, shape (T, n_envs); NaN where it did not end."""
    returns = np.full(found.rewards.shape, np.nan)
    following = np.full(found.rewards.shape[1], np.nan)
    last_q = np.full(found.rewards.shape, np.nan)
    cut = np.argwhere(found.truncations)
    if len(cut):
        rows, workers = found.rows[cut[:, 0]], cut[:, 1]
        last_q[cut[:, 0], cut[:, 1]] = q_values(
            model,
            replay.observations_at(model, rows, workers),
            replay.actions_at(model, rows, workers),
        ).min(axis=1)
    for t in range(len(returns) - 1, -1, -1):
        following = found.rewards[t] + model.gamma * following
        following = np.where(found.terminations[t], found.rewards[t], following)
        following = np.where(found.truncations[t], last_q[t], following)
        returns[t] = following
    return returns
