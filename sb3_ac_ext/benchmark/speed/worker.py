"""One side of a work in a process of its own: threads, compiled code and memory are its alone."""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

from sb3_ac_ext.benchmark.speed.works import Side, Work


class Worker:
    """Trains when it is asked to; a context manager that ends its process.

    :param work: to be done
    :param side: who does it
    :raises RuntimeError: from its methods, with what the process said, if it fails
    """

    def __init__(self, work: Work, side: Side) -> None:
        self.side = side
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, work, side), daemon=True)
        self._process.start()
        other.close()

    def run(self, timesteps: int) -> float:
        """:return: environment steps per second of ``learn()`` with a new model"""
        return self._asked(timesteps)

    def peak_memory(self) -> float:
        """:return: largest resident set of the process so far, in MiB"""
        return self._asked(None)

    def _asked(self, what: int | None) -> float:
        self._pipe.send(what)
        try:
            answer = self._pipe.recv()
        except EOFError:
            raise RuntimeError(f"the process of {self.side.name} ended") from None
        if isinstance(answer, str):
            raise RuntimeError(f"{self.side.name}: {answer}")
        return float(answer)

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._pipe.close()
        self._process.join(timeout=5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _serve(pipe: Connection, work: Work, side: Side) -> None:
    if side.threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(side.threads)
    with tempfile.TemporaryDirectory() as cache:
        os.environ["SB3_AC_EXT_CACHE"] = cache  # empty: the first run tells what compiling costs
        _answer(pipe, work, side)


def _answer(pipe: Connection, work: Work, side: Side) -> None:
    side.set_threads()
    while True:
        try:
            timesteps = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(_memory() if timesteps is None else _speed(work, side, timesteps))
        except Exception as error:
            pipe.send(f"{type(error).__name__}: {error}")


def _speed(work: Work, side: Side, timesteps: int) -> float:
    model: Any = work.make(side)
    start = time.perf_counter()
    model.learn(timesteps)
    return float(model.num_timesteps) / (time.perf_counter() - start)


def _memory() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024.0**2 if sys.platform == "darwin" else 1024.0)
