"""Rewards are normalised once, and with the discount factor of the algorithm."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.wrappers import NormalizeReward
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv, VecMonitor, VecNormalize

from sb3_ac_ext.wrappers.callers import Use, layers

OURS = "VecWorkerNormalizeReward"
_REMEDY = {
    "VecNormalize": "VecNormalize(norm_reward=False), in YAML normalize: {norm_reward: false}",
    OURS: f"one {OURS}",
    "NormalizeReward": "the environments without gymnasium's NormalizeReward",
}


def reward_normalizers(env: VecEnv) -> list[str]:
    """Names of what normalises rewards, the outermost first.

    :param env: with all of its wrappers
    """
    found = []
    for layer in layers(env):
        ours = vars(layer).get("worker_rewards")
        if (isinstance(layer, VecNormalize) and layer.norm_reward) or getattr(
            ours, "norm_reward", False
        ):
            found.append(type(layer).__name__)
    if any(env.env_is_wrapped(NormalizeReward)):
        found.append("NormalizeReward")
    return found


def refuse_second(others: list[str]) -> None:
    """
    :param others: names of what normalises rewards beside :class:`.VecWorkerNormalizeReward`
    :raises ValueError: if there is any
    """
    if others:
        remedy = _REMEDY.get(others[0], f"no {others[0]}")
        raise ValueError(
            f"rewards would be normalised twice, by {OURS} and by {others[0]}: use {remedy}, or "
            f"leave {OURS} out"
        )


def check_reward_normalization(model: Any) -> None:
    """What wrapper and replay buffer check when they are used, before training.

    :param model: algorithm with its training environment
    :raises ValueError: if rewards are normalised twice, once of it per worker, discounted by
        another ``gamma`` than the algorithm's, or stored as they were normalised then
    """
    found = reward_normalizers(model.env)
    if OURS in found:
        found.remove(OURS)
        refuse_second(found)
    for layer in layers(model.env):
        ours = vars(layer).get("worker_rewards")
        if ours is not None and ours.norm_reward:
            check_use(Use(model, False, ()), ours.gamma)
    buffer: Any = getattr(model, "replay_buffer", None)
    if hasattr(buffer, "worker_rewards"):
        buffer.check(model, model.get_vec_normalize_env())


def check_use(use: Use, gamma: float) -> None:
    """
    :param use: of an environment with :class:`.VecWorkerNormalizeReward`
    :param gamma: the wrapper's
    :raises ValueError: if rewards are normalised again above, would be reported normalised, are
        discounted otherwise by the algorithm, or are stored by it as they were normalised then
    """
    refuse_second(
        [
            type(one).__name__
            for one in use.above
            if isinstance(one, VecNormalize) and one.norm_reward
        ]
    )
    if any(isinstance(one, VecMonitor) for one in use.above):
        raise ValueError(f"VecMonitor around {OURS} would report normalised rewards: put it below")
    if use.learner is not None:
        check_gamma(use.learner, gamma, OURS)
        _check_buffer(use.learner)


def check_gamma(learner: BaseAlgorithm, gamma: float, name: str) -> None:
    """
    :param learner: algorithm
    :param gamma: with which returns are discounted for normalisation
    :param name: of what normalises
    :raises ValueError: if the algorithm's is another one
    """
    theirs = getattr(learner, "gamma", gamma)
    if not np.isclose(theirs, gamma):
        raise ValueError(
            f"{name} has gamma={gamma:g} and {type(learner).__name__} has gamma={theirs:g}: give "
            "both the same, for the scale of rewards is that of discounted returns"
        )


def _check_buffer(learner: Any) -> None:
    buffer = getattr(learner, "replay_buffer", None)
    if buffer is not None and not hasattr(buffer, "worker_rewards"):
        raise ValueError(
            f"{type(buffer).__name__} would keep rewards at the scale of the day: give "
            f"{type(learner).__name__} replay_buffer_class=WorkerNormalizedReplayBuffer of "
            "sb3_ac_ext (Dict... for observations that are dictionaries), which normalises when "
            f"it is sampled, with or without {OURS}"
        )
