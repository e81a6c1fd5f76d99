"""Weights: their size, how far an update moves them, and how much of the networks is alive."""

from __future__ import annotations

import numpy as np
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from torch import nn

from sb3_ac_ext.monitoring.functional import dormant_share, effective_rank
from sb3_ac_ext.monitoring.signals.base import Reading, Signal
from sb3_ac_ext.monitoring.signals.networks import parameter_groups
from sb3_ac_ext.monitoring.view import View


class WeightSignal(Signal):
    """Per network: Euclidean norm of all weights, and the relative change ||w' - w|| / ||w|| of
    one update.

    ``weights/dormant_share``: share of hidden units whose mean activity is at most 0.025 of their
    layer's (arXiv 2302.12902), over all layers that act on 256 observed states.
    ``weights/saturated_share``: share of tanh or sigmoid outputs beyond 0.99, mean over layers.
    ``weights/effective_rank``: of the policy's last hidden features (arXiv 2010.14498); it falls
    when the network forgets how to tell states apart. A network whose relative change is exactly 0
    is not trained.
    """

    name = "weights"

    def __init__(self) -> None:
        self._before: dict[str, th.Tensor] = {}

    def supports(self, model: BaseAlgorithm) -> str | None:
        return None if parameter_groups(model) else f"{type(model).__name__} has no optimizer"

    def before_update(self, view: View) -> None:
        self._before = _vectors(view.model)

    def collect(self, view: View) -> Reading:
        reading = Reading()
        nonfinite = 0
        after = _vectors(view.model)
        for net, vector in after.items():
            norm = float(vector.norm())
            if not np.isfinite(norm):
                nonfinite += int((~th.isfinite(vector)).sum())
                continue
            reading.values[f"weights/{net}/norm"] = norm
            before = self._before.get(net)
            if view.updated and before is not None and float(before.norm()) > 0.0:
                change = float((vector - before).norm()) / float(before.norm())
                reading.values[f"weights/{net}/update_ratio"] = change
        self._before = {}
        reading.put(weights__nonfinite=nonfinite)
        if view.updated and nonfinite == 0 and view.probe is not None and view.probe.layers:
            layers = view.probe.layers
            dormant = sum(dormant_share(layer) * layer.shape[1] for layer in layers)
            reading.put(
                weights__dormant_share=dormant / sum(layer.shape[1] for layer in layers),
                weights__effective_rank=effective_rank(layers[-1]),
                weights__saturated_share=np.mean([_saturated(layer) for layer in layers]),
            )
        return reading


def _saturated(activations: np.ndarray) -> float:
    """Share of a layer's outputs at a bound of tanh or sigmoid; 0 for unbounded activations."""
    size = np.abs(activations)
    return float(np.mean(size > 0.99)) if size.max() <= 1.0 else 0.0


def _vectors(model: BaseAlgorithm) -> dict[str, th.Tensor]:
    return {
        group.net: nn.utils.parameters_to_vector(group.parameters).detach()
        for groups in parameter_groups(model).values()
        for group in groups
    }
