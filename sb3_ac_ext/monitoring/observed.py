"""Bracket a single call of a method, leaving nothing behind whatever happens in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_ABSENT = object()


class ObservedCall:
    """Replaces ``owner.name`` by ``around(original)`` for exactly one call.

    The replacement is an instance attribute that is taken away before the original runs, so
    neither an exception nor ``save()`` meets it. An instance attribute of the same name that was
    there before comes back.

    :param owner: whose method is observed
    :param name: of the method
    :param around: receives the original with its arguments bound, and must call it
    """

    def __init__(self, owner: Any, name: str, around: Callable[[Callable[[], Any]], Any]) -> None:
        self._owner, self._name, self._around = owner, name, around
        self._armed = False
        self._previous: Any = _ABSENT

    def arm(self) -> None:
        if self._armed or not hasattr(self._owner, self._name):
            return
        self._previous = self._owner.__dict__.get(self._name, _ABSENT)
        original = getattr(self._owner, self._name)

        def once(*args: Any, **kwargs: Any) -> Any:
            self.disarm()
            return self._around(lambda: original(*args, **kwargs))

        self._owner.__dict__[self._name] = once
        self._armed = True

    def disarm(self) -> None:
        if not self._armed:
            return
        self._armed = False
        if self._previous is _ABSENT:
            self._owner.__dict__.pop(self._name, None)
        else:
            self._owner.__dict__[self._name] = self._previous
