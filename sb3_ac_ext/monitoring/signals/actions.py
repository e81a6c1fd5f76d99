"""The actions taken, and whether they depend on what is observed."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_ac_ext.monitoring.functional import relative_entropy_of_counts
from sb3_ac_ext.monitoring.signals.base import Reading, Signal
from sb3_ac_ext.monitoring.view import View


class ActionSignal(Signal):
    """Marginal distribution of the actions taken and dependence of the greedy action on the state.

    Discrete: ``actions/histogram`` (counts), entropy of the histogram over its maximum, share of
    the most frequent action. Box: share of entries at a bound, spread in half ranges of the space.
    ``policy/state_dependence``: for discrete actions the Gini index of the greedy actions over the
    sample's states, scaled to [0, 1]; for Box actions the standard deviation over states of the
    greedy action in half ranges, at most 1. 0 means that the policy acts the same everywhere.
    """

    name = "actions"

    def supports(self, model: BaseAlgorithm) -> str | None:
        known = (spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary, spaces.Box)
        if isinstance(model.action_space, known):
            return None
        return f"action space {type(model.action_space).__name__} has no action statistics"

    def collect(self, view: View) -> Reading:
        reading = Reading()
        space = view.model.action_space
        taken = view.window.actions
        if len(taken):
            taken = taken.reshape(taken.shape[0] * taken.shape[1], -1)
            if isinstance(space, spaces.Box):
                _continuous(taken.astype(np.float64), space, reading)
            else:
                _discrete(taken.astype(np.int64), space, reading)
        if view.updated and view.probe is not None:
            greedy = view.probe.actions
            if len(greedy) > 1:
                reading.put(policy__state_dependence=_dependence(greedy, view.model.policy))
        return reading


def _continuous(taken: np.ndarray, space: spaces.Box, reading: Reading) -> None:
    reading.put(actions__nonfinite=np.sum(~np.isfinite(taken)))
    low, high = space.low.ravel(), space.high.ravel()
    bounded = np.isfinite(low) & np.isfinite(high) & (high > low)
    if not bounded.any():
        return
    half = (high - low)[bounded] / 2.0
    scaled = (taken[:, bounded] - low[bounded]) / half - 1.0
    reading.put(
        actions__saturation=np.mean(np.abs(scaled) > 0.99),
        actions__std=np.mean(scaled.std(axis=0)),
    )


def _discrete(taken: np.ndarray, space: spaces.Space, reading: Reading) -> None:
    columns = [column - _start(space) for column in taken.T]
    sizes = _sizes(space)
    counts = [np.bincount(c, minlength=n)[:n] for c, n in zip(columns, sizes, strict=True)]
    reading.put(
        actions__entropy=np.mean([relative_entropy_of_counts(c) for c in counts]),
        actions__top_share=np.mean([c.max() / max(c.sum(), 1) for c in counts]),
    )
    if len(counts) == 1:
        reading.put_array("actions/histogram", counts[0])


def _start(space: spaces.Space) -> int:
    return int(space.start) if isinstance(space, spaces.Discrete) else 0


def _sizes(space: Any) -> list[int]:
    if isinstance(space, spaces.Discrete):
        return [int(space.n)]
    if isinstance(space, spaces.MultiBinary):
        return [2] * int(np.prod(space.shape))
    return [int(n) for n in space.nvec.ravel()]


def _dependence(greedy: np.ndarray, policy: Any) -> float:
    space = policy.action_space
    if isinstance(space, spaces.Box):
        spread = greedy.astype(np.float64).std(axis=0) / _half_range(policy)
        return float(np.minimum(spread.mean(), 1.0))
    indices = []
    for column, n in zip(greedy.T.astype(np.int64), _sizes(space), strict=True):
        if n < 2:
            continue
        shares = np.bincount(column, minlength=n) / len(column)
        indices.append((1.0 - np.sum(shares**2)) / (1.0 - 1.0 / n))
    return float(np.mean(indices)) if indices else 1.0


def _half_range(policy: Any) -> np.ndarray:
    """Of the policy's own output: [-1, 1] where it is squashed, the space's bounds elsewhere."""
    low, high = policy.action_space.low.ravel(), policy.action_space.high.ravel()
    if policy.squash_output:
        return np.ones(len(low))
    bounded = np.isfinite(low) & np.isfinite(high) & (high > low)
    return np.where(bounded, (high - low) / 2.0, 1.0)
