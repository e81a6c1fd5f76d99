"""A run from its first step to its last file: how it ended, and what it leaves behind."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback

from sb3_ac_ext.config import Config
from sb3_ac_ext.environments import EnvFactory
from sb3_ac_ext.monitoring.describe import versions
from sb3_ac_ext.monitoring.records import Verdict
from sb3_ac_ext.outcome import Outcome, judge
from sb3_ac_ext.run_callbacks import find_keeper, find_monitor
from sb3_ac_ext.run_folder import RunFolder, command
from sb3_ac_ext.run_spec import RunSpec
from sb3_ac_ext.wrappers.vec_worker_normalize_reward import worker_rewards_wrapper


@dataclass(frozen=True)
class RunResult:
    """
    :param outcome: how the run ended
    :param folder: where everything about it lies
    :param steps: environment steps taken
    :param seconds: wall time of training
    :param verdict: the monitor's judgement
    :param report: the HTML report, ``None`` where none was written
    """

    outcome: Outcome
    folder: Path
    steps: int
    seconds: float
    verdict: Verdict
    report: Path | None


@dataclass
class Run:
    """A run that is ready to train."""

    spec: RunSpec
    config: Config
    folder: RunFolder
    factory: EnvFactory
    model: BaseAlgorithm
    callbacks: list[BaseCallback]
    tracker: Any = None
    resumed: bool = False
    started: float = field(default_factory=time.time)


def finish(ready: Run, error: BaseException | None) -> RunResult:
    """Save what there is, judge how the run ended, and write it down.

    :param ready: the run
    :param error: what ended training, ``None`` if it returned
    """
    seconds = time.time() - ready.started
    model, folder = ready.model, ready.folder
    keeper = find_keeper(ready.callbacks)
    ended = None if keeper is None else keeper.ended
    outcome = judge(model, error, ready.config.n_timesteps, ended)
    monitor = find_monitor(ready.callbacks)
    assert monitor is not None
    # the monitor first: it takes its hooks off the model, which would be saved with them
    ends: list[Callable[[], None]] = [partial(monitor.close, error), partial(_save, ready)]
    if keeper is not None:
        ends.append(keeper.close)
    for end in ends:
        try:
            end()
        except Exception as problem:
            if not outcome.failed:
                outcome = Outcome("failed", f"the run cannot be saved: {problem}")
    ready.factory.close()
    record = facts(ready, outcome, seconds, monitor.verdict)
    with suppress(OSError):
        folder.write_run(record)
    report = _report(ready, monitor, record) if ready.spec.report else None
    if ready.tracker is not None:
        ready.tracker.finish(exit_code=int(outcome.failed))
    return RunResult(outcome, folder.path, model.num_timesteps, seconds, monitor.verdict, report)


def _save(ready: Run) -> None:
    model, folder = ready.model, ready.folder
    model.save(folder.model)
    normalizer = model.get_vec_normalize_env()
    if normalizer is not None:
        normalizer.save(str(folder.vecnormalize))
    if (wrapper := worker_rewards_wrapper(model.get_env())) is not None:
        wrapper.save_worker_rewards(folder.worker_rewards)
    if ready.spec.save_replay_buffer and hasattr(model, "save_replay_buffer"):
        model.save_replay_buffer(str(folder.replay_buffer))


def _report(ready: Run, monitor: Any, record: dict[str, Any]) -> Path | None:
    from sb3_ac_ext.report import write_report

    try:
        return write_report(ready.folder.report, monitor.history, monitor.verdict, record)
    except Exception as error:
        print(f"the report cannot be written: {error}", file=sys.stderr)
        return None


def facts(
    ready: Run, outcome: Outcome, seconds: float | None = None, verdict: Verdict | None = None
) -> dict[str, Any]:
    """What ``run.json`` holds.

    :param ready: the run
    :param outcome: how it ended, or ``running``
    :param seconds: wall time of training, once it has ended
    :param verdict: the monitor's judgement, once there is one
    """
    spec, model = ready.spec, ready.model
    return {
        "algo": spec.algo,
        "env": spec.env,
        "seed": spec.seed,
        "outcome": outcome.status,
        "error": outcome.error,
        "verdict": None if verdict is None else verdict.status,
        "findings": None if verdict is None else len(verdict.findings),
        "steps": model.num_timesteps,
        "n_timesteps": ready.config.n_timesteps,
        "n_envs": ready.config.environment.n_envs,
        "wall_time": seconds,
        "started": _iso(ready.started),
        "finished": None if seconds is None else _iso(ready.started + seconds),
        "command": command(),
        "settings": f"{ready.config.source}: {ready.config.entry}",
        "device": str(model.device),
        "threads": th.get_num_threads(),
        "versions": versions(),
        "worker_restarts": _worker_restarts(model),
        "traceback": outcome.traceback,
    }


def _worker_restarts(model: BaseAlgorithm) -> list[dict[str, Any]] | None:
    """With their tracebacks; ``None`` where there were none, which the report leaves out."""
    env = model.get_env()
    base = None if env is None else env.unwrapped
    return [asdict(failure) for failure in getattr(base, "worker_restarts", ())] or None


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")
