"""The callback: the only file of the monitor that knows the order of SB3's events."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback, EventCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from sb3_ac_ext.checkpoints.callback import BundleCallback
from sb3_ac_ext.checkpoints.rows import version
from sb3_ac_ext.checkpoints.state import flat
from sb3_ac_ext.checkpoints.writer import Writer
from sb3_ac_ext.flight.recorder import FlightRecorder
from sb3_ac_ext.monitoring.actions import Actions
from sb3_ac_ext.monitoring.describe import describe
from sb3_ac_ext.monitoring.detectors import Detector, default_detectors
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.neutral import undisturbed
from sb3_ac_ext.monitoring.observed import unwatch, watch_next_train
from sb3_ac_ext.monitoring.recorder import Recorder
from sb3_ac_ext.monitoring.records import RunInfo, Severity, Snapshot, Verdict
from sb3_ac_ext.monitoring.rollout import RolloutCollector
from sb3_ac_ext.monitoring.signals import CanarySignal, Readings, Signal, default_signals
from sb3_ac_ext.monitoring.signals.normaliser_probe import evaluation_envs
from sb3_ac_ext.monitoring.sinks import LoggerSink, Sink, default_sinks
from sb3_ac_ext.monitoring.view import Clock, View
from sb3_ac_ext.monitoring.watch import Watch

_LEAST_OBSERVED, _MOST_OBSERVED = 2, 50
"""Gradients are measured in a twentieth of the calls of ``train()`` between two snapshots, but in
no fewer and no more than these, as far as there are so many."""


class DiagnosticsCallback(BaseCallback):
    """Watches training and says whether it is healthy, and if not, what is wrong and since when.

    Give it to ``learn(callback=...)`` of any SB3 or contrib algorithm, at the top level (inside
    ``EveryNTimesteps`` it would miss the rollout events). Training with it is bit-identical to
    training without it. After ``learn()``, ``history`` and ``verdict`` hold what was seen and
    judged.

    One snapshot is taken per ``every`` steps, right after an update. Observation
    brackets single calls of ``model.train()``: the instance attribute that does so is gone when the
    call begins, ``save()`` leaves it out, and all hooks go when the call ends, by an exception too.

    :param every: least environment steps between snapshots; by default 10,000, or 1,000 off-policy,
        where each costs more; a twentieth of the budget in short runs, and a two-hundredth in long
        ones
    :param canary_freq: environment steps between canary evaluations; 0 for none; by default a
        tenth of the budget, at most 25,000
    :param canary_episodes: episodes per canary evaluation, at least 2 (tests need 10)
    :param canary_env: environment for the canary; by default rebuilt from the training
        environment's spec
    :param canary_share: upper bound of the canary's part of the wall time, in (0, 1]
    :param log_dir: folder for ``monitor.jsonl``, ``findings.jsonl`` and ``report.html``; none by
        default
    :param webhook: URL that findings and the verdict are posted to as JSON
    :param signals: to read instead of the default ones; the canary is added to them
    :param detectors: to ask instead of the default ones
    :param sinks: receive snapshots and findings in place of the console; files, webhook, SB3's
        logger and Weights & Biases get them in any case
    :param actions: what to do about findings, none by default: severity or cause -> an action, its
        name, ``{name: {argument: value}}``, or a list of these; see
        :mod:`sb3_ac_ext.monitoring.actions`
    :param report: write ``report.html`` into ``log_dir`` at the end
    :param flight_recorder: updates that are kept in memory and written to ``log_dir/flight_<step>``
        on a critical finding, a non-finite value or an exception in ``train()``, for ``sb3-ac
        replay``; 0 for none; what it takes is told by :class:`~sb3_ac_ext.flight.FlightRecorder`
    :param verbose: 0 prints nothing, 1 findings and the verdict
    :raises ValueError: for values out of range
    """

    def __init__(
        self,
        every: int | None = None,
        canary_freq: int | None = None,
        canary_episodes: int = 10,
        canary_env: VecEnv | None = None,
        canary_share: float = 0.10,
        log_dir: str | Path | None = None,
        webhook: str | None = None,
        signals: Iterable[Signal] | None = None,
        detectors: Iterable[Detector] | None = None,
        sinks: Iterable[Sink] | None = None,
        actions: Mapping[str, Any] | None = None,
        report: bool = True,
        flight_recorder: int = 0,
        verbose: int = 1,
    ) -> None:
        super().__init__(verbose)
        if every is not None and every < 1:
            raise ValueError(f"every={every!r} is not accepted: give a positive number of steps")
        self.every = every
        self._all_signals = list(default_signals() if signals is None else signals)
        if canary_freq != 0:
            canary = CanarySignal(canary_env, canary_freq, canary_episodes, canary_share)
            self._all_signals.insert(0, canary)
        self._detectors = list(default_detectors() if detectors is None else detectors)
        self._log_dir = None if log_dir is None else Path(log_dir)
        self._report = report
        self.flight = FlightRecorder(flight_recorder, log_dir, verbose)
        self._actions = None if actions is None else Actions(actions, self._log_dir)
        self._given_sinks = default_sinks(log_dir, webhook, verbose if sinks is None else 0)
        self._given_sinks.extend(sinks or ())
        self._sinks: list[Sink] = []
        self._signals: list[Signal] = []
        self._pending: View | None = None
        self._alarmed = self._open = False
        self.history = History()
        self._watch = Watch(self._detectors)
        self.verdict = Verdict("not enough evidence")

    # a run that is taken up again

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint holds of the monitor: how far its history reaches."""
        found = {"history_step": self.history.step, "n_calls": self.n_calls}
        return found if self._actions is None else {**found, "actions": self._actions.get_state()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """
        :param state: from :meth:`get_state`
        """
        self.n_calls = state["n_calls"]
        if self._actions is not None and "actions" in state:
            self._actions.set_state(state["actions"])

    def continue_from(self, history: History) -> None:
        """Training that goes on appends to a history, judged as it was when it was recorded.

        :param history: up to where training goes on
        """
        self.history, self._watch = history, Watch(self._detectors)
        for n in range(1, len(history) + 1):
            self._watch.update(history.until(n))
        if self._actions is not None:
            self._actions.continue_from(history.step)

    @property
    def critical(self) -> bool:
        """Whether something critical was found at the newest snapshot."""
        current = self._watch.current
        return any(finding.severity is Severity.CRITICAL for finding in current)

    # SB3's events, in their order

    def _on_training_start(self) -> None:
        if isinstance(self.parent, EventCallback):
            name = type(self.parent).__name__
            raise ValueError(f"{type(self).__name__} sees no rollouts inside {name}: give it as is")
        self._detach()
        self.flight.attach(self.model)
        start = time.perf_counter()
        with undisturbed(self.model):
            not_observed = self._choose_signals()
            self._readings = Readings(self._signals)
            self._readings.attach(self.model)
        self._prepare(describe(self.model, not_observed))
        self._started = self._cut = self._shown = start
        self._clock = Clock(callback=time.perf_counter() - start)

    def _on_rollout_start(self) -> None:
        unwatch(self.model, self._around_update)
        if self._pending is not None:  # no update came: off-policy before learning_starts
            self._snapshot(self._pending)
        self._act()
        self._rollout_began = time.perf_counter()

    def _on_step(self) -> bool:
        if not self._recorder.add(self.locals):
            self.flight.see_step(self.locals, self.num_timesteps)
            if not self._alarmed:
                self._alarmed = True
                self._snapshot(View(self.model, self.num_timesteps, self._recorder.cut()))
                self._act(within_step=True)
        return self._actions is None or not self._actions.stopped

    def _on_rollout_end(self) -> None:
        now = time.perf_counter()
        self.flight.await_update()
        self._clock.rollout += now - self._rollout_began
        if isinstance(self.model, OnPolicyAlgorithm):
            self._rollouts.add(self.model.rollout_buffer, self.locals["dones"])
        self._n_rollouts += 1
        last = self.num_timesteps >= self.model._total_timesteps
        due = self.num_timesteps - self._last_step >= self._every
        if last or due or self._first_update_comes():
            self._await_update(last)
        elif self._n_rollouts % self._stride == 0:
            watch_next_train(self.model, self._around_update)
        if now - self._shown > 0.2:
            self._shown = now
            for sink in self._sinks:
                sink.progress(self.num_timesteps)
        self._clock.callback += time.perf_counter() - now

    def _on_training_end(self) -> None:
        self.close()

    # one observed update, one snapshot

    def _await_update(self, last: bool) -> None:
        rollout = self._rollouts.cut(self.model)
        window = self._recorder.cut()
        view = View(self.model, self.num_timesteps, window, rollout, final=last)
        view.evaluation_envs = self._evaluation_envs
        with undisturbed(self.model):
            if isinstance(self.model, OnPolicyAlgorithm):
                view.last_values = self.locals["values"].cpu().numpy().ravel()
                view.last_dones = self.locals["dones"]
            self._readings.before_update(view)
        self._pending = view
        watch_next_train(self.model, self._around_update)

    def _first_update_comes(self) -> bool:
        """Exact invariants are judged on it, long before the first snapshot is due."""
        comes = not self._first_came and self.num_timesteps > getattr(
            self.model, "learning_starts", 0
        )
        self._first_came |= comes
        return comes

    def _around_update(self, train: Callable[[], None]) -> None:
        if not self._open or self.model.start_time != self._learn_id:
            train()  # left over from a learn() that another callback ended by an exception
            return
        start = time.perf_counter()
        with ExitStack() as stack:
            self._readings.enter(stack, self.model)
            hooked = time.perf_counter()
            train()
            trained = time.perf_counter()
        self._clock.update += trained - hooked
        self._clock.callback += time.perf_counter() - trained + hooked - start
        if self._pending is not None:
            self._pending.updated = True
            self._snapshot(self._pending)

    def _snapshot(self, view: View) -> None:
        start = time.perf_counter()
        self._pending = None
        if view.step <= self.history.step:
            return
        view.clock, self._clock = self._clock, Clock()
        view.clock.since_start, view.clock.window = start - self._started, start - self._cut
        self._cut, self._last_step = start, view.step
        with undisturbed(self.model):
            reading = self._readings.collect(view)
        snapshot = Snapshot(view.step, start - self._started, reading.values, reading.arrays)
        self.history.append(snapshot)
        for sink in self._sinks:
            sink.snapshot(snapshot)
        for finding in self._watch.update(self.history):
            if finding.severity is Severity.CRITICAL:
                self.flight.alert(finding.detector, finding.message, view.updated)
            for sink in self._sinks:
                sink.finding(finding)
        self._clock.canary = view.canary_seconds
        self._clock.callback += time.perf_counter() - start - view.canary_seconds

    def _act(self, within_step: bool = False) -> None:
        """Between updates, once nobody observes the last one any more."""
        if self._actions is None:
            return
        buffer = getattr(self.model, "replay_buffer", None)
        before = version(buffer)
        for event in self._actions.act(self.model, self.history, self._watch, within_step):
            self.history.events.append(event)
            for sink in self._sinks:
                sink.event(event)
        if version(buffer) != before:  # what was recorded is not what is stored any more
            self._recorder.forget_recent(keep=int(within_step))

    # beginning and end

    def _choose_signals(self) -> dict[str, str]:
        """Keep the signals that apply; the others, with the reasons."""
        reasons = {signal.name: signal.supports(self.model) for signal in self._all_signals}
        self._signals = [s for s in self._all_signals if reasons[s.name] is None]
        return {name: reason for name, reason in reasons.items() if reason is not None}

    def _prepare(self, info: RunInfo) -> None:
        if not len(self.history) or self.num_timesteps < self.history.step:
            self.history, self._watch = History(info), Watch(self._detectors)
        self.history.info = info
        if self._actions is not None:
            bundles = _bundles(self.locals.get("callback"))
            fresh = not len(self.history)
            self._actions.start(self.model, self.num_timesteps, fresh, bundles)
        self._sinks = [*self._given_sinks, LoggerSink(self.logger)]
        for sink in self._sinks:
            sink.start(info)
        total = info.total_timesteps or 0
        size = _rollout_size(self.model)
        self._every = self.every or _usual_period(self.model, total)
        updates = self._every // size
        # odd, so that updates of both kinds are seen where every second one moves the actor
        observed = min(_MOST_OBSERVED, max(_LEAST_OBSERVED, updates // 20))
        self._stride = updates // observed | 1
        self._recorder = Recorder(self.training_env, self.model)
        self._rollouts = RolloutCollector()
        self._pending = None
        self._evaluation_envs = evaluation_envs(self.locals.get("callback"), self.model)
        self._last_step = self.num_timesteps
        self._learn_id = self.model.start_time
        self._n_rollouts = 0
        self._alarmed = self._first_came = False
        self._open = True

    def close(self, error: BaseException | None = None) -> None:
        """Finish history, verdict and report; harmless when called again.

        SB3 calls no callback when ``learn()`` is left by an exception: whoever catches it calls
        this, so that the steps up to it are recorded.

        :param error: what ended training early; its text is noted in the history
        """
        if not self._open:
            return
        self._open = False
        self.num_timesteps = self.model.num_timesteps
        if error is not None:
            self.history.notes.append(f"training ended by {type(error).__name__}: {error}")
        unwatch(self.model, self._around_update)
        rest = self._pending or View(self.model, self.num_timesteps, self._recorder.cut())
        rest.final = error is None
        self._snapshot(rest)
        self._act()
        self._detach()
        self.verdict = self._watch.verdict(self.history)
        for sink in self._sinks:
            sink.finish(self.verdict)
        if self._log_dir is not None and self._report:
            self._write_report(self._log_dir / "report.html")

    def _write_report(self, path: Path) -> None:
        from sb3_ac_ext.report import write_report

        try:
            write_report(path, self.history, self.verdict)
        except OSError as error:
            warnings.warn(f"no report: {path} cannot be written: {error.strerror}", stacklevel=2)

    def _detach(self) -> None:
        unwatch(self.model, self._around_update)
        self.flight.detach()
        if self._actions is not None:
            self._actions.end()
        for signal in self._signals:
            signal.detach()


def _bundles(callback: BaseCallback | None) -> Writer | None:
    """Keeps those of the run, if one of its callbacks does."""
    callbacks = () if callback is None else flat(callback)
    return next((c.writer for c in callbacks if isinstance(c, BundleCallback)), None)


def _usual_period(model: Any, total: int) -> int:
    """Steps between snapshots unless told: at most 200 in a run."""
    usual = 10_000 if isinstance(model, OnPolicyAlgorithm) else 1000
    return int(min(max(usual, total / 200), max(100, total / 20)))


def _rollout_size(model: Any) -> int:
    """Environment steps between two updates, 1 where episodes decide."""
    if isinstance(model, OnPolicyAlgorithm):
        return model.n_steps * model.n_envs
    frequency = getattr(getattr(model, "train_freq", None), "frequency", 1)
    return int(frequency) * model.n_envs
