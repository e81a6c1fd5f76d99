"""Plain values as JSON and arrays, and back, exactly; nothing is pickled and no code is run."""

from __future__ import annotations

import math
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch as th

Arrays = dict[str, npt.NDArray[Any]]


class CannotEncode(ValueError):
    """A value has no exact form without pickle."""


_DAMAGED = (
    *(KeyError, TypeError, ValueError, AttributeError, IndexError),
    *(RuntimeError, MemoryError),  # sizes and depths that no value has
)
_ATOMS = (type(None), bool, int, float, str, bytes)  # and nothing that is made from them


def copied(value: Any) -> Any:
    """A copy that shares no memory with the value, which may go on changing.

    :raises CannotEncode: for what :func:`encode` does not take
    """
    if type(value) in _ATOMS or isinstance(value, np.generic):
        return value
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return np.array(value)
    if isinstance(value, th.Tensor) and not isinstance(value, th.nn.Parameter):
        return value.detach().cpu().clone()
    if type(value) in (list, tuple, set, frozenset):
        return type(value)(copied(part) for part in value)
    if type(value) is deque:
        return deque((copied(part) for part in value), maxlen=value.maxlen)
    if type(value) in (dict, OrderedDict, defaultdict):
        return {copied(key): copied(part) for key, part in value.items()}
    raise CannotEncode(f"a {type(value).__name__} has no exact form without pickle")


def encode(value: Any, arrays: Arrays) -> Any:
    """
    :param value: numbers, text, bytes, arrays, tensors, and containers of these
    :param arrays: receives what JSON cannot hold, under a new name
    :return: what ``json.dumps`` takes, and :func:`decode` turns into an equal value
    :raises CannotEncode: for anything else
    """
    if type(value) in (type(None), bool, int, str):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    encoder = _ENCODERS.get(type(value))
    if encoder is not None:
        return encoder(value, arrays)
    if isinstance(value, th.Tensor):
        return _tensor(value, arrays)
    if isinstance(value, np.generic | np.ndarray):
        return {"scalar" if isinstance(value, np.generic) else "array": _put(value, arrays)}
    raise CannotEncode(f"a {type(value).__name__} has no exact form without pickle")


def decode(data: Any, arrays: Mapping[str, npt.NDArray[Any]]) -> Any:
    """
    :param data: from :func:`encode`
    :param arrays: what it had put aside
    :raises ValueError: if it is damaged
    """
    if not isinstance(data, dict):
        if isinstance(data, list):
            return [decode(part, arrays) for part in data]
        return data
    try:
        ((kind, content),) = data.items()
        return _DECODERS[kind](content, arrays)
    except _DAMAGED as error:
        raise ValueError(f"no value is described by {str(data)!r:.120}: {error}") from None


def _put(value: Any, arrays: Arrays) -> str:
    array = np.asarray(value)
    if array.dtype.hasobject:
        raise CannotEncode("an array of Python objects has no exact form without pickle")
    name = f"a{len(arrays)}"
    arrays[name] = array
    return name


def _tensor(value: th.Tensor, arrays: Arrays) -> Any:
    flat = value.detach().cpu().contiguous().reshape(-1)
    content = [str(flat.dtype).removeprefix("torch."), list(value.shape)]
    # as bytes, since NumPy does not have every type of PyTorch's
    return {"tensor": [_put(flat.view(th.uint8).numpy(), arrays), *content]}


def _to_tensor(content: Any, arrays: Mapping[str, Any]) -> th.Tensor:
    name, dtype, shape = content
    kind = getattr(th, dtype)
    if not isinstance(kind, th.dtype):
        raise ValueError(f"{dtype!r} is no type of tensors")
    tensor = th.empty(shape, dtype=kind)
    if tensor.numel():
        tensor.view(-1).view(th.uint8).copy_(th.from_numpy(np.array(arrays[name])))
    return tensor


def _sequence(kind: str) -> Callable[[Any, Arrays], Any]:
    return lambda value, arrays: {kind: [encode(part, arrays) for part in value]}


_ENCODERS: dict[type, Callable[[Any, Arrays], Any]] = {
    list: lambda value, arrays: [encode(part, arrays) for part in value],
    tuple: _sequence("tuple"),
    set: lambda value, arrays: {"set": [encode(part, arrays) for part in sorted(value, key=repr)]},
    frozenset: lambda value, arrays: {
        "frozenset": [encode(part, arrays) for part in sorted(value, key=repr)]
    },
    deque: lambda value, arrays: {
        "deque": [value.maxlen, [encode(part, arrays) for part in value]]
    },
    dict: lambda value, arrays: {
        "dict": [[encode(k, arrays), encode(v, arrays)] for k, v in value.items()]
    },
    bytes: lambda value, arrays: {"bytes": _put(np.frombuffer(value, np.uint8), arrays)},
}
_DECODERS: dict[str, Callable[[Any, Mapping[str, Any]], Any]] = {
    "float": lambda content, arrays: float(content),
    "tuple": lambda content, arrays: tuple(decode(part, arrays) for part in content),
    "set": lambda content, arrays: {decode(part, arrays) for part in content},
    "frozenset": lambda content, arrays: frozenset(decode(part, arrays) for part in content),
    "deque": lambda content, arrays: deque(
        (decode(part, arrays) for part in content[1]), maxlen=content[0]
    ),
    "dict": lambda content, arrays: {decode(k, arrays): decode(v, arrays) for k, v in content},
    "bytes": lambda content, arrays: arrays[content].tobytes(),
    "array": lambda content, arrays: np.array(arrays[content]),
    "scalar": lambda content, arrays: arrays[content][()],
    "tensor": _to_tensor,
}
