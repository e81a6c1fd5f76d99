"""All signals of one moment as one reading."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from sb3_ac_ext.monitoring.signals.base import Reading, Signal
from sb3_ac_ext.monitoring.view import View


class Readings:
    """Collects every signal; one that fails is left out with a warning, for training must go on.

    :param signals: in the order of reading
    """

    def __init__(self, signals: Sequence[Signal]) -> None:
        self._signals = signals
        self._warned: set[str] = set()

    def collect(self, view: View) -> Reading:
        reading = Reading()
        for signal in self._signals:
            try:
                part = signal.collect(view)
            except Exception as error:  # non-finite weights make torch's distributions raise
                self._warn(signal.name, error)
                continue
            reading.values.update(part.values)
            reading.arrays.update(part.arrays)
        return reading

    def _warn(self, name: str, error: Exception) -> None:
        if name not in self._warned:
            self._warned.add(name)
            text = str(error).splitlines()[0] if str(error) else type(error).__name__
            warnings.warn(f"signal {name!r} could not be read: {text}", stacklevel=2)
