"""Optimizer steps of all parameters at once, in place of a dozen calls per parameter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch as th

FLAGS = {th.optim.Adam: "fused", th.optim.AdamW: "fused", th.optim.RMSprop: "foreach"}
"""PyTorch's quicker implementation, by the kind of optimizer."""


@contextmanager
def fused(optimizers: Sequence[th.optim.Optimizer]) -> Iterator[None]:
    """Steps taken inside use PyTorch's fused kernel, which computes the same up to rounding, or,
    of RMSprop, which has none, operations on lists of tensors.

    Afterwards optimizers are what they were, and are saved as such. Left alone are other kinds,
    those whose user chose an implementation, parameters on a GPU, where the
    kernel counts steps in a place of its own, and memory that is not contiguous: the kernel walks
    parameters, gradients and moments side by side as they lie, whatever their strides.

    :param optimizers: of any kind
    """
    flags = [
        (group, FLAGS[type(optimizer)])
        for optimizer in optimizers
        if type(optimizer) in FLAGS
        for group in optimizer.param_groups
        if _left_to_us(group) and _side_by_side(optimizer, group)
    ]
    for group, flag in flags:
        group[flag] = True
    try:
        yield
    finally:
        for group, flag in flags:
            group[flag] = None


def _left_to_us(group: dict[str, Any]) -> bool:
    chosen = group.get("fused") is not None or group.get("foreach") is not None
    special = group.get("capturable") or group.get("differentiable")
    return not chosen and not special


def _side_by_side(optimizer: th.optim.Optimizer, group: dict[str, Any]) -> bool:
    """Whether the kernel may walk over all of a group's memory."""
    return all(
        tensor.device.type == "cpu" and tensor.is_contiguous()
        for parameter in group["params"]
        for tensor in (parameter, *optimizer.state.get(parameter, {}).values())
    )
