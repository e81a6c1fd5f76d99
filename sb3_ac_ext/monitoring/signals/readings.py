"""All signals of a run, read so that one that fails takes nothing else with it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, TypeVar

from sb3_ac_ext.monitoring.signals.base import Reading, Signal
from sb3_ac_ext.monitoring.view import View

T = TypeVar("T")

_ALL_AT_FIRST = 4
"""Updates of which every signal is read, whatever its period."""


class Readings:
    """Asks every signal in order; one that raises is left out with one warning: training goes on.

    A ``ValueError`` while attaching is a wrong argument of the user and is raised.

    :param signals: in the order of reading
    """

    def __init__(self, signals: Sequence[Signal]) -> None:
        self._signals = signals
        self._warned: set[str] = set()
        self._updates = 0

    @property
    def _due(self) -> Sequence[Signal]:
        """Signals that are read at the next snapshot."""
        n = max(0, self._updates - _ALL_AT_FIRST + 1)
        return [signal for signal in self._signals if n % signal.period == 0]

    def attach(self, model: Any) -> None:
        for signal in self._signals:
            signal.attach(model)

    def before_update(self, view: View) -> None:
        for signal in self._due:
            self._ask(signal, lambda s: s.before_update(view))

    def enter(self, stack: ExitStack, model: Any) -> None:
        """:param stack: keeps every signal's ``around_update`` open"""
        for signal in self._due:
            if type(signal).around_update is not Signal.around_update:
                self._ask(signal, lambda s: stack.enter_context(s.around_update(model)))

    def collect(self, view: View) -> Reading:
        reading = Reading()
        for signal in self._due:
            part = self._ask(signal, lambda s: s.collect(view))
            if part is not None:
                reading.values.update(part.values)
                reading.arrays.update(part.arrays)
        self._updates += view.updated
        return reading

    def _ask(self, signal: Signal, question: Callable[[Signal], T]) -> T | None:
        try:
            return question(signal)
        except Exception as error:  # non-finite weights make torch's distributions raise
            if signal.name not in self._warned:
                self._warned.add(signal.name)
                text = str(error).splitlines()[0] if str(error) else type(error).__name__
                warnings.warn(f"signal {signal.name!r} could not be read: {text}", stacklevel=3)
            return None
