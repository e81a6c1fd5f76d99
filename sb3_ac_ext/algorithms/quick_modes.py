"""Between rollouts and updates networks change their mode, which walking over them is slow at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from sb3_ac_ext.algorithms.structure import Structure


@contextmanager
def quick_modes(policy: Any) -> Iterator[None]:
    """``set_training_mode`` of SB3's policies does the same in less time inside.

    It is called twice for every off-policy step, and walks over all modules each time.

    :param policy: one with a way of its own to switch itself, or a module, is left alone
    """
    if not all(map(_is_stock, policy.modules())):
        yield
        return
    policy.set_training_mode = switch = _Modes(policy).set  # what bundles save has no methods
    try:
        yield
    finally:
        if vars(policy).get("set_training_mode") is switch:
            del policy.set_training_mode


def _is_stock(module: nn.Module) -> bool:
    own = vars(module)
    switch = getattr(type(module), "set_training_mode", None)
    return (
        "training" in own
        and type(module).train is nn.Module.train
        and not {"train", "set_training_mode"} & set(own)
        and (switch is None or switch.__module__.startswith("stable_baselines3."))
    )


class _Modes:
    """Of the modules that a policy switches: its targets keep theirs."""

    def __init__(self, policy: Any) -> None:
        self._policy, self._structure = policy, Structure(policy)
        modes = [(module, module.training) for module in policy.modules()]
        for module, _ in modes:
            module.training = False
        policy.set_training_mode(True)
        self._switched = [module for module, _ in modes if module.training]
        for module, mode in modes:
            module.training = mode

    def set(self, mode: bool) -> None:
        """In place of the policy's ``set_training_mode``."""
        if self._structure.whole:
            for module in self._switched:
                vars(module)["training"] = mode
        else:
            type(self._policy).set_training_mode(self._policy, mode)
