"""The policy's distribution before and after an update."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_ac_ext.monitoring.functional import kl_estimate
from sb3_ac_ext.monitoring.signals.base import Reading, Signal, flat
from sb3_ac_ext.monitoring.view import View


class PolicySignal(Signal):
    """KL, entropy and standard deviation of a stochastic policy, measured after the update.

    ``policy/kl``: KL(old, new) in nats by the k3 estimator over the whole rollout (at most 1024
    evenly spaced rows), unlike ``train/approx_kl``, which averages the minibatches of the last
    epoch.
    ``policy/clip_fraction``: share of these rows whose ratio left the clip range.
    ``policy/entropy``: mean entropy in nats; ``policy/entropy_relative`` divides by its maximum,
    which only discrete actions have. ``policy/log_std_*``: extremes over action dimensions, for
    state-independent Gaussians and for squashed ones (over a batch); gSDE's parameters are no
    standard deviations of actions and are left out.
    """

    name = "policy"

    def supports(self, model: BaseAlgorithm) -> str | None:
        if hasattr(model.policy, "evaluate_actions") or _has_squashed_gaussian(model.policy):
            return None
        return f"{type(model.policy).__name__} is deterministic: it has no distribution"

    def collect(self, view: View) -> Reading:
        reading = Reading()
        if view.evaluation is not None:
            _on_policy(view, reading)
        elif view.updated and view.batch is not None and _has_squashed_gaussian(view.model.policy):
            _squashed(view, reading)
        return reading


def _has_squashed_gaussian(policy: Any) -> bool:
    return hasattr(getattr(policy, "actor", None), "action_log_prob")


def _on_policy(view: View, reading: Reading) -> None:
    assert view.evaluation is not None and view.rollout is not None
    log_ratio = view.evaluation.log_probs - view.rollout.sample.log_probs
    finite = np.isfinite(log_ratio)
    reading.put(policy__nonfinite_log_prob=np.sum(~finite))
    if finite.any():
        reading.put(policy__kl=kl_estimate(log_ratio[finite]))
        clip_range = getattr(view.model, "clip_range", None)
        if callable(clip_range):
            bound = clip_range(view.model._current_progress_remaining)
            ratio = np.exp(np.minimum(log_ratio[finite], 50.0))
            reading.put(policy__clip_fraction=np.mean(np.abs(ratio - 1.0) > bound))
    entropy = view.evaluation.entropy.mean()
    reading.put(policy__entropy=entropy)
    maximum = maximum_entropy(view.model.action_space)
    if maximum is not None:
        reading.put(policy__entropy_relative=entropy / maximum)
    log_std = getattr(view.model.policy, "log_std", None)
    if log_std is not None and not getattr(view.model, "use_sde", False):
        values = flat(log_std)
        reading.put(policy__log_std_min=values.min(), policy__log_std_max=values.max())


def _squashed(view: View, reading: Reading) -> None:
    actor: Any = view.model.policy.actor
    assert view.batch is not None
    _, log_prob = actor.action_log_prob(view.batch.observations)
    values = flat(log_prob)
    finite = np.isfinite(values)
    reading.put(policy__nonfinite_log_prob=np.sum(~finite))
    if finite.any():
        reading.put(policy__entropy=-values[finite].mean())
    if not getattr(actor, "use_sde", False):
        _, log_std, _ = actor.get_action_dist_params(view.batch.observations)
        per_dimension = log_std.mean(dim=0)
        reading.put(
            policy__log_std_min=float(per_dimension.min()),
            policy__log_std_max=float(per_dimension.max()),
        )


def maximum_entropy(space: spaces.Space) -> float | None:
    """Entropy of the uniform policy in nats; ``None`` for continuous actions: no bound."""
    if isinstance(space, spaces.Discrete):
        return math.log(int(space.n)) if space.n > 1 else None
    if isinstance(space, spaces.MultiDiscrete):
        return float(np.log(space.nvec).sum())
    if isinstance(space, spaces.MultiBinary):
        return math.log(2.0) * float(np.prod(space.shape))
    return None
