"""Bundles while training goes on, at most so often that it does not feel them."""

from __future__ import annotations

import math
import time
import warnings
from pathlib import Path
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from sb3_ac_ext.checkpoints.bundle import Bundle, row_range
from sb3_ac_ext.checkpoints.captured import captured
from sb3_ac_ext.checkpoints.rows import RowCounter
from sb3_ac_ext.checkpoints.score import newest_score
from sb3_ac_ext.checkpoints.settings import hyperparameters
from sb3_ac_ext.checkpoints.state import (
    State,
    flat,
    restore_callbacks,
    restore_logger,
    restore_model,
    restore_randomness,
)
from sb3_ac_ext.checkpoints.writer import Captured, Writer

_OFTEN = 100


class BundleCallback(BaseCallback):
    """Keep everything that a run needs to go on as if it had not stopped.

    A bundle is taken between an update and the next rollout, the one moment at which SB3 holds no
    state in local variables. Its copy is taken at once, and written by a thread. It belongs last
    in the list of callbacks, so that it sees the others after their work. On-policy, where SB3
    logs every few rollouts, bundles wait for the same ones, so that logs go on in their rhythm.

    :param folder: where bundles are kept, as ``bundle-<num_timesteps>``
    :param every: least environment steps between two
    :param keep_last: how many of the newest are kept
    :param keep_best: how many of the best are kept, by the lower bound of what a canary or an
        ``EvalCallback`` found; the newest good one is kept in any case
    :param share: most of the wall time that taking and writing them may cost, as if the thread
        that writes took its processor time from training; the distance grows where ``every``
        would cost more; 1 for as often as they can be written
    :param stop_at: end training with a bundle once this many environment steps are done
    :param verbose: 1 tells of each
    :raises ValueError: for numbers out of range
    """

    def __init__(
        self,
        folder: str | Path = "bundles",
        every: int = 1000,
        keep_last: int = 10,
        keep_best: int = 3,
        share: float = 0.01,
        stop_at: int | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(verbose)
        for name, value, least in (
            ("every", every, 1),
            ("keep_last", keep_last, 1),
            ("keep_best", keep_best, 0),
        ):
            if not isinstance(value, int) or value < least:
                raise ValueError(f"{name}={value!r} must be a whole number of at least {least}")
        if not 0 < share <= 1:
            raise ValueError(f"share={share!r} must be above 0 and at most 1")
        if stop_at is not None and stop_at < 1:
            raise ValueError(f"stop_at={stop_at!r} must be a positive number of steps")
        self.every = every
        self.share = share
        self.stop_at = stop_at
        self.writer = Writer(Path(folder), keep_last, keep_best)
        self.rollouts = 0
        self.failed: str | None = None
        self.stalled = 0.0
        """Seconds that training has waited for bundles to be taken."""
        self.ended: str | None = None
        """``paused`` at ``stop_at``, ``preempted`` by a signal."""
        self._rows: RowCounter | None = None
        self._last = -1
        self._taken = (-math.inf, 0.0)
        self._scored = -1
        self._continued: Bundle | None = None
        self._state: State | None = None
        self._settings: dict[str, Any] = {}
        self._rhythm = 1
        self._ended_at = 0
        self._inside = False
        self._preempted = False
        self._deadline = math.inf

    # what goes on from a bundle

    def get_state(self) -> dict[str, Any]:
        """Counters; the paths are those of whoever goes on."""
        return {"rollouts": self.rollouts, "n_calls": self.n_calls, "scored": self._scored}

    def set_state(self, state: dict[str, Any]) -> None:
        """
        :param state: from :meth:`get_state`
        """
        self.rollouts, self.n_calls = state["rollouts"], state["n_calls"]
        self._scored = state["scored"]

    def continue_from(self, bundle: Bundle, state: State) -> None:
        """Training goes on from this bundle, see :func:`~sb3_ac_ext.checkpoints.resume.resume`.

        :param state: what it holds
        """
        self._continued, self._state = bundle, state

    def end_soon(self, seconds: float) -> None:
        """Write a last bundle at the next occasion, and end training then.

        :param seconds: after which it ends even without, since a rollout may take longer
        """
        self._preempted = True
        self._deadline = time.monotonic() + seconds

    # SB3's events

    def _init_callback(self) -> None:
        if self._continued is not None:
            self._settings = self._continued.manifest["summary"]["hyperparameters"]
        elif not self._settings or self.model.num_timesteps == 0:
            # now, and not in a later learn(), for schedules change some of them
            self._settings = hyperparameters(self.model)

    def _on_training_start(self) -> None:
        self.ended, self._taken = None, (-math.inf, 0.0)
        buffer = getattr(self.model, "replay_buffer", None)
        self._rows = None if buffer is None else RowCounter(buffer)
        bundle, self._continued = self._continued, None
        self._last = self.num_timesteps
        self.writer.begin(self.num_timesteps)
        if bundle is not None and bundle.steps == self.num_timesteps:
            self.writer.start_from(bundle)
            names = bundle.row_files()
            if self._rows is not None and names:
                self._rows.start_from(row_range(names[-1])[1], bundle.steps)
        self._rhythm = _rhythm(self.model, self.locals.get("log_interval"))

    def _on_rollout_start(self) -> None:
        if self._state is not None:
            self._go_on(self._state)
        in_step = self.rollouts % self._rhythm == 0
        due = self.num_timesteps - self._last >= self.every and in_step
        reached = self.stop_at is not None and self.num_timesteps >= self.stop_at
        ends = self._preempted or (reached and in_step)
        if ends or (due and self._affordable()):
            began = time.perf_counter()
            self.take()
            at = time.perf_counter()
            self._taken = (at, at - began)
            self.stalled += at - began
        if ends:
            self.close()
            self.ended = "preempted" if self._preempted else "paused"
            self._ended_at = self.num_timesteps
        self.rollouts += 1
        self._inside = True

    def _affordable(self) -> bool:
        """Whether the last one was so long ago that it took its share of the time only."""
        if self.writer.busy:
            return False
        at, stalled = self._taken
        cost = stalled + self.writer.spent
        return self.share == 1.0 or time.perf_counter() - at >= cost / self.share

    def _on_rollout_end(self) -> None:
        self._inside = False

    def _on_step(self) -> bool:
        if self.ended is not None:
            self.model.num_timesteps = self._ended_at  # whoever goes on takes this step again
        elif time.monotonic() > self._deadline:
            self.ended = "preempted"
        return self.ended is None

    def _on_training_end(self) -> None:
        vars(self.logger).pop("record", None)
        # a callback that ends training does so inside a rollout, half of which no one can put back
        if not self._inside and self.num_timesteps > self._last:
            self.take()
        self.close()

    def _go_on(self, state: State) -> None:
        """Here, where the bundle was taken: ``learn()`` has drawn random numbers up to here."""
        self._state = None
        restore_model(self.model, state)
        restore_logger(self.model, state)
        for text in restore_callbacks(self._others(), state):
            warnings.warn(text, stacklevel=2)
        restore_randomness(self.model, state)
        count_on(self.logger, self.rollouts)

    def _others(self) -> list[BaseCallback]:
        """All callbacks of this ``learn()``, this one among them."""
        return list(flat(self.locals["callback"]))

    # one bundle

    def take(self) -> None:
        """Take a bundle now, which must be between two rollouts; it is written meanwhile."""
        try:
            self.writer.result()  # of the one before
            self.writer.submit(self._capture())
            self._last = self.num_timesteps
        except Exception as error:  # whatever an environment or a callback is made of
            self._tell(error)

    def _capture(self) -> Captured:
        callbacks = self._others()
        score = newest_score(callbacks, self._scored)
        if score is not None:
            self._scored = score.steps
        return captured(self.model, callbacks, self._settings, self._rows, score)

    def close(self) -> None:
        """Wait for what is being written, as after an exception, of which SB3 tells no callback."""
        try:
            self.writer.result()
        except Exception as error:
            self._tell(error)
        self.writer.close()

    def _tell(self, error: Exception) -> None:
        """Training goes on without; the rows that were not written are new again."""
        if self._rows is not None:
            self._rows.forget()
        self.writer.start_from(None)
        reason = getattr(error, "strerror", None) or str(error)
        if self.failed is None:
            warnings.warn(
                f"no bundle at step {self.num_timesteps:,}: {reason}; earlier ones stay",
                stacklevel=2,
            )
        self.failed = reason


def _rhythm(model: Any, log_interval: int | None) -> int:
    """Rollouts between two bundles, so that SB3, which counts from zero in every ``learn()``, logs
    after the same ones; only where logs come often enough to wait for them."""
    if not isinstance(model, OnPolicyAlgorithm) or log_interval is None:
        return 1
    return int(log_interval) if 1 <= log_interval <= _OFTEN else 1


def count_on(logger: Any, before: int) -> None:
    """``time/iterations``, which SB3 counts anew in every ``learn()``, with those before."""
    record = type(logger).record

    def counted(key: str, value: Any, exclude: Any = None) -> None:
        record(logger, key, value + before if key == "time/iterations" else value, exclude)

    logger.record = counted
