"""Bracket a single call of a model's ``train()``, whoever else watches it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

_ABSENT = object()
_NAME = "train"
_SAVE_HOOK = "_excluded_save_params"

Around = Callable[[Callable[[], Any]], Any]


class _Replacement:
    """Stands in for ``model.train`` as an instance attribute until the next call, or removal.

    One per model, shared by all callbacks that watch it. While it is there, ``model.save()`` leaves
    it out. An instance attribute that was there before comes back.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._previous = model.__dict__.get(_NAME, _ABSENT)
        self._original = getattr(model, _NAME)
        self.watchers: list[Around] = []
        excluded = getattr(model, _SAVE_HOOK, list)
        model.__dict__[_SAVE_HOOK] = lambda: [*excluded(), _NAME, _SAVE_HOOK]
        model.__dict__[_NAME] = self

    def remove(self) -> None:
        self._model.__dict__.pop(_SAVE_HOOK, None)
        if self._previous is _ABSENT:
            self._model.__dict__.pop(_NAME, None)
        else:
            self._model.__dict__[_NAME] = self._previous

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.remove()
        call: Callable[[], Any] = partial(self._original, *args, **kwargs)
        for around in self.watchers:
            call = partial(around, call)
        return call()


def watch_next_train(model: Any, around: Around) -> None:
    """Run ``around(train)`` in place of the model's next ``train()``, which it must call.

    Nothing is left on the model once that call begins, so an exception in it leaves nothing either.

    :param model: an SB3 algorithm; one without ``train``, such as ARS, is left alone
    :param around: receives ``train`` with its arguments bound
    """
    if not hasattr(model, _NAME):
        return
    current = model.__dict__.get(_NAME)
    if not isinstance(current, _Replacement):
        current = _Replacement(model)
    if around not in current.watchers:
        current.watchers.append(around)


def unwatch(model: Any, around: Around) -> None:
    """Take back :func:`watch_next_train`; harmless when there is nothing to take back."""
    current = model.__dict__.get(_NAME)
    if isinstance(current, _Replacement) and around in current.watchers:
        current.watchers.remove(around)
        if not current.watchers:
            current.remove()
