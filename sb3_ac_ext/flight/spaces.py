"""Observation and action spaces as JSON and back, exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import Space, spaces

from sb3_ac_ext.monitoring.records import encode_number

_KNOWN = "Box, Discrete, MultiDiscrete, MultiBinary and Dict of these"


def encode_space(space: Space[Any]) -> dict[str, Any]:
    """
    :param space: Box, Discrete, MultiDiscrete, MultiBinary or Dict of these
    :return: plain data that :func:`decode_space` turns into an equal space
    :raises ValueError: for any other space, subclasses included, for they may mean something else
    """
    encoder = _ENCODERS.get(type(space))
    if encoder is None:
        raise ValueError(f"the space {space} cannot be written down: known are {_KNOWN}")
    return {"kind": type(space).__name__, **encoder(space)}


def decode_space(data: Mapping[str, Any]) -> Space[Any]:
    """
    :param data: from :func:`encode_space`
    :raises ValueError: if it describes no space
    """
    try:
        space: Space[Any] = _DECODERS[data["kind"]](data)
    except (KeyError, TypeError, ValueError, AttributeError, AssertionError) as error:
        raise ValueError(f"no space is described by {data!r:.200}: {error!r}") from None
    return space


def _bound(values: Any) -> Any:
    """One number where all entries are equal, which saves an image its pixels."""
    flat = values.ravel()
    if flat.size and (flat == flat[0]).all():
        return encode_number(flat[0]) if values.dtype.kind == "f" else int(flat[0])
    return _numbers(values.tolist())


def _numbers(value: Any) -> Any:
    if isinstance(value, list):
        return [_numbers(part) for part in value]
    return encode_number(value) if isinstance(value, float) else value


def _filled(value: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """Strings stand for infinities, which a dtype of floats reads back."""
    array = np.asarray(value, dtype=dtype)
    return np.full(shape, array) if array.ndim == 0 else array.reshape(shape)


def _box(space: spaces.Box) -> dict[str, Any]:
    return {
        "dtype": space.dtype.str,
        "shape": list(space.shape),
        "low": _bound(space.low),
        "high": _bound(space.high),
    }


def _to_box(data: Mapping[str, Any]) -> spaces.Box:
    dtype, shape = np.dtype(data["dtype"]), tuple(data["shape"])
    low, high = (_filled(data[name], shape, dtype) for name in ("low", "high"))
    return spaces.Box(low, high, shape, dtype.type)


def _multi_discrete(space: spaces.MultiDiscrete) -> dict[str, Any]:
    start = np.broadcast_to(space.start, space.nvec.shape)
    return {"nvec": space.nvec.tolist(), "start": start.tolist(), "dtype": space.dtype.str}


def _to_multi_discrete(data: Mapping[str, Any]) -> spaces.MultiDiscrete:
    dtype = np.dtype(data["dtype"]).type
    return spaces.MultiDiscrete(data["nvec"], dtype, start=data["start"])


def _multi_binary(space: spaces.MultiBinary) -> dict[str, Any]:
    return {"n": list(space.shape) if len(space.shape) > 1 else int(space.shape[0])}


def _dict(space: spaces.Dict) -> dict[str, Any]:
    return {"spaces": [[key, encode_space(part)] for key, part in space.spaces.items()]}


def _to_dict(data: Mapping[str, Any]) -> spaces.Dict:
    # a sequence of pairs keeps the order, which decides how features are concatenated
    return spaces.Dict([(str(key), decode_space(part)) for key, part in data["spaces"]])


_ENCODERS: dict[type, Any] = {
    spaces.Box: _box,
    spaces.Discrete: lambda space: {"n": int(space.n), "start": int(space.start)},
    spaces.MultiDiscrete: _multi_discrete,
    spaces.MultiBinary: _multi_binary,
    spaces.Dict: _dict,
}
_DECODERS: dict[str, Any] = {
    "Box": _to_box,
    "Discrete": lambda data: spaces.Discrete(data["n"], start=data["start"]),
    "MultiDiscrete": _to_multi_discrete,
    "MultiBinary": lambda data: spaces.MultiBinary(data["n"]),
    "Dict": _to_dict,
}
