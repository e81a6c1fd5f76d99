"""Wrappers and callbacks in YAML: a dotted path, ``{path: {keyword: value}}``, or a list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sb3_ac_ext.lookup import about, import_name


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
            raise ValueError(f"{name} refuses {dict(self.kwargs)}: {error}") from error


def parse_components(value: Any, key: str) -> tuple[Component, ...]:
    """
    :param value: what stands in the YAML; ``None`` for nothing
    :param key: the YAML key, for errors
    :raises ValueError: for anything that is not of the three forms, or cannot be imported
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
    if isinstance(item, str):
        with about(key):
            item = import_name(item)
    if not callable(item):
        raise ValueError(f"{key}: {item!r} is neither a dotted path nor a class")
    return Component(item, dict(kwargs or {}))
