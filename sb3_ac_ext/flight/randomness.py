"""The states of all global random generators that an update draws from."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch as th

from sb3_ac_ext.flight.arrays import Arrays


@dataclass(frozen=True)
class RandomState:
    """Of Python, NumPy, torch on the CPU and, where the model is on one, its CUDA device."""

    python: tuple[Any, ...]
    numpy: tuple[Any, ...]
    torch: th.Tensor
    cuda: th.Tensor | None = None

    @classmethod
    def take(cls, device: th.device) -> RandomState:
        """The present states; nothing is drawn."""
        return cls(
            random.getstate(),
            np.random.get_state(),  # type: ignore[arg-type]  # noqa: NPY002
            th.get_rng_state(),
            th.cuda.get_rng_state(device) if device.type == "cuda" else None,
        )

    def apply(self, device: th.device) -> None:
        """Set the generators; CUDA's only if both sides have one."""
        random.setstate(self.python)
        np.random.set_state(self.numpy)  # noqa: NPY002
        th.set_rng_state(self.torch)
        if self.cuda is not None and device.type == "cuda":
            th.cuda.set_rng_state(self.cuda, device)

    def to_json(self, arrays: Arrays) -> dict[str, Any]:
        version, words, gauss = self.python
        kind, keys, *rest = self.numpy
        return {
            "python": [version, arrays.put(np.array(words, dtype=np.uint32)), gauss],
            "numpy": [kind, arrays.put(keys), *rest],
            "torch": arrays.put(self.torch),
            "cuda": None if self.cuda is None else arrays.put(self.cuda),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], arrays: Arrays) -> RandomState:
        version, words, gauss = data["python"]
        kind, keys, *rest = data["numpy"]
        return cls(
            (version, tuple(_ints(arrays[words])), gauss),
            (kind, arrays[keys], *rest),
            th.from_numpy(arrays[data["torch"]].copy()),
            None if data["cuda"] is None else th.from_numpy(arrays[data["cuda"]].copy()),
        )


def _ints(words: npt.NDArray[Any]) -> list[int]:
    return [int(word) for word in words]


@contextmanager
def kept(device: th.device) -> Iterator[None]:
    """Whatever happens inside, all generators continue afterwards as if it had not."""
    before = RandomState.take(device)
    try:
        yield
    finally:
        before.apply(device)
