"""Networks that answer alike in training and in evaluation mode are not switched to and fro."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from sb3_ac_ext.algorithms.structure import Structure

_INDIFFERENT = (
    *(nn.Linear, nn.Conv1d, nn.Conv2d, nn.Flatten, nn.Identity, nn.LayerNorm),
    *(nn.Sequential, nn.ModuleList, nn.ModuleDict),
    *(nn.Tanh, nn.ReLU, nn.LeakyReLU, nn.ELU, nn.SiLU, nn.GELU, nn.Sigmoid, nn.Softplus),
)
"""Layers that never ask for the mode; any other, but for SB3's own and this package's, may."""


@contextmanager
def one_mode(policy: Any) -> Iterator[None]:
    """``set_training_mode`` of a policy whose layers do not ask for the mode does nothing inside.

    SB3 calls it twice for every off-policy step, and it walks over all modules each time. Forward
    hooks may ask, and so may layers that come later: with these it works as before.

    :param policy: any other is left alone
    """
    own = "set_training_mode" in policy.__dict__
    if own or not all(map(_indifferent, policy.modules())):
        yield
        return
    policy.set_training_mode = switch = _Switch(policy)
    try:
        yield
    finally:
        if policy.__dict__.get("set_training_mode") is switch:
            del policy.set_training_mode


def _indifferent(module: nn.Module) -> bool:
    package = type(module).__module__.partition(".")[0]
    return type(module) in _INDIFFERENT or package in ("stable_baselines3", "sb3_ac_ext")


class _Switch:
    """In place of a policy's ``set_training_mode``; copied and saved with the policy."""

    def __init__(self, policy: Any) -> None:
        self._policy, self._structure = policy, Structure(policy)

    def __call__(self, mode: bool) -> None:
        if self._structure.forward or not self._structure.whole:
            type(self._policy).set_training_mode(self._policy, mode)
