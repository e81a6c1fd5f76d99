"""Hyperparameters as JSON and back: numbers, text, containers, spaces and dotted class names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch as th
from gymnasium import Space
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import BaseBuffer
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit

from sb3_ac_ext.flight.spaces import decode_space, encode_space
from sb3_ac_ext.lookup import dotted_name, import_name

_CLASSES = (th.nn.Module, th.optim.Optimizer, BaseAlgorithm, BaseBuffer)


def encode_value(value: Any) -> Any:
    """
    :param value: of a hyperparameter
    :return: plain data that :func:`decode_value` turns into an equal value
    :raises ValueError: with the reason, if it has no exact form in JSON
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float | np.number):
        return _encode_number(value)
    if isinstance(value, type):
        return {"class": encode_class(value)}
    if isinstance(value, Space):
        return {"space": encode_space(value)}
    if isinstance(value, TrainFreq):
        return {"train_freq": [value.frequency, value.unit.value]}
    return _encode_container(value)


def _encode_number(value: Any) -> Any:
    number = value.item() if isinstance(value, np.number) else value
    if isinstance(number, float) and not math.isfinite(number):
        return {"float": repr(number)}
    if isinstance(number, int | float):
        return number
    raise ValueError(f"{value!r} is no real number")


def _encode_container(value: Any) -> Any:
    if type(value) is list:
        return [encode_value(part) for part in value]
    if type(value) is tuple:
        return {"tuple": [encode_value(part) for part in value]}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: encode_value(part) for key, part in value.items()}}
    raise ValueError(f"a {type(value).__name__} has no exact form in JSON")


def encode_class(cls: type) -> str:
    """The dotted name of a network, optimizer, algorithm or buffer.

    :raises ValueError: for other classes, and for those inside a function, which have no such name
    """
    if not issubclass(cls, _CLASSES):
        raise ValueError(f"{cls.__name__} is no network, optimizer, algorithm or buffer")
    if "<" in cls.__qualname__:
        raise ValueError(
            f"the class {cls.__name__} is defined inside a function and cannot be imported again"
        )
    return dotted_name(cls)


def decode_value(data: Any) -> Any:
    """
    :param data: from :func:`encode_value`
    :raises ValueError: if it is damaged, or names a class that cannot be imported here
    """
    if isinstance(data, list):
        return [decode_value(part) for part in data]
    if not isinstance(data, Mapping):
        return data
    if len(data) != 1:
        raise ValueError(f"no value is described by {dict(data)!r:.200}")
    kind, content = next(iter(data.items()))
    if kind not in _DECODERS:
        raise ValueError(f"no value is of the kind {kind!r}")
    return _DECODERS[kind](content)


def decode_class(name: str) -> type:
    """The class behind a dotted name; nothing but networks, optimizers, algorithms and buffers.

    :raises ValueError: if it cannot be imported here, or is something else
    """
    module, _, _ = name.rpartition(".")
    try:
        found = import_name(name)
    except ValueError as error:
        hint = " (it was defined in the script that ran)" if module == "__main__" else ""
        raise ValueError(f"the class {name}{hint} cannot be imported here: {error}") from None
    if not (isinstance(found, type) and issubclass(found, _CLASSES)):
        raise ValueError(f"{name} is no network, optimizer, algorithm or buffer")
    return found


_DECODERS: dict[str, Any] = {
    "float": float,
    "tuple": lambda content: tuple(decode_value(part) for part in content),
    "dict": lambda content: {key: decode_value(part) for key, part in content.items()},
    "class": decode_class,
    "space": decode_space,
    "train_freq": lambda content: TrainFreq(content[0], TrainFrequencyUnit(content[1])),
}
