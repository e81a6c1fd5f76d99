"""Matrix products in bfloat16, the rest in float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import torch as th
from torch.nn import functional

LEAST_SIDE = 64
"""Of a layer's weights: thinner layers, those of few observations and of values, cost next to
nothing, and stay as precise as they were."""

_linear = functional.linear


@contextmanager
def products(bf16: bool) -> Iterator[None]:
    """Large layers multiply in bfloat16 inside, forwards and backwards: inputs and weights are
    rounded to its eight bits, sums are kept in float32 and rounded once."""
    with patch.object(functional, "linear", _rounded if bf16 else _linear):
        yield


def _rounded(input: th.Tensor, weight: th.Tensor, bias: th.Tensor | None = None) -> th.Tensor:
    if min(weight.shape) < LEAST_SIDE:
        return _linear(input, weight, bias)
    product = _linear(input.bfloat16(), weight.bfloat16()).float()
    return product if bias is None else product + bias
