"""Time that runs out: checks ask for it, and code that does not return is interrupted."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_AGAIN = 0.5


class OutOfTime(BaseException):
    """Raised inside a check that took too long; no ``except Exception`` swallows it."""


class Deadline:
    """
    :param seconds: from now on
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.perf_counter() + seconds

    def left(self) -> float:
        """Seconds, 0 when over."""
        return max(0.0, self._end - time.perf_counter())

    def over(self) -> bool:
        return self.left() == 0.0

    def part(self, seconds: float) -> Deadline:
        """
        :param seconds: at most as many of what is left
        """
        return Deadline(min(seconds, self.left()))


@contextmanager
def enforced(deadline: Deadline) -> Iterator[None]:
    """Interrupt what runs inside at the deadline, so that a step that hangs ends no examination.

    Outside the main thread, and where the system has no timers, only checks that ask for the
    time keep to it.

    :param deadline: not over yet
    :raises OutOfTime: at the deadline
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or not hasattr(signal, "setitimer"):
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        if not _is_importing(frame):  # half a module would break what follows
            raise OutOfTime

    before = signal.signal(signal.SIGALRM, interrupt)
    # again after a moment, should the code inside have caught the first, or been importing
    signal.setitimer(signal.ITIMER_REAL, max(deadline.left(), 1e-3), _AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
