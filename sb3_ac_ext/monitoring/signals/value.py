"""Advantages, returns, and how well the on-policy critic explains them."""

from __future__ import annotations

import math

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_ac_ext.monitoring.functional import explained_variance, monte_carlo_returns
from sb3_ac_ext.monitoring.rollout import Rollout
from sb3_ac_ext.monitoring.signals.base import Reading, Signal, needs_on_policy
from sb3_ac_ext.monitoring.view import View

_MIN_MONTE_CARLO = 64


class ValueSignal(Signal):
    """The critic against its targets, and against returns that it had no part in.

    ``value/explained_variance`` = 1 - Var(R - V) / Var(R) with the buffer's targets R = A + V,
    which a low gae_lambda makes agree with V whatever V is; ``value/mc_explained_variance`` uses
    discounted Monte-Carlo returns of the steps whose episode ended in the window (at least 64 of
    them; ends by time limit count with the bootstrap that the buffer holds).
    ``value/reach``: mean value over mean target. ``value/loss_relative`` is the mean squared error
    over Var(R). ``value/fit_ratio`` is the error on the rollout after the update over the one
    before: at 1 the critic learnt nothing from it. NaN results (constant returns) are left out.
    Advantages are the buffer's, before normalisation.
    """

    name = "value"

    def supports(self, model: BaseAlgorithm) -> str | None:
        return needs_on_policy(model)

    def collect(self, view: View) -> Reading:
        reading = Reading()
        if view.rollout is None:
            return reading
        rollout = view.rollout
        advantages, returns = rollout.advantages, rollout.returns
        bad = ~np.isfinite(rollout.values)
        reading.put(value__nonfinite=np.sum(bad) + np.sum(~np.isfinite(advantages)))
        if reading.values["value/nonfinite"] > 0:
            return reading
        reading.put(
            advantages__mean=advantages.mean(),
            advantages__std=advantages.std(),
            returns__mean=returns.mean(),
            returns__std=returns.std(),
        )
        if returns.mean() != 0.0:
            reading.put(value__reach=rollout.values.mean() / returns.mean())
        for name, data in (("advantages", advantages), ("returns", returns)):
            if data.std() > 0.0:
                beyond = np.abs(data - data.mean()) > 5.0 * data.std()
                reading.values[f"{name}/beyond_5std"] = float(beyond.mean())
        _explained(rollout, view.model.gamma, reading)
        _fit(view, reading)
        return reading


def _explained(rollout: Rollout, gamma: float, reading: Reading) -> None:
    values, returns = rollout.values, rollout.returns
    explained = explained_variance(values.ravel(), returns.ravel())
    if math.isfinite(explained):
        reading.put(
            value__explained_variance=explained,
            value__loss_relative=np.mean((returns - values) ** 2) / returns.var(),
        )
    targets = monte_carlo_returns(rollout.rewards, rollout.dones, gamma)
    known = np.isfinite(targets)
    if known.sum() >= _MIN_MONTE_CARLO:
        explained = explained_variance(values[known], targets[known])
        if math.isfinite(explained):
            reading.put(value__mc_explained_variance=explained)


def _fit(view: View, reading: Reading) -> None:
    if view.evaluation is None or view.rollout is None:
        return
    sample = view.rollout.sample
    before = np.mean((sample.returns - sample.values) ** 2)
    after = np.mean((sample.returns - view.evaluation.values) ** 2)
    if before > 0.0 and math.isfinite(after):
        reading.put(value__fit_ratio=after / before)
