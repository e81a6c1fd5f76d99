"""One deterministic forward pass of the policy: its greedy actions and its hidden layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch as th
from torch import nn

_ACTIVATIONS = (nn.Tanh, nn.ReLU, nn.ELU, nn.GELU, nn.SiLU, nn.LeakyReLU, nn.Sigmoid)


@dataclass(frozen=True)
class Probe:
    """
    :param actions: greedy actions, shape (n, action_dim)
    :param layers: outputs of the hidden activation layers in order, each of shape (n, units)
    """

    actions: np.ndarray
    layers: tuple[np.ndarray, ...]


def probe_states(policy: Any, states: Any) -> Probe:
    """
    :param states: observations as tensors, of any policy without memory
    """
    return _probe(policy, lambda: policy._predict(states, deterministic=True))


def probe_sample(policy: Any, kwargs: dict[str, Any]) -> Probe:
    """
    :param kwargs: a sample's arguments of ``evaluate_actions``, with LSTM states or action masks
    """
    if "lstm_states" in kwargs:
        states, starts = kwargs["lstm_states"].pi, kwargs["episode_starts"]
        return _probe(
            policy,
            lambda: policy.get_distribution(kwargs["obs"], states, starts)[0].mode(),
        )
    masks = kwargs["action_masks"]
    return _probe(policy, lambda: policy._predict(kwargs["obs"], True, action_masks=masks))


def _probe(policy: Any, answer: Any) -> Probe:
    layers: list[np.ndarray] = []

    def keep(_module: nn.Module, _inputs: Any, output: th.Tensor) -> None:
        if output.dim() >= 2:
            layers.append(output.flatten(start_dim=1).cpu().numpy())

    handles = [
        module.register_forward_hook(keep)
        for module in policy.modules()
        if isinstance(module, _ACTIVATIONS)
    ]
    try:
        actions = answer().cpu().numpy()
    finally:
        for handle in handles:
            handle.remove()
    return Probe(
        actions.reshape(len(actions), -1), tuple(layer for layer in layers if layer.shape[1] > 1)
    )
