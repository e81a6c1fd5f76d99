"""Checks of settings against the budget and against the episodes that were seen."""

from __future__ import annotations

import numpy as np
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from sb3_ac_ext import registry
from sb3_ac_ext.config import Config
from sb3_ac_ext.doctor.exploration import Experience
from sb3_ac_ext.doctor.records import Check, Status
from sb3_ac_ext.doctor.subject import hyperparameter

_FEW_UPDATES = 10
_SHORT, _LONG = 0.05, 10.0


def budget(config: Config) -> list[Check]:
    """What is spent on what, for the family of the algorithm.

    :param config: settings of a run
    """
    cls = registry.algorithm(config.algo)
    if issubclass(cls, OnPolicyAlgorithm):
        return [rollouts(config), minibatches(config)]
    if issubclass(cls, OffPolicyAlgorithm):
        return [learning_starts(config), buffer_size(config)]
    return []


def learning_starts(config: Config) -> Check:
    """Steps before the first update, against all steps.

    :param config: settings of an off-policy algorithm
    """
    name = "learning_starts"
    starts, total = int(hyperparameter(config, name, 0)), config.n_timesteps
    message = f"{starts:,} of {total:,} steps are taken before learning begins"
    remedy = f"lower learning_starts, or train for more than n_timesteps={total:,}"
    if starts >= total:
        return Check(name, Status.FAIL, f"{message}: nothing is learnt", remedy)
    if starts > total / 2:
        return Check(name, Status.WARNING, message, remedy)
    return Check(name, Status.OK, message)


def buffer_size(config: Config) -> Check:
    """What the replay buffer holds, against a batch and against all steps.

    :param config: settings of an off-policy algorithm
    """
    name = "buffer_size"
    size, batch = int(hyperparameter(config, name, 0)), int(hyperparameter(config, "batch_size", 1))
    total = config.n_timesteps
    message = f"{size:,} of {total:,} steps are kept, in batches of {batch:,}"
    if size < batch:
        return Check(name, Status.FAIL, f"{message}: less than one batch", "raise buffer_size")
    if size < min(10 * batch, total):
        return Check(name, Status.WARNING, f"{message}: less than ten", "raise buffer_size")
    if size < total / 100:
        return Check(name, Status.NOTE, f"{message}: it forgets quickly", "raise buffer_size")
    return Check(name, Status.OK, message)


def rollouts(config: Config) -> Check:
    """How many rollouts the budget is divided into.

    :param config: settings of an on-policy algorithm
    """
    name = "rollouts"
    n_steps, n_envs = int(hyperparameter(config, "n_steps", 1)), config.environment.n_envs
    size = n_steps * n_envs
    count = int(np.ceil(config.n_timesteps / size))
    message = (
        f"{config.n_timesteps:,} steps are {count:,} rollouts of {n_steps:,} x {n_envs} = {size:,}"
    )
    if count >= _FEW_UPDATES:
        return Check(name, Status.OK, message)
    remedy = "lower n_steps or n_envs, or raise n_timesteps: the policy changes once per rollout"
    return Check(name, Status.WARNING, message, remedy)


def minibatches(config: Config) -> Check:
    """Whether mini-batches divide a rollout.

    :param config: settings of an on-policy algorithm
    """
    name = "batch_size"
    batch = hyperparameter(config, name)
    if batch is None:
        return Check(name, Status.OK, "each rollout is one batch")
    size = int(hyperparameter(config, "n_steps", 1)) * config.environment.n_envs
    rest = size % int(batch)
    message = f"a rollout of {size:,} is {size // int(batch):,} batches of {batch:,}"
    if batch > size:
        message = f"batch_size {batch:,} exceeds the rollout of {size:,}: each is one batch of it"
        return Check(name, Status.NOTE, message, f"set batch_size to {size}, which does the same")
    if not rest:
        return Check(name, Status.OK, message)
    remedy = "choose a batch_size that divides n_steps * n_envs"
    return Check(name, Status.WARNING, f"{message} and one of only {rest:,}", remedy)


def horizon(config: Config, experience: Experience, limit: int | None) -> Check:
    """How far the agent looks ahead, 1 / (1 - gamma), against how long episodes are.

    :param config: settings of a run
    :param experience: of a random policy
    :param limit: ``max_episode_steps`` of the spec
    """
    name = "gamma"
    gamma = float(hyperparameter(config, name, 0.99))
    lengths = experience.lengths
    endless = limit is None and not len(lengths)
    if gamma >= 1.0:
        message = "1: nothing is discounted"
        if endless:
            return Check(name, Status.FAIL, f"{message}, and no episode ends", "set gamma below 1")
        return Check(name, Status.NOTE, message, "values grow with the length of episodes")
    steps = 1.0 / (1.0 - gamma)
    if not len(lengths):
        return Check(name, Status.OK, f"{gamma:g} looks {steps:,.0f} steps ahead, no episode ended")
    usual = float(np.median(lengths))
    message = f"{gamma:g} looks {steps:,.0f} steps ahead, episodes take {usual:,.0f}"
    if steps < _SHORT * usual:
        remedy = "raise gamma unless rewards come at once"
        grave = steps < _SHORT * usual / 5
        return Check(name, Status.WARNING if grave else Status.NOTE, message, remedy)
    if steps > _LONG * max(usual, limit or 0):
        return Check(name, Status.NOTE, message, "values vary more than needed: lower gamma")
    return Check(name, Status.OK, message)
