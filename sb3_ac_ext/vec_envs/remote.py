"""This side of the pipe: a worker process as the object that SB3's ``SubprocVecEnv`` talks to."""

from __future__ import annotations

import time
from contextlib import suppress
from multiprocessing.connection import wait
from typing import Any

from stable_baselines3.common.vec_env.base_vec_env import CloudpickleWrapper

from sb3_ac_ext.vec_envs.failures import Raised, WorkerError, WorkerFailure, died, hung, raised
from sb3_ac_ext.vec_envs.worker import CLOSE, work

_LAST_WORDS = 5.0  # seconds that a process has to be gone after its pipe was closed, or SIGKILL


class Remote:
    """One worker process: ``send`` a command, ``recv`` its answer or a ``WorkerError``.

    An answer that nobody came for, because an error or Ctrl-C came first, is dropped when the next
    command is sent.

    :param context: of multiprocessing
    :param worker: index of the sub-environment
    :param env_fn: makes it
    :param again: in place of a worker that failed
    """

    def __init__(
        self, context: Any, worker: int, env_fn: CloudpickleWrapper, again: bool = False
    ) -> None:
        self.worker = worker
        # one pipe at a time: forked workers would keep the ends of others open, and their deaths
        # would not be noticed
        self._pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=work, args=(theirs, self._pipe, env_fn, again), daemon=True
        )
        self.process.start()
        theirs.close()
        self._command = "the start"
        self._waiting = False

    def send(self, message: tuple[str, Any]) -> None:
        """
        :param message: command and data
        """
        try:
            if self._waiting:
                self._pipe.recv_bytes()
            self._command = message[0]
            self._pipe.send(message)
        except (EOFError, OSError):
            pass  # it died, and the answer will say so
        self._waiting = True

    def recv(self, timeout: float | None = None) -> Any:
        """
        :param timeout: seconds after which it is killed, ``None`` to wait for ever
        :raises WorkerError: if it raised, died or hung
        """
        answer = self.answer(timeout)
        if isinstance(answer, WorkerFailure):
            raise WorkerError(answer)
        return answer

    def answer(self, timeout: float | None = None, deadline: float | None = None) -> Any:
        """The same with a :class:`WorkerFailure` as an answer.

        :param timeout: seconds after which it is killed, ``None`` to wait for ever
        :param deadline: their end on the monotonic clock, where they began before
        """
        try:
            if timeout is not None and not self._speaks(timeout, deadline):
                self.kill()
                return hung(self.worker, self._command, timeout)
            answer = self._pipe.recv()
        except (EOFError, OSError):
            self.process.join(_LAST_WORDS)
            return died(self.worker, self._command, self.process.exitcode)
        self._waiting = False
        if isinstance(answer, Raised):
            return raised(self.worker, self._command, answer)
        return answer

    def _speaks(self, timeout: float, deadline: float | None) -> bool:
        """Whether there is an answer in time.

        :raises EOFError: if the process ended without one; processes of its own may keep the pipe
            open
        """
        left = timeout if deadline is None else max(0.0, deadline - time.monotonic())
        ready = wait([self._pipe, self.process.sentinel], left)
        if ready and not self._pipe.poll():
            raise EOFError
        return bool(ready)

    def kill(self) -> None:
        """End the process at once; there will be no answer."""
        self._waiting = False
        self.process.kill()
        self.process.join(_LAST_WORDS)

    def ask_to_close(self) -> None:
        """Does not wait for anything."""
        with suppress(OSError):
            self._pipe.send((CLOSE, None))

    def close(self, deadline: float) -> None:
        """Wait for the end of a process that was asked to close.

        :param deadline: on the monotonic clock, after which it is killed
        """
        self._drain(deadline)
        self.process.join(max(0.0, deadline - time.monotonic()))
        if self.process.is_alive():
            self.kill()
        self._pipe.close()

    def _drain(self, deadline: float) -> None:
        """Read what is still sent: a worker with a large answer would never hear the command."""
        try:
            while (left := deadline - time.monotonic()) > 0.0:
                if self._pipe not in wait([self._pipe, self.process.sentinel], left):
                    return
                self._pipe.recv_bytes()
        except (EOFError, OSError):
            return
