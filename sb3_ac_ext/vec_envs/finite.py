"""Where observations, rewards and actions are NaN or infinite. Pure functions of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]


def parts(obs: Any) -> dict[Any, npt.NDArray[Any]]:
    """The arrays of an observation by key or index, a plain one under ``None``.

    :param obs: array, or dict or tuple of arrays
    """
    if isinstance(obs, dict):
        return dict(obs)
    return dict(enumerate(obs)) if isinstance(obs, tuple) else {None: obs}


def assembled(arrays: dict[Any, npt.NDArray[Any]], like: Any) -> Any:
    """The observation that :func:`parts` took apart.

    :param arrays: by key or index
    :param like: an observation of the same kind
    """
    if isinstance(like, dict):
        return arrays
    return tuple(arrays.values()) if isinstance(like, tuple) else arrays[None]


def nonfinite(array: npt.ArrayLike) -> Mask | None:
    """Which entries are NaN or infinite; ``None`` where none is.

    :param array: of any type; only floats can be
    """
    values = np.asarray(array)
    if values.dtype.kind not in "fc":
        return None
    finite = np.isfinite(values)
    return None if finite.all() else ~finite


def first_entry(name: str, array: npt.ArrayLike, mask: Mask) -> str:
    """Such as ``observation['speed'][3] is nan (and 2 more)``.

    :param name: of what the array holds
    :param array: of one worker, any shape
    :param mask: its entries that are not finite, at least one
    """
    index = tuple(int(i) for i in np.argwhere(mask)[0])
    where = f"[{', '.join(map(str, index))}]" if index else ""
    more = int(mask.sum()) - 1
    rest = f" (and {more} more)" if more else ""
    return f"{name}{where} is {np.asarray(array)[index]}{rest}"
