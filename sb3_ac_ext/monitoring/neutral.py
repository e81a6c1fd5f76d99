"""Observe a model without disturbing it: what happens inside leaves training bit-identical."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import torch as th
from gymnasium import Space
from stable_baselines3.common.base_class import BaseAlgorithm
from threadpoolctl import ThreadpoolController
from torch import nn

_MODES = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout, nn.modules.batchnorm._BatchNorm)


def has_modes(network: nn.Module) -> bool:
    """Whether a network answers otherwise in training than in evaluation mode."""
    return any(isinstance(module, _MODES) for module in network.modules())


@contextmanager
def undisturbed(model: BaseAlgorithm) -> Iterator[None]:
    """Evaluate networks and sample buffers in evaluation mode and without gradients.

    The state of every global random generator (Python, NumPy, torch CPU and the model's GPU) and
    the train/eval mode of every module are the same after as before. NumPy's linear algebra uses
    one thread: matrices are small here, and threads that wait for work take it from training.

    :param model: whose policy is set to evaluation mode inside
    """
    modes = [(module, module.training) for module in model.policy.modules()]
    python, numpy, torch = random.getstate(), np.random.get_state(), th.get_rng_state()  # noqa: NPY002
    kind = model.device.type
    cuda = th.cuda.get_rng_state(model.device) if kind == "cuda" else None
    mps = th.mps.get_rng_state() if kind == "mps" else None
    space = model.action_space
    exploration = _state(space)
    model.policy.set_training_mode(False)
    try:
        with th.no_grad(), _linear_algebra().limit(limits=1):
            yield
    finally:
        for module, mode in modes:
            module.training = mode
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        th.set_rng_state(torch)
        _set_state(space, exploration)
        if cuda is not None:
            th.cuda.set_rng_state(cuda, model.device)
        if mps is not None:
            th.mps.set_rng_state(mps)


@cache
def _linear_algebra() -> ThreadpoolController:
    """Of every library that is loaded; PyTorch's own wheels hide theirs, which is left alone."""
    return ThreadpoolController().select(user_api="blas")


def _state(space: Space[Any]) -> Mapping[str, Any] | None:
    """Of the space's generator, which exists only once it was seeded or used."""
    generator = space._np_random
    return None if generator is None else generator.bit_generator.state


def _set_state(space: Space[Any], state: Mapping[str, Any] | None) -> None:
    if state is None:
        space._np_random = None  # type: ignore[assignment]
    else:
        space.np_random.bit_generator.state = state
