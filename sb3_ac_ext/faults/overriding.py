"""Give one object other methods, as if its class had been written so, and take them back."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

_ABSENT = object()


def override(target: Any, **methods: Callable[..., Any]) -> None:
    """Replace methods of a single object; its class and all other objects stay as they are.

    A subclass with the name of the class takes its place, so neither the object's attributes nor
    the name of its type differ. The object is pickled, and copied, as one of the original class.

    :param methods: each is called with the original bound method, then the arguments of the call
    """
    original = type(target)
    namespace: dict[str, Any] = {
        name: _method(getattr(original, name), method) for name, method in methods.items()
    }

    def as_original(self: Any, protocol: Any) -> Any:
        reduce: Any = original.__reduce_ex__
        _, (_, *arguments), *state = reduce(self, protocol)
        return (object.__new__, (original, *arguments), *state)

    same = {key: getattr(original, key) for key in ("__module__", "__qualname__", "__doc__")}
    namespace.update(same, __reduce_ex__=as_original)
    target.__class__ = type(original.__name__, (original,), namespace)


@contextmanager
def overridden(target: Any, **methods: Callable[..., Any]) -> Iterator[None]:
    """:func:`override` for the time of a ``with`` block."""
    original = type(target)
    override(target, **methods)
    try:
        yield
    finally:
        target.__class__ = original


@contextmanager
def replaced(target: Any, **values: Any) -> Iterator[None]:
    """Set attributes for the time of a ``with`` block."""
    before = {name: getattr(target, name, _ABSENT) for name in values}
    with ExitStack() as stack:
        for name, value in before.items():
            stack.callback(_restore, target, name, value)
        for name, value in values.items():
            setattr(target, name, value)
        yield


def _restore(target: Any, name: str, value: Any) -> None:
    if value is _ABSENT:
        delattr(target, name)
    else:
        setattr(target, name, value)


def _method(original: Callable[..., Any], method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def overriding(self: Any, *args: Any, **kwargs: Any) -> Any:
        return method(functools.partial(original, self), *args, **kwargs)

    del overriding.__wrapped__
    return overriding
