"""Runs checks one after the other; what fails or takes too long ends no examination."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from sb3_ac_ext.doctor.deadline import Deadline, OutOfTime, enforced
from sb3_ac_ext.doctor.records import Check, Status

T = TypeVar("T")


class Examiner:
    """
    :param deadline: after which checks are skipped
    """

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.checks: list[Check] = []

    def ask(
        self, name: str, seconds: float, question: Callable[[Deadline], Check | Iterable[Check]]
    ) -> None:
        """Add the answers to a question.

        :param name: of the check if it cannot be answered
        :param seconds: after which it is interrupted
        :param question: gives one check or several
        """
        answer = self.attempt(name, seconds, question)
        if isinstance(answer, Check):
            self.checks.append(answer)
        elif answer is not None:
            self.checks.extend(answer)

    def attempt(
        self, name: str, seconds: float, work: Callable[[Deadline], T], hangs: str = ""
    ) -> T | None:
        """What comes of some work, or ``None`` and a check that says why not.

        :param name: of the check if it fails
        :param seconds: after which it is interrupted
        :param work: is given the time at which it should end by itself
        :param hangs: what it means if it does not, where that is a failure
        """
        if self.deadline.over():
            self.skip(name, "the time is up")
            return None
        part = self.deadline.part(seconds)
        allowed = min(seconds, self.deadline.left())
        try:
            with enforced(part):
                return work(part)
        except OutOfTime:
            if hangs and allowed == seconds:
                self.checks.append(Check(name, Status.FAIL, hangs, "find what it waits for"))
            else:
                self.skip(name, f"did not finish within {allowed:.0f} s")
        except Exception as error:
            text = " ".join(str(error).split())
            message = f"the environment raises {type(error).__name__}: {text}"
            remedy = "mend this first: nothing can be trained on it"
            self.checks.append(Check(name, Status.FAIL, message, remedy))
        return None

    def skip(self, name: str, reason: str) -> None:
        """
        :param name: of the check
        :param reason: why it is not made
        """
        self.checks.append(Check(name, Status.SKIPPED, reason))
