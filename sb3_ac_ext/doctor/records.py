"""What an examination finds: one check per question, and all of them as one verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any


class Status(str, Enum):
    """The gravest first: ``fail`` cannot train as it should, ``warning`` probably cannot,
    ``note`` is worth knowing, ``skipped`` was not looked at, ``ok`` is as it should be.
    """

    FAIL = "fail"
    WARNING = "warning"
    NOTE = "note"
    SKIPPED = "skipped"
    OK = "ok"


@dataclass(frozen=True)
class Check:
    """The answer to one question.

    :param name: of the question
    :param status: how grave the answer is
    :param message: what was seen, with numbers
    :param remedy: what to change, empty where nothing must be
    """

    name: str
    status: Status
    message: str
    remedy: str = ""

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "status": self.status.value}


@dataclass(frozen=True)
class Examination:
    """All that :func:`sb3_ac_ext.doctor.examine` found.

    :param subject: what was examined
    :param checks: in the order in which they were made
    :param seconds: wall time
    """

    subject: str
    checks: tuple[Check, ...]
    seconds: float

    @property
    def status(self) -> Status:
        """The gravest of all: ``ok`` with nothing but notes, ``skipped`` if no check was made."""
        found = {check.status for check in self.checks}
        if found == {Status.SKIPPED}:
            return Status.SKIPPED
        return next((grave for grave in (Status.FAIL, Status.WARNING) if grave in found), Status.OK)

    @property
    def verdict(self) -> str:
        """One line: how many of what, and the first of the gravest."""
        counted = Counter(check.status for check in self.checks)
        graver = [
            f"{counted[status]} {word}{'s' * (counted[status] != 1)}"
            for status, word in _WORDS.items()
            if counted[status]
        ]
        if counted[Status.SKIPPED]:
            graver.append(f"{counted[Status.SKIPPED]} skipped")
        line = f"{self.status.value}: {', '.join(graver) or 'nothing found'}"
        if self.status not in (Status.FAIL, Status.WARNING):
            return line
        first = by_gravity(self.checks)[0]
        return f"{line}; first of all, {first.name}: {first.message}"

    def to_json(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "status": self.status.value,
            "verdict": self.verdict,
            "seconds": round(self.seconds, 2),
            "checks": [check.to_json() for check in by_gravity(self.checks)],
        }


_WORDS = {Status.FAIL: "failure", Status.WARNING: "warning", Status.NOTE: "note"}
_GRAVITY = {status: rank for rank, status in enumerate(Status)}


def gravity(status: Status) -> int:
    """Rank of a status, 0 for the gravest."""
    return _GRAVITY[status]


def by_gravity(checks: Sequence[Check]) -> list[Check]:
    """The gravest first, otherwise as they were made."""
    return sorted(checks, key=lambda check: gravity(check.status))
