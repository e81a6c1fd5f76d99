"""What is compiled: a pure function of tensors, and all that its code depends on."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch as th
from torch import nn

Shape = tuple[tuple[int, ...], th.dtype]


@dataclass(frozen=True)
class Job(ABC):
    """
    :param algorithm: class whose losses the step takes
    :param reads: attributes of the model that they read, with their values
    :param policy: its parameters are inputs of the step, the rest of it is built in
    :param inputs: shape and type of every input, in order
    """

    algorithm: type[Any]
    reads: Mapping[str, Any]
    policy: nn.Module
    inputs: tuple[Shape, ...]

    @abstractmethod
    def make_step(self) -> Callable[..., th.Tensor]:
        """A function of the inputs that changes some of them in place."""

    @abstractmethod
    def settings(self) -> tuple[Any, ...]:
        """What else the step depends on."""

    def about(self) -> list[str]:
        """Words that differ wherever the compiled code could."""
        return [
            repr(self.policy),
            repr(self.policy.observation_space),
            repr(self.policy.action_space),
            repr(sorted(self.reads.items())),
            repr(self.inputs),
            repr(self.settings()),
            *_sources(type(self)),
            *_sources(self.algorithm),
            *_sources(type(self.policy)),
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
    """Text of the modules that define a class and its bases, as far as there is one."""
    modules = dict.fromkeys(inspect.getmodule(base) for base in cls.__mro__ if base is not object)
    found = []
    for module in modules:
        try:
            found.append(inspect.getsource(module) if module else "")
        except (OSError, TypeError):
            found.append(repr(module))
    return found
