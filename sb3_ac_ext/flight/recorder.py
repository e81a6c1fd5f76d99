"""The ring buffer: each update's inputs are copied before it and judged after it."""

from __future__ import annotations

import inspect
import time
import warnings
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch as th

from sb3_ac_ext.flight.data import Batches, RolloutData
from sb3_ac_ext.flight.dump import Dump, write_dump
from sb3_ac_ext.flight.nonfinite import bad_step
from sb3_ac_ext.flight.outcome import outcome
from sb3_ac_ext.flight.randomness import RandomState
from sb3_ac_ext.flight.settings import NEEDED, lasting_settings, present_scalars, present_schedules
from sb3_ac_ext.flight.state import Parts, State
from sb3_ac_ext.flight.update import Update, one_line
from sb3_ac_ext.monitoring.describe import versions
from sb3_ac_ext.monitoring.observed import unwatch, watch_next_train
from sb3_ac_ext.quiet import say

MAX_DUMPS = 3
"""Per ``learn()``: one fault shows in many updates, and the first tell the most."""


class FlightRecorder:
    """Keeps the last updates and writes them to disk when something goes wrong.

    It is dumped after an update with a non-finite loss, gradient or weight, or when ``train()``
    raises; at a non-finite observation; after the update that follows a non-finite reward; and on
    what :meth:`alert` reports. Each kind of reason dumps once, all together at most three times
    per ``learn()``. Training stays bit-identical: nothing is drawn, and no hook stays.

    Memory: per update one copy of the weights and optimizer states (Adam: three times the weights;
    the weights before an update are those after the one before it, and are kept once), and its
    data: a rollout buffer, or ``gradient_steps`` batches. SAC with 256x256 networks takes 3 MB per
    update, PPO with 64x64 networks and 2,048 steps 0.2 MB. The copies lie on the model's device.

    Time: ``python -m sb3_ac_ext.flight.overhead`` measures it; it grows with weights per update, so
    that PPO hardly notices and algorithms with one gradient step per update pay a few percent.

    :param updates: how many to keep; 0 for none, which turns everything here off
    :param log_dir: dumps are folders ``flight_<step>`` in it
    :param verbose: 0 prints nothing, 1 a line per dump
    :raises ValueError: for a negative number, and for a positive one without ``log_dir``
    """

    def __init__(self, updates: int, log_dir: str | Path | None, verbose: int = 0) -> None:
        if isinstance(updates, bool) or not isinstance(updates, int) or updates < 0:
            raise ValueError(
                f"flight_recorder={updates!r} is not accepted: "
                "give the number of updates to keep, 0 for none"
            )
        if updates and log_dir is None:
            raise ValueError(
                f"flight_recorder={updates} needs log_dir=..., the folder that dumps go to"
            )
        self._updates = updates
        self._log_dir = Path(log_dir or ".")
        self._verbose = verbose
        self._ring: deque[Update] = deque()
        self._model: Any = None
        self._parts: Parts | None = None
        self.dumps: list[Path] = []
        self.seconds = 0.0

    def attach(self, model: Any) -> None:
        """Training begins: forget what was recorded; warn where a dump could not be replayed.

        :param model: an SB3 algorithm
        """
        self.detach()
        if not self._updates:
            return
        _, refused = lasting_settings(model)
        missing = [f"{name} ({refused[name]})" for name in NEEDED if name in refused]
        if not hasattr(model, "train") or not _buffer_name(model):
            missing.append(f"the data of {type(model).__name__}, which has no buffer and train()")
        if missing:
            warnings.warn(
                f"flight recorder: dumps cannot be replayed for lack of {'; '.join(missing)}",
                stacklevel=2,
            )
        self._model, self._learn_id = model, model.start_time
        self._reasons: dict[str, str] = {}
        self._seen: set[str] = set()
        self._n_dumps = 0
        self._poisoned = False
        self.seconds = 0.0

    def detach(self) -> None:
        """Training ended: write what is still due, and let the model go."""
        if self._model is None:
            return
        unwatch(self._model, self.around_update)
        self._dump_if_due()
        self._model = self._parts = None
        self._ring.clear()

    def await_update(self) -> None:
        """Record the next ``train()``; call it before others watch, for the innermost place."""
        if self._model is not None and _buffer_name(self._model):
            watch_next_train(self._model, self.around_update)

    def around_update(self, train: Callable[[], None]) -> None:
        """:param train: with its arguments bound"""
        model = self._model
        if model is None or model.start_time != self._learn_id:
            train()  # left over from a learn() that ended by an exception
            return
        start = time.perf_counter()
        try:
            update = self._begin(train)
        except Exception as error:  # whatever a custom algorithm is made of: training goes on
            self._give_up(error)
            train()
            return
        began = time.perf_counter()
        try:
            with _passing(update, model):
                train()
        except Exception as error:
            update.error = one_line(error)
            self._note("exception", f"train() raised {update.error}")
            self._conclude(update)
            raise
        ended = time.perf_counter()
        self._conclude(update)
        self.seconds += time.perf_counter() - ended + began - start

    def _conclude(self, update: Update) -> None:
        try:
            self._judge(update)
        except Exception as error:
            self._give_up(error)
        self._dump_if_due()

    def _give_up(self, error: Exception) -> None:
        warnings.warn(
            f"flight recorder: no more updates are recorded: {one_line(error)}", stacklevel=3
        )
        self._model = None

    def see_step(self, step_locals: Mapping[str, Any], step: int) -> None:
        """A reward or an observation is not finite.

        :param step_locals: of ``collect_rollouts``
        :param step: environment steps so far
        """
        if self._model is None or {"rewards", "observations"} <= self._seen:
            return
        for kind, text in bad_step(step_locals).items():
            self._note(kind, f"{text} at step {step:,}")
        if "observations" in self._reasons:
            self._dump_if_due()  # the next forward pass may end the run

    def alert(self, detector: str, message: str, updated: bool) -> None:
        """A detector found something critical.

        :param detector: its name
        :param message: of the finding
        :param updated: whether an update has just ended; else the next one is awaited
        """
        if self._model is not None:
            self._note(f"finding {detector}", f"critical finding: {message}")
            if updated:
                self._dump_if_due()

    def _begin(self, train: Callable[[], None]) -> Update:
        model = self._model
        if self._parts is None or not self._parts.complete:
            self._parts = Parts(model)
        old = self._ring.popleft().before if len(self._ring) >= self._updates else None
        if _buffer_name(model) == "rollout_buffer":
            data: RolloutData | Batches = RolloutData.take(model.rollout_buffer)
        else:
            data = Batches()
        update = Update(
            step=model.num_timesteps,
            before=State.take(self._parts, old),
            randomness=RandomState.take(model.device),
            settings=present_scalars(model),
            schedules=present_schedules(model),
            arguments=_arguments(train),
            data=data,
        )
        self._ring.append(update)
        return update

    def _judge(self, update: Update) -> None:
        assert self._parts is not None
        found = outcome(update, self._parts, self._model.logger.name_to_value)
        for kind, text in found.items():
            self._note(kind, f"not finite after the update: {text}")
        self._poisoned = "weights" in found

    def _note(self, kind: str, reason: str) -> None:
        """Whatever comes after the weights were lost is a consequence, and is not noted."""
        if kind not in self._seen and not self._poisoned:
            self._seen.add(kind)
            self._reasons[kind] = reason

    def _dump_if_due(self) -> None:
        reasons, self._reasons = self._reasons, {}
        if self._model is None or not reasons or self._n_dumps >= MAX_DUMPS:
            return
        self._n_dumps += 1
        path = _free(self._log_dir / f"flight_{self._model.num_timesteps}")
        try:
            write_dump(path, self._as_dump(list(reasons.values())))
        except Exception as error:  # a full disk, an odd batch: training goes on
            warnings.warn(
                f"flight recorder: {path} was not written: {one_line(error)}", stacklevel=2
            )
        else:
            self.dumps.append(path)
            if self._verbose:
                say(f"flight recorder: {next(iter(reasons.values()))}; see sb3-ac replay {path}")

    def _as_dump(self, reasons: list[str]) -> Dump:
        live = {} if self._parts is None else self._parts.weights
        updates = list(self._ring)
        settings, refused = lasting_settings(self._model)
        after = [update.before.weights for update in updates[1:]] + [live]
        return Dump(
            step=self._model.num_timesteps,
            reasons=reasons,
            settings=settings,
            refused=refused,
            device=str(self._model.device),
            num_threads=th.get_num_threads(),
            versions=versions(),
            updates=updates,
            after=[
                found if u.left(found) else None for u, found in zip(updates, after, strict=True)
            ],
        )


def _buffer_name(model: Any) -> str | None:
    names = ("rollout_buffer", "replay_buffer")
    return next((name for name in names if getattr(model, name, None) is not None), None)


def _passing(update: Update, model: Any) -> AbstractContextManager[None]:
    if isinstance(update.data, Batches):
        return update.data.passing(model.replay_buffer)
    return nullcontext()


def _arguments(train: Any) -> dict[str, Any]:
    """The keywords of ``train()``, also where another observer stands in between."""
    while isinstance(train, partial) and train.args and isinstance(train.args[0], partial):
        train = train.args[0]
    if not isinstance(train, partial):
        return {}
    if train.args:
        bound = inspect.signature(train.func).bind(*train.args, **train.keywords)
        return dict(bound.arguments)
    return dict(train.keywords)


def _free(path: Path) -> Path:
    """The path, with a number where an earlier run left one."""
    paths = [path, *(path.with_name(f"{path.name}-{n}") for n in range(2, 1000))]
    return next(found for found in paths if not found.exists())
