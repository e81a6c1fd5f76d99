"""Observe a model without disturbing it: what happens inside leaves training bit-identical."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy

import numpy as np
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm


@contextmanager
def undisturbed(model: BaseAlgorithm) -> Iterator[None]:
    """Evaluate networks and sample buffers in evaluation mode and without gradients.

    The state of every global random generator (Python, NumPy, torch CPU and the model's GPU) and
    the train/eval mode of every module are the same after as before.

    :param model: whose policy is set to evaluation mode inside
    """
    modes = [(module, module.training) for module in model.policy.modules()]
    python, numpy, torch = random.getstate(), np.random.get_state(), th.get_rng_state()  # noqa: NPY002
    cuda = th.cuda.get_rng_state(model.device) if model.device.type == "cuda" else None
    space = model.action_space
    exploration = deepcopy(space._np_random)
    model.policy.set_training_mode(False)
    try:
        with th.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        th.set_rng_state(torch)
        space._np_random = exploration
        if cuda is not None:
            th.cuda.set_rng_state(cuda, model.device)
