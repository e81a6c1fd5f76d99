"""What a trained model believes in a probe: its critic's values and its greedy actions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from sb3_ac_ext.doctor.probes import signed
from sb3_ac_ext.monitoring.neutral import undisturbed

CHOICES = (-1.0, 1.0)
_SPREAD = (-1.0, 0.0, 1.0)


@dataclass(frozen=True)
class Reading:
    """
    :param values: of each observation, one column per action where the critic takes actions
    :param greedy: best action for each observation, in [-1, 1]
    :param leaning: the mean action instead, where the policy draws from discrete actions
    :param actions: of the columns of values, empty where the critic takes none
    """

    values: np.ndarray
    greedy: np.ndarray
    leaning: np.ndarray
    actions: tuple[float, ...] = ()


def read(model: BaseAlgorithm, observations: Sequence[float], in_turn: bool = False) -> Reading:
    """Ask a model about the observations of a probe, without disturbing its training.

    :param model: trained in a probe
    :param observations: of the probe's states
    :param in_turn: whether they follow each other in one episode, which recurrent critics notice
    :raises ValueError: if nothing in the model can be read as a critic
    """
    batch = np.array(observations, np.float32).reshape(-1, 1)
    with undisturbed(model):
        greedy, leaning = _greedy(model, batch), _leaning(model, batch)
        values = _values(model, batch, in_turn)
        return Reading(
            values=values,
            greedy=greedy,
            leaning=greedy if leaning is None else leaning,
            actions={1: (), len(CHOICES): CHOICES, len(_SPREAD): _SPREAD}[values.shape[1]],
        )


def _greedy(model: BaseAlgorithm, batch: np.ndarray) -> np.ndarray:
    actions = [model.predict(observation, deterministic=True)[0] for observation in batch]
    return np.array([signed(action, model.action_space) for action in actions])


def _leaning(model: Any, batch: np.ndarray) -> np.ndarray | None:
    """An untrained policy prefers an action by a hair: the greedy one hides what it learns."""
    if not isinstance(model.action_space, spaces.Discrete) or _is_recurrent(model):
        return None
    if not hasattr(model.policy, "get_distribution"):
        return None
    observations, _ = model.policy.obs_to_tensor(batch)
    probabilities = model.policy.get_distribution(observations).distribution.probs
    return np.asarray(2.0 * probabilities[:, 1].cpu().numpy() - 1.0, dtype=np.float64)


def _is_recurrent(model: Any) -> bool:
    return hasattr(model.policy, "lstm_actor")


def _values(model: Any, batch: np.ndarray, in_turn: bool) -> np.ndarray:
    observations, _ = model.policy.obs_to_tensor(batch)
    if _is_recurrent(model):
        values = _recurrent_values(model, observations, in_turn)
    elif isinstance(model, OnPolicyAlgorithm) and hasattr(model.policy, "predict_values"):
        values = model.policy.predict_values(observations)
    elif getattr(model, "q_net", None) is not None:
        values = model.q_net(observations)
    elif getattr(model, "quantile_net", None) is not None:
        values = model.quantile_net(observations).mean(dim=1)
    elif getattr(model, "critic", None) is not None and isinstance(model.action_space, spaces.Box):
        values = th.cat([_q_values(model, observations, action) for action in _SPREAD], dim=1)
    else:
        raise ValueError(
            f"{type(model).__name__} has no critic that can be read: it needs "
            "policy.predict_values, q_net, or critic(observations, actions)"
        )
    return np.asarray(values.cpu().numpy(), dtype=np.float64)


def _q_values(model: Any, observations: th.Tensor, action: float) -> th.Tensor:
    """The mean over critics, and over quantiles where there are any, of shape (n, 1)."""
    found = model.critic(observations, th.full_like(observations, action))
    stacked = th.cat(tuple(found), dim=1) if isinstance(found, (tuple, list)) else found
    return stacked.flatten(start_dim=1).mean(dim=1, keepdim=True)


def _recurrent_values(model: Any, observations: th.Tensor, in_turn: bool) -> th.Tensor:
    policy = model.policy
    memory = policy.lstm_actor
    zeros = th.zeros((memory.num_layers, 1, memory.hidden_size), device=model.device)
    states = RNNStates((zeros, zeros), (zeros, zeros))
    start, values = th.ones(1, device=model.device), []
    for index, observation in enumerate(observations):
        begins = start if index == 0 or not in_turn else 0 * start
        _, value, _, states = policy.forward(observation[None], states, begins)
        values.append(value)
    return th.cat(values)
