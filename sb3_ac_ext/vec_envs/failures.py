"""What became of a worker process, in a sentence, with the traceback of the other side."""

from __future__ import annotations

import signal
import traceback
from dataclasses import dataclass
from pathlib import Path

KINDS = ("raised", "died", "hung")


@dataclass(frozen=True)
class WorkerFailure:
    """
    :param worker: index of the sub-environment
    :param kind: ``raised``, ``died`` or ``hung``
    :param message: what happened, a sentence that names the worker
    :param traceback: of the worker where it raised, empty where there is none
    """

    worker: int
    kind: str
    message: str
    traceback: str = ""


class WorkerError(RuntimeError):
    """A worker process failed and is not restarted.

    Its text is one sentence; what the worker saw is printed with it as the direct cause.

    :param failure: of the worker
    :param more: to add to the sentence
    """

    def __init__(self, failure: WorkerFailure, more: str = "") -> None:
        super().__init__(failure, more)
        self.failure = failure
        self._text = failure.message + more
        if failure.traceback:
            self.__cause__ = _WorkerTraceback(failure.traceback)

    def __str__(self) -> str:
        return self._text


class _WorkerTraceback(Exception):
    """Prints as the traceback that another process had."""

    def __str__(self) -> str:
        return f"\n\n{self.args[0]}"


@dataclass(frozen=True)
class Raised:
    """What a worker sends instead of an answer.

    :param reason: type and first line of the exception, with file and line
    :param traceback: all of it
    """

    reason: str
    traceback: str

    @classmethod
    def by(cls, error: BaseException) -> Raised:
        """:param error: caught in the worker"""
        first_line = str(error).strip().partition("\n")[0]
        frames = traceback.extract_tb(error.__traceback__)
        where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
        name = type(error).__name__
        reason = f"{name}: {first_line}" if first_line else name
        return cls(reason + where, "".join(traceback.format_exception(error)))


def raised(worker: int, command: str, answer: Raised) -> WorkerFailure:
    """
    :param worker: index of the sub-environment
    :param command: that it was given, such as ``step``
    :param answer: what it sent instead of a result
    """
    message = f"worker {worker} raised {answer.reason} in {command}"
    return WorkerFailure(worker, "raised", message, answer.traceback)


def died(worker: int, command: str, exit_code: int | None) -> WorkerFailure:
    """
    :param worker: index of the sub-environment
    :param command: that it was given
    :param exit_code: of its process, negative where a signal ended it
    """
    message = f"worker {worker} died in {command}: its process {_end(exit_code)}"
    return WorkerFailure(worker, "died", message)


def hung(worker: int, command: str, seconds: float) -> WorkerFailure:
    """
    :param worker: index of the sub-environment
    :param command: that it did not answer
    :param seconds: that were waited for
    """
    message = f"worker {worker} hung: no answer to {command} within {seconds:g} s; it was killed"
    return WorkerFailure(worker, "hung", message)


def _end(exit_code: int | None) -> str:
    if exit_code is None or exit_code >= 0:
        return f"ended with exit code {'unknown' if exit_code is None else exit_code}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    hint = ", as the system does where memory runs out" if name == "SIGKILL" else ""
    return f"was killed by {name}{hint}"
