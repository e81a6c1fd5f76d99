"""On-policy data: the rollout buffer before the update, and the policy's view of it after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch as th
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm

MAX_SAMPLE = 512
"""Rows of a rollout that are evaluated again after the update; larger rollouts are strided."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """Rows of the last rollout, enough to evaluate any policy on them.

    :param kwargs: arguments of ``policy.evaluate_actions``: observations, actions and, where the
        policy needs them, LSTM states or action masks
    :param log_probs: shape (n,), under the policy that acted
    :param values: shape (n,), of the critic that acted
    :param returns: shape (n,), the critic's targets
    :param advantages: shape (n,), before normalisation
    """

    kwargs: dict[str, Any]
    log_probs: Floats
    values: Floats
    returns: Floats
    advantages: Floats


@dataclass(frozen=True)
class Rollout:
    """All on-policy data since the last snapshot; every array has shape (T, n_envs).

    :param rewards: as the buffer holds them, with ``gamma * V(terminal)`` added at time limits
    :param dones: true where the episode ended with this step
    """

    values: Floats
    returns: Floats
    advantages: Floats
    rewards: Floats
    dones: npt.NDArray[np.bool_]
    sample: Sample


@dataclass(frozen=True)
class Evaluation:
    """The updated policy on a :class:`Sample`; every array has shape (n,)."""

    values: Floats
    log_probs: Floats
    entropy: Floats


class RolloutCollector:
    """Copies the rollout buffer at every ``on_rollout_end``, before ``get()`` flattens it."""

    def __init__(self) -> None:
        self._parts: list[tuple[npt.NDArray[np.generic], ...]] = []

    def add(self, buffer: Any, last_dones: npt.NDArray[np.bool_]) -> None:
        """:param last_dones: shape (n_envs,), of the rollout's last step"""
        self._parts.append(
            (
                buffer.values.copy(),
                buffer.returns.copy(),
                buffer.advantages.copy(),
                buffer.rewards.copy(),
                buffer.episode_starts[1:].copy(),
                last_dones[None],
            )
        )

    def cut(self, model: BaseAlgorithm) -> Rollout | None:
        """Everything since the last cut, with a sample of the newest rollout.

        Must be called before the update."""
        if not self._parts:
            return None
        values, returns, advantages, rewards = (
            np.concatenate([part[k] for part in self._parts], dtype=np.float64) for k in range(4)
        )
        dones = np.concatenate([ends for part in self._parts for ends in part[4:]]).astype(bool)
        self._parts.clear()
        return Rollout(values, returns, advantages, rewards, dones, _take_sample(model))


def _take_sample(model: BaseAlgorithm) -> Sample:
    buffer: Any = model.rollout_buffer  # type: ignore[attr-defined]
    n_rows = buffer.pos * buffer.n_envs
    rows = np.unique(np.linspace(0, n_rows - 1, min(n_rows, MAX_SAMPLE)).astype(int))
    at = np.divmod(rows, buffer.n_envs)

    def tensor(array: npt.NDArray[np.generic]) -> th.Tensor:
        return th.as_tensor(array[at], device=model.device)

    observations = (
        {key: tensor(part) for key, part in buffer.observations.items()}
        if isinstance(buffer.observations, dict)
        else tensor(buffer.observations)
    )
    actions = tensor(buffer.actions)
    if isinstance(model.action_space, spaces.Discrete):
        actions = actions.long().flatten()
    kwargs: dict[str, Any] = {"obs": observations, "actions": actions}
    if hasattr(buffer, "action_masks"):
        kwargs["action_masks"] = tensor(buffer.action_masks)
    if hasattr(buffer, "hidden_states_pi"):
        kwargs.update(_lstm_arguments(model, buffer, at))
    return Sample(
        kwargs,
        log_probs=buffer.log_probs[at].astype(np.float64),
        values=buffer.values[at].astype(np.float64),
        returns=buffer.returns[at].astype(np.float64),
        advantages=buffer.advantages[at].astype(np.float64),
    )


def _lstm_arguments(model: BaseAlgorithm, buffer: Any, at: Any) -> dict[str, Any]:
    """Every row as a sequence of its own, begun from the hidden state that was stored with it."""
    from sb3_contrib.common.recurrent.type_aliases import RNNStates

    def state(array: npt.NDArray[np.float32]) -> th.Tensor:
        """(n_steps, n_layers, n_envs, dim) -> (n_layers, n_rows, dim)"""
        rows = array.swapaxes(1, 2)[at].swapaxes(0, 1)
        return th.as_tensor(np.ascontiguousarray(rows), device=model.device)

    return {
        "lstm_states": RNNStates(
            (state(buffer.hidden_states_pi), state(buffer.cell_states_pi)),
            (state(buffer.hidden_states_vf), state(buffer.cell_states_vf)),
        ),
        "episode_starts": th.as_tensor(buffer.episode_starts[at], device=model.device),
    }


def evaluate(model: BaseAlgorithm, sample: Sample) -> Evaluation:
    """The model's present policy and critic on the sample, without gradients."""
    policy: Any = model.policy
    values, log_probs, entropy = policy.evaluate_actions(**sample.kwargs)

    def array(tensor: th.Tensor) -> Floats:
        return tensor.detach().cpu().numpy().astype(np.float64).reshape(len(sample.log_probs), -1)

    return Evaluation(
        values=array(values).mean(axis=1),
        log_probs=array(log_probs).sum(axis=1),
        entropy=array(-log_probs if entropy is None else entropy).sum(axis=1),
    )
