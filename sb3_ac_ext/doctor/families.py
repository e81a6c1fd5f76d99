"""Settings with which each family of algorithms learns a probe quickly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sb3_contrib import QRDQN, CrossQ
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from sb3_ac_ext.config.constructor import constructor_parameters

GAMMA = 0.5
"""Far from 0 and 1, so that a value tells whether it was used, left out, or used twice."""


@dataclass(frozen=True)
class Family:
    """
    :param n_envs: workers
    :param n_timesteps: enough for a sound algorithm
    :param hyperparameters: of which an algorithm gets those that it accepts
    :param learns_from_critic: whether the policy follows the critic's gradient or values, and
        cannot be right where these are wrong
    """

    n_envs: int
    n_timesteps: int
    hyperparameters: Mapping[str, Any]
    learns_from_critic: bool


_ON_POLICY = Family(
    n_envs=8,
    n_timesteps=1_000,
    hyperparameters={
        "learning_rate": 5e-3,
        "n_steps": 4,
        "batch_size": 32,
        "n_epochs": 4,
        "gae_lambda": 0.9,
        "ent_coef": 0.0,
        "gamma": GAMMA,
    },
    learns_from_critic=False,
)
_OFF_POLICY = Family(
    n_envs=1,
    n_timesteps=300,
    hyperparameters={
        "learning_rate": 5e-3,
        "buffer_size": 1_000,
        "learning_starts": 50,
        "batch_size": 64,
        "tau": 0.05,
        "train_freq": 1,
        "gradient_steps": 1,
        "ent_coef": 0.01,
        "exploration_fraction": 0.2,
        "exploration_final_eps": 0.2,
        "gamma": GAMMA,
    },
    learns_from_critic=True,
)


def family(cls: type[BaseAlgorithm]) -> Family:
    """
    :param cls: algorithm class
    :raises ValueError: for an algorithm without a critic
    """
    if issubclass(cls, OnPolicyAlgorithm):
        return _ON_POLICY
    if issubclass(cls, OffPolicyAlgorithm):
        return _OFF_POLICY
    raise ValueError(
        f"{cls.__name__} has no critic to examine: it is neither an OnPolicyAlgorithm nor an "
        "OffPolicyAlgorithm"
    )


def settings(cls: type[BaseAlgorithm], continuous: bool) -> dict[str, Any]:
    """Keyword arguments of an algorithm's constructor for a probe.

    :param cls: algorithm class
    :param continuous: kind of the probe's actions
    """
    accepted = constructor_parameters(cls)
    wanted = dict(family(cls).hyperparameters)
    policy = _policy(cls)
    wanted["policy_kwargs"] = {"net_arch": [16, 16]}
    if "Lstm" in policy:
        wanted["policy_kwargs"]["lstm_hidden_size"] = 16
    if issubclass(cls, QRDQN):
        wanted["policy_kwargs"]["n_quantiles"] = 10
    if issubclass(cls, CrossQ):  # running averages over hundreds of updates would lag behind
        wanted["policy_kwargs"]["batch_norm_momentum"] = 0.1
    if "exploration_fraction" in accepted:  # DQN's target network is copied, not averaged
        wanted.update(tau=1.0, target_update_interval=20)
    elif continuous and "action_noise" in accepted:
        wanted["action_noise"] = NormalActionNoise(np.zeros(1), 0.5 * np.ones(1))
    chosen = {key: value for key, value in wanted.items() if key in accepted}
    return {"policy": policy, **chosen}


def _policy(cls: type[BaseAlgorithm]) -> str:
    aliases = getattr(cls, "policy_aliases", {})
    return "MlpPolicy" if "MlpPolicy" in aliases or not aliases else next(iter(aliases))
