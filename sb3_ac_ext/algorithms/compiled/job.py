"""What is compiled: a pure function of tensors, and all that its code depends on."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch as th
from torch import nn

_OURS = Path(__file__).resolve().parents[1]
Shape = tuple[tuple[int, ...], th.dtype]


@dataclass(frozen=True)
class Job(ABC):
    """
    :param algorithm: class whose losses the step takes
    :param reads: attributes of the model that they read, with their values
    :param policy: its parameters are inputs of the step, the rest of it is built in
    :param inputs: shape and type of every input, in order
    :param bf16: whether large products are in bfloat16
    """

    algorithm: type[Any]
    reads: Mapping[str, Any]
    policy: nn.Module
    inputs: tuple[Shape, ...]
    bf16: bool

    @abstractmethod
    def make_step(self) -> Callable[..., th.Tensor]:
        """A function of the inputs that changes some of them in place."""

    @abstractmethod
    def settings(self) -> tuple[Any, ...]:
        """What else the step depends on."""

    def about(self) -> list[str]:
        """Words that differ wherever the compiled code could."""
        policy: Any = self.policy
        classes = dict.fromkeys([self.algorithm, *(type(m) for m in policy.modules())])
        return [
            repr(policy),
            repr((policy.observation_space, policy.action_space, policy.normalize_images)),
            repr(type(getattr(policy, "action_dist", None))),
            repr(sorted(self.reads.items())),
            repr((self.inputs, self.bf16)),
            repr(self.settings()),
            *(text for cls in classes for text in _sources(cls)),
            *(file.read_text(encoding="utf-8") for file in sorted(_OURS.rglob("*.py"))),
        ]

    def shell(self) -> Any:
        """An instance of the algorithm that has these attributes and nothing else."""
        shell: Any = object.__new__(self.algorithm)
        shell.__dict__.update(self.reads)
        return shell


def twin(policy: Any) -> Any:
    """A policy of the same make, without drawing from the generator that training uses."""
    with th.random.fork_rng(devices=[]):
        return type(policy)(**policy._get_constructor_parameters())


def _sources(cls: type) -> list[str]:
    """Text of the modules that define a class and its bases, but for PyTorch's, which has its
    version, and for what has no text."""
    modules = dict.fromkeys(inspect.getmodule(base) for base in cls.__mro__ if base is not object)
    found = []
    for module in modules:
        if module is None or module.__name__.startswith("torch."):
            continue
        try:
            found.append(inspect.getsource(module))
        except (OSError, TypeError):
            found.append(repr(module))
    return found
