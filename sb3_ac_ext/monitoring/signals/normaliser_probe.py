"""Normalisers of training and evaluation: how many, frozen where they must be, alike."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecNormalize

from sb3_ac_ext.monitoring.canary_env import normalisers
from sb3_ac_ext.monitoring.signals.base import Reading, Signal
from sb3_ac_ext.monitoring.view import View
from sb3_ac_ext.wrappers.vec_worker_normalize_reward import worker_rewards_wrapper

_OBS = (gym.wrappers.NormalizeObservation,)
_REWARD = (gym.wrappers.NormalizeReward,)


class NormaliserProbe(Signal):
    """Invariant I12 and double normalisation, read from the wrappers.

    ``probe/obs_normalisers``, ``probe/reward_normalisers``: how many wrappers of the training
    environment normalise observations and rewards (``VecNormalize``, ``VecWorkerNormalizeReward``
    and gymnasium's own). ``probe/normaliser_gamma_gap``: |its gamma - gamma of the algorithm| where
    one normalises rewards. For every evaluation environment that callbacks hold:
    ``probe/eval_training``: how many have a ``VecNormalize`` in training mode,
    ``probe/eval_norm_reward``: how many normalise rewards, ``probe/eval_unlike``: how many have
    another number of normalisers than training, or statistics of more steps than training's, which
    only an evaluation that learns can have.
    """

    name = "normaliser_probe"

    def collect(self, view: View) -> Reading:
        reading = Reading()
        env = view.model.get_env()
        if env is None:
            return reading
        ours = normalisers(env)
        inner = _inner_wrappers(env)
        scales = worker_rewards_wrapper(env)
        workers = None if scales is None else scales.worker_rewards
        reading.put(
            probe__obs_normalisers=sum(n.norm_obs for n in ours) + _count(inner, _OBS),
            probe__reward_normalisers=sum(n.norm_reward for n in (*ours, workers) if n is not None)
            + _count(inner, _REWARD),
        )
        gammas = [n.gamma for n in (*ours, workers) if n is not None and n.norm_reward]
        if gammas and hasattr(view.model, "gamma"):
            reading.put(probe__normaliser_gamma_gap=max(abs(g - view.model.gamma) for g in gammas))
        if view.evaluation_envs:
            _evaluation(ours, view.evaluation_envs, reading)
        return reading


def _evaluation(ours: list[VecNormalize], envs: Any, reading: Reading) -> None:
    training = norm_reward = unlike = 0
    for env in envs:
        theirs = normalisers(env)
        training += any(n.training for n in theirs)
        norm_reward += any(n.norm_reward for n in theirs)
        unlike += len(theirs) != len(ours) or any(
            _ahead(b, a) for a, b in zip(ours, theirs, strict=True)
        )
    reading.put(
        probe__eval_training=training,
        probe__eval_norm_reward=norm_reward,
        probe__eval_unlike=unlike,
    )


def _ahead(evaluation: VecNormalize, training: VecNormalize) -> bool:
    a: Any = getattr(evaluation, "obs_rms", None)
    b: Any = getattr(training, "obs_rms", None)
    if not hasattr(a, "count") or not hasattr(b, "count"):
        return False
    return bool(a.count > b.count + 1.0)


def _inner_wrappers(env: Any) -> list[type]:
    """Types of the gymnasium wrappers of worker 0; none where it lives in another process."""
    found: list[type] = []
    envs = getattr(env.unwrapped, "envs", None)
    layer = envs[0] if envs else None
    while isinstance(layer, gym.Wrapper):
        found.append(type(layer))
        layer = layer.env
    return found


def _count(found: list[type], kinds: tuple[type, ...]) -> int:
    return int(np.sum([issubclass(kind, kinds) for kind in found]))


def evaluation_envs(callback: Any, model: BaseAlgorithm) -> list[Any]:
    """Evaluation environments that a tree of callbacks holds, such as ``EvalCallback``'s.

    :param callback: the root, or a list of callbacks
    """
    own = model.get_env()
    found: list[Any] = []
    env = getattr(callback, "eval_env", None)
    if env is not None and env is not own:
        found.append(env)
    for child in (*getattr(callback, "callbacks", ()), getattr(callback, "callback", None)):
        if child is not None:
            found.extend(evaluation_envs(child, model))
    return found
