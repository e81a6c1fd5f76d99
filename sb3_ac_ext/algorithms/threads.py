"""How many of PyTorch's threads the matrix products of a run are worth."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch as th
from torch import nn

_AT_FIRST = th.get_num_threads()
_GIVEN = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
PER_THREAD = 1.6e7
"""Floating-point operations of a product for which another thread pays: one of (256, 256) and
(256, 256) has twice that, one of (256, 64) and (64, 64) an eighth."""


@contextmanager
def chosen_threads(model: Any) -> Iterator[None]:
    """As many threads as a model's batches and layers are worth, and afterwards those of before.

    Left alone are numbers that somebody gave, by ``torch.set_num_threads`` or in the environment,
    models that are not on the CPU, ``exact`` ones, whose sums depend on it, and convolutions.
    """
    before = th.get_num_threads()
    th.set_num_threads(worth(model, before))
    try:
        yield
    finally:
        th.set_num_threads(before)


def worth(model: Any, most: int) -> int:
    """
    :param most: threads that there are
    :return: at least 1
    """
    given = most != _AT_FIRST or any(name in os.environ for name in _GIVEN)
    if given or model.exact or model.device.type != "cpu" or _convolves(model.policy):
        return most
    return max(1, min(most, int(_largest_product(model) / PER_THREAD)))


def _convolves(policy: nn.Module) -> bool:
    return any(isinstance(module, nn.Conv2d) for module in policy.modules())


def _largest_product(model: Any) -> float:
    rows = getattr(model, "batch_size", None) or model.n_steps * model.n_envs
    layers = (m.weight.numel() for m in model.policy.modules() if isinstance(m, nn.Linear))
    return 2.0 * float(rows) * max(layers, default=0)
