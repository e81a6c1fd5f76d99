"""Observations as the tensors that a compiled step takes one after another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch as th
from gymnasium import spaces


def refuses(space: spaces.Space[Any]) -> str | None:
    """Why observations of a space cannot be inputs, ``None`` if they can."""
    leaves = space.spaces.values() if isinstance(space, spaces.Dict) else (space,)
    if all(isinstance(leaf, spaces.Box) for leaf in leaves):
        return None
    return f"observations are {space}, not arrays or dictionaries of arrays"


def parts(space: spaces.Space[Any], observations: Any) -> list[Any]:
    """A batch's arrays or tensors, of a dictionary in the order of the space."""
    if isinstance(space, spaces.Dict):
        return [observations[key] for key in space.spaces]
    return [observations]


def whole(space: spaces.Space[Any], given: Iterator[th.Tensor]) -> Any:
    """What :func:`parts` took apart."""
    if isinstance(space, spaces.Dict):
        return {key: next(given) for key in space.spaces}
    return next(given)
