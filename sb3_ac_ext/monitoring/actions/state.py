"""Everything of a model that learning changes, as a copy that can be put back bit for bit."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch as th
from stable_baselines3.common.save_util import recursive_getattr

State = dict[str, Any]


def capture(model: Any) -> State:
    """Weights, target networks, optimizers, what else is learnt, and normaliser statistics.

    The environment, the replay buffer, counters and random generators are not part of it.

    :param model: an SB3 algorithm, between two updates
    :return: nested dicts, lists and tuples of CPU tensors, arrays and plain values
    """
    names, variables = model._get_torch_save_params()
    learnt = {name: recursive_getattr(model, name) for name in variables}
    return {
        "modules": {name: _copied(_module(model, name).state_dict()) for name in names},
        # a fixed ent_coef is a setting, which an action may have changed on purpose
        "tensors": {
            name: _copied(tensor) for name, tensor in learnt.items() if tensor.requires_grad
        },
        "normaliser": {
            name: {"mean": _copied(m.mean), "var": _copied(m.var), "count": m.count}
            for name, m in _statistics(model).items()
        },
    }


def restore(model: Any, state: State) -> None:
    """Put a captured state back, in place, so that whoever holds a network keeps it.

    :param model: the algorithm that it was captured from, or an equal one
    :param state: from :func:`capture`
    """
    for name, content in state["modules"].items():
        _module(model, name).load_state_dict(content)
    with th.no_grad():
        for name, tensor in state["tensors"].items():
            recursive_getattr(model, name).copy_(tensor)
    for name, statistics in _statistics(model).items():
        saved = state["normaliser"][name]
        statistics.mean, statistics.var = _copied(saved["mean"]), _copied(saved["var"])
        statistics.count = saved["count"]


def _module(model: Any, name: str) -> Any:
    found = recursive_getattr(model, name)
    return getattr(found, "_orig_mod", found)  # the original of a compiled network


def _statistics(model: Any) -> dict[str, Any]:
    """The running statistics of a ``VecNormalize``, by name; none without one."""
    normaliser = model.get_vec_normalize_env()
    if normaliser is None:
        return {}
    found = {"ret_rms": normaliser.ret_rms}
    observed = getattr(normaliser, "obs_rms", None)
    if isinstance(observed, Mapping):
        found.update({f"obs_rms/{key}": meter for key, meter in observed.items()})
    elif observed is not None:
        found["obs_rms"] = observed
    return found


def _copied(value: Any) -> Any:
    if isinstance(value, th.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {key: _copied(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_copied(part) for part in value)
    return copy.deepcopy(value)
