"""What every action is: opt-in, at most so many times per finding, and told in words."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from sb3_ac_ext.checkpoints.writer import Writer
from sb3_ac_ext.monitoring.detectors.base import require
from sb3_ac_ext.monitoring.records import Finding


@dataclass
class Case:
    """What an action is given.

    :param model: an SB3 algorithm, between two updates
    :param finding: what called for the action
    :param step: of the snapshot in which it was raised
    :param since: the first step at which the symptom was there
    :param folder: where files go unless the action was told
    :param others: the first steps of other troubles that are open
    :param within_step: in the middle of a rollout, before the newest step is stored
    :param stop: set by an action that ends training
    """

    model: Any
    finding: Finding
    step: int
    since: int
    folder: Path
    others: tuple[int, ...] = ()
    within_step: bool = False
    stop: bool = False


class Action(ABC):
    """Something done to a run because of a finding.

    It acts once per finding, or up to ``times`` times when the symptom begins anew after it acted.
    A ``remedy`` also leaves alone other findings whose symptom began before it last acted: a single
    trouble raises several of them, and it has been treated.

    :param times: how often at most for findings of one detector and worker
    :raises ValueError: for less than 1
    """

    name: ClassVar[str]
    remedy: ClassVar[bool] = True
    bundles: Writer | None = None
    """Keeps the bundles of the run, where it has any; set before training begins."""

    def __init__(self, times: int = 1) -> None:
        whole = isinstance(times, int) and not isinstance(times, bool)
        require(whole and times >= 1, "times", times, "a whole number of at least 1")
        self.times = times
        self._forget()

    def _forget(self) -> None:
        self._count: Counter[tuple[str, int | None]] = Counter()
        self._last: dict[tuple[str, int | None], int] = {}
        self._treated = -1

    def start(self, model: Any, step: int, fresh: bool) -> None:
        """Training begins, or goes on where an earlier ``learn()`` ended.

        :param fresh: whether what an earlier run left in this object is void
        """
        if fresh:
            self._forget()

    def observe(  # noqa: B027
        self, model: Any, step: int, troubles: Sequence[Finding]
    ) -> None:
        """A snapshot was judged; called before anything acts on it.

        :param troubles: findings of this moment that are more than a remark
        """

    def due(self, finding: Finding) -> bool:
        """Whether to act on a finding that is there now."""
        acted = max(self._last.get(finding.key, -1), self._treated if self.remedy else -1)
        return self._count[finding.key] < self.times and finding.since > acted

    def run(self, case: Case) -> str:
        """Act, and count it whether or not it succeeds.

        :return: what was done, in words
        """
        key = case.finding.key
        self._count[key] += 1
        self._last[key] = case.step
        text = self.apply(case)
        self._treated = case.step
        return text

    @abstractmethod
    def apply(self, case: Case) -> str:
        """Do it.

        :return: what was done, in words
        """

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint of the run holds of this action."""
        return {"count": dict(self._count), "last": dict(self._last), "treated": self._treated}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """
        :param state: from :meth:`get_state`
        """
        self._count, self._last = Counter(state["count"]), dict(state["last"])
        self._treated = state["treated"]

    def end(self) -> None:  # noqa: B027
        """Training ended; called again without harm."""


def require_number(name: str, value: object, accepted: str, above: float = 0.0) -> None:
    """:raises ValueError: for anything but a finite number above a bound"""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    require(number and above < value < float("inf"), name, value, accepted)  # type: ignore[operator]
