"""Bounds for the standard deviation of a Gaussian policy, in its logarithm."""

from __future__ import annotations

from typing import Any

import torch as th
from torch import nn

Bounds = tuple[float, float]


def checked(bounds: Any) -> Bounds | None:
    """
    :param bounds: (least, most), ``None`` for none
    :raises ValueError: for anything else
    """
    if bounds is None:
        return None
    try:
        low, high = map(float, bounds)
    except (TypeError, ValueError):
        low = high = float("nan")
    if not low < high:
        raise ValueError(
            f"log_std_bounds={bounds!r} is not accepted: give (least, most) in increasing order"
        )
    return low, high


def keep_within(log_std: Any, bounds: Bounds) -> None:
    """Bring a parameter back between its bounds, or bound all that a layer puts out.

    :param log_std: parameter, or the layer that computes it from features
    """
    if isinstance(log_std, nn.Module):
        log_std.register_forward_hook(lambda module, inputs, output: th.clamp(output, *bounds))
        return
    with th.no_grad():
        log_std.clamp_(*bounds)
