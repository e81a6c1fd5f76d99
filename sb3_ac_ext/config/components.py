"""Wrappers and callbacks in YAML: a dotted path, ``{path: {keyword: value}}``, or a list."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnvWrapper

from sb3_ac_ext.config.annotations import SCALARS, annotated_types, signature, type_names
from sb3_ac_ext.lookup import about, import_name

_BASES: Mapping[str, type] = {
    "callback": BaseCallback,
    "env_wrapper": gym.Wrapper,
    "vec_env_wrapper": VecEnvWrapper,
}


@dataclass(frozen=True)
class Component:
    """Something that is built once the run has what it needs.

    :param target: class or function
    :param kwargs: keyword arguments from the YAML
    """

    target: Callable[..., Any]
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def build(self, *args: Any, **defaults: Any) -> Any:
        """
        :param args: positional arguments, such as the environment to wrap
        :param defaults: keyword arguments that the YAML may override
        :raises ValueError: if the target does not accept these arguments
        """
        name = getattr(self.target, "__name__", repr(self.target))
        try:
            return self.target(*args, **{**defaults, **self.kwargs})
        except TypeError as error:
            misfit = self._misfit()
            raise ValueError(misfit or f"{name} refuses {dict(self.kwargs)}: {error}") from error

    def _misfit(self) -> str | None:
        """Which keyword has a value of another type than its plain annotation says."""
        parameters = signature(self.target).parameters
        for key, value in self.kwargs.items():
            if key not in parameters:
                continue
            accepted = annotated_types(parameters[key])
            fits = type(value) in accepted or (type(value) is int and float in accepted)
            if accepted <= SCALARS and not fits:
                name = self.target.__name__
                return f"{name} refuses {key}={value!r}: it is not of type {type_names(accepted)}"
        return None


def parse_components(value: Any, key: str) -> tuple[Component, ...]:
    """
    :param value: what stands in the YAML; ``None`` for nothing
    :param key: the YAML key, which decides what the target may be
    :raises ValueError: for anything that is not of the three forms, cannot be imported, or is no
        callback or wrapper; it is never called to find out
    """
    if value is None:
        return ()
    items = value if isinstance(value, (list, tuple)) else [value]
    return tuple(_component(item, key) for item in items)


def _component(item: Any, key: str) -> Component:
    kwargs: Any = None
    if isinstance(item, Mapping):
        if len(item) != 1:
            raise ValueError(
                f"{key}: {dict(item)} must have one key, a dotted path, with its keywords below; "
                "check the indentation"
            )
        item, kwargs = next(iter(item.items()))
    if kwargs is not None and not isinstance(kwargs, Mapping):
        raise ValueError(f"{key}: the keywords of {item} must be a mapping, not {kwargs!r}")
    if not isinstance(item, str) and not callable(item):
        raise ValueError(f"{key}: {item!r} is neither a dotted path nor a class")
    with about(key):
        target = import_name(item) if isinstance(item, str) else item
    if not _is_kind(target, key):
        function = ", nor a Python function of an environment" if key == "env_wrapper" else ""
        raise ValueError(f"{key}: {item!r} is no subclass of {_BASES[key].__name__}{function}")
    return Component(target, dict(kwargs or {}))


def _is_kind(target: Any, key: str) -> bool:
    if isinstance(target, type):
        return issubclass(target, _BASES[key])
    # RL Zoo calls whatever stands under env_wrapper with the environment
    is_function = inspect.isfunction(target) or isinstance(target, functools.partial)
    return key == "env_wrapper" and is_function
