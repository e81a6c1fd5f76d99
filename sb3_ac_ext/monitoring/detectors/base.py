"""What every detector is: a frozen object with its thresholds and one pure method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Finding, Severity


@dataclass(frozen=True)
class Detector(ABC):
    """Looks at a history and says what is wrong now, if anything.

    Subclasses name the causes that the symptom points to, with weights in (0, 1], and what to try.
    """

    name: ClassVar[str]
    causes: ClassVar[Mapping[str, float]]
    advice: ClassVar[str]

    @abstractmethod
    def check(self, history: History) -> Finding | None:
        """The finding of this moment, ``None`` when there is none or not enough to judge."""

    def finding(
        self,
        history: History,
        severity: Severity,
        message: str,
        value: float,
        threshold: float,
        series: tuple[str, ...],
        since: int | None = None,
        worker: int | None = None,
        causes: Mapping[str, float] | None = None,
    ) -> Finding:
        """A finding of this detector at the history's present step."""
        return Finding(
            detector=self.name,
            severity=severity,
            message=message,
            step=history.step,
            since=history.step if since is None else since,
            value=float(value),
            threshold=float(threshold),
            series=series,
            causes=dict(self.causes if causes is None else causes),
            advice=self.advice,
            worker=worker,
        )


def require(condition: bool, name: str, value: object, accepted: str) -> None:
    """:raises ValueError: naming the threshold, its value and what is accepted"""
    if not condition:
        raise ValueError(f"{name}={value!r} is not accepted: give {accepted}")


def fresh(history: History, name: str) -> bool:
    """Whether the last snapshot holds this series, so that an old value is not judged again."""
    return history.last is not None and name in history.last.values


@dataclass(frozen=True)
class Patience(Detector):
    """A detector that must fire at ``times`` snapshots running; the finding's ``since`` is the
    first.

    :param detector: the one that decides
    :param times: snapshots in a row, those without the series not counted
    :raises ValueError: for fewer than 1
    """

    detector: Detector
    times: int

    def __post_init__(self) -> None:
        require(self.times >= 1, "times", self.times, "a number of at least 1")

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.detector.name

    def check(self, history: History) -> Finding | None:
        newest = self.detector.check(history)
        if newest is None:
            return None
        since, seen = newest.since, 1
        n = len(history)
        while seen < self.times:
            n -= 1
            earlier = history.until(n)
            if n < 1 or earlier.last is None:
                return None
            if not any(name in earlier.last.values for name in newest.series):
                continue
            found = self.detector.check(earlier)
            if found is None or found.key != newest.key:
                return None
            since, seen = min(since, found.since), seen + 1
        return Finding(**{**newest.__dict__, "since": since})
