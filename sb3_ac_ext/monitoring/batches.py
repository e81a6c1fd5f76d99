"""The first batch of an update, in passing, and the same draw by SB3's own code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import ReplayBuffer, RolloutBuffer
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

_ABSENT = object()
_STOCK = ("stable_baselines3", "sb3_contrib")


class BatchTap:
    """Notes the first batch that the buffer gives to ``train()`` and the generators' states then,
    and the newest, which is another one after several gradient steps.

    Stands in for the buffer's ``get`` or ``sample`` as an instance attribute until removed.

    :param model: an algorithm that :meth:`refuses` accepts
    """

    def __init__(self, model: BaseAlgorithm) -> None:
        self.batch: Any = None
        self.arguments: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})
        self.state: Any = None
        self.newest: Any = None
        self.torch_state: Any = None
        on_policy = isinstance(model, OnPolicyAlgorithm)
        self.buffer: Any = model.rollout_buffer if on_policy else model.replay_buffer  # type: ignore[attr-defined]
        self.method = "get" if on_policy else "sample"
        self._previous = self.buffer.__dict__.get(self.method, _ABSENT)
        self._original = getattr(self.buffer, self.method)
        setattr(self.buffer, self.method, self._get if on_policy else self._sample)

    @staticmethod
    def refuses(model: BaseAlgorithm) -> str | None:
        """Why the model's batches cannot be drawn again, ``None`` when they can."""
        on_policy = isinstance(model, OnPolicyAlgorithm)
        buffer = getattr(model, "rollout_buffer" if on_policy else "replay_buffer", None)
        if not isinstance(buffer, RolloutBuffer if on_policy else ReplayBuffer):
            return f"{type(model).__name__} has no buffer of SB3's"
        if type(buffer).__module__.split(".")[0] not in _STOCK:
            return f"{type(buffer).__name__} may give batches of its own"
        return None

    def remove(self) -> None:
        if self._previous is _ABSENT:
            self.buffer.__dict__.pop(self.method, None)
        else:
            self.buffer.__dict__[self.method] = self._previous

    def _note(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        if self.batch is not None or self.state is not None:
            return False
        self.arguments = (args, kwargs)
        self.state = np.random.get_state()  # noqa: NPY002
        return True

    def _sample(self, *args: Any, **kwargs: Any) -> Any:
        first = self._note(args, kwargs)
        self.torch_state = th.get_rng_state()
        self.newest = batch = self._original(*args, **kwargs)
        if first:
            self.batch = batch
        return batch

    def _get(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        first = self._note(args, kwargs)
        self.torch_state = th.get_rng_state()
        for batch in self._original(*args, **kwargs):
            self.newest = batch
            if first:
                self.batch, first = batch, False
            yield batch


def batch_error(model: BaseAlgorithm, tap: BatchTap) -> float | None:
    """Largest difference of the batch from what SB3's own code draws from the buffer now.

    The global generator is set to where it was and put back.

    :return: relative to the magnitudes; ``None`` where no batch was drawn
    """
    if tap.batch is None:
        return None
    args, kwargs = tap.arguments
    now = np.random.get_state()  # noqa: NPY002
    np.random.set_state(tap.state)  # noqa: NPY002
    try:
        drawn = _stock_method(type(tap.buffer), tap.method)(tap.buffer, *args, **kwargs)
        expected = next(iter(drawn)) if tap.method == "get" else drawn
    finally:
        np.random.set_state(now)  # noqa: NPY002
    errors = [_apart(a, b) for a, b in zip(tap.batch, expected, strict=True)]
    return max(errors, default=None)


def _stock_method(cls: type, name: str) -> Any:
    """The method as SB3 wrote it, whatever overrides it further down."""
    for base in cls.__mro__:
        package = base.__module__.split(".")[0]
        genuine = getattr(sys.modules.get(base.__module__), base.__qualname__, None) is base
        if package in _STOCK and genuine and name in vars(base):
            return vars(base)[name]
    raise AttributeError(f"{cls.__name__} has no {name} of SB3's")


def _apart(a: Any, b: Any) -> float:
    if a is None or b is None:
        return 0.0 if a is b else float("inf")
    if isinstance(a, dict):
        return max((_apart(a[key], b[key]) for key in a), default=0.0)
    if isinstance(a, tuple):
        return max((_apart(x, y) for x, y in zip(a, b, strict=True)), default=0.0)
    if not isinstance(a, th.Tensor):
        return 0.0
    if a.shape != b.shape:
        return float("inf")
    if th.equal(a, b):
        return 0.0
    x, y = a.detach().double(), b.detach().double()
    error = (x - y).abs() / y.abs().clamp(min=1.0)
    error[(x == y) | (x.isnan() & y.isnan())] = 0.0
    return float(error.nan_to_num(nan=float("inf")).max())
