"""One training run from settings to report; what is left behind is complete however it ends."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import set_random_seed
from stable_baselines3.common.vec_env import VecEnv

from sb3_ac_ext.config import Config, load_config
from sb3_ac_ext.environments import EnvFactory, check_env, find_env, is_atari
from sb3_ac_ext.models import check_trained_agent, load_model, new_model, saved_statistics
from sb3_ac_ext.monitoring.describe import versions
from sb3_ac_ext.monitoring.records import Verdict
from sb3_ac_ext.outcome import Outcome, judge
from sb3_ac_ext.quiet import quiet, uninterrupted
from sb3_ac_ext.run_callbacks import find_monitor, make_callbacks
from sb3_ac_ext.run_folder import RunFolder, command, create_run_folder, env_name
from sb3_ac_ext.run_spec import RunSpec

__all__ = ["RunResult", "RunSpec", "make_callbacks", "make_env", "make_model", "prepare", "run"]


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
    model: BaseAlgorithm
    callbacks: list[BaseCallback]
    tracker: Any = None
    started: float = field(default_factory=time.time)


def run(spec: RunSpec) -> RunResult:
    """Train as asked, watch, save, report.

    :param spec: what to do
    :return: how it ended; an error inside training is a result, with what was seen up to it
    :raises ValueError: for settings that cannot be, before anything is trained or left behind
    """
    spec = spec.seeded()
    with quiet(spec.verbose):
        ready = prepare(spec)
        error: BaseException | None = None
        try:
            _learn(ready)
        except (Exception, KeyboardInterrupt) as caught:
            error = caught
        with uninterrupted():
            return _finish(ready, error)


def prepare(spec: RunSpec) -> Run:
    """Everything up to the first step of training.

    :param spec: what to do, with its seed
    :raises ValueError: for settings that cannot be; the run folder is removed again
    """
    config, factory = _read(spec)
    set_random_seed(spec.seed)
    folder = create_run_folder(spec.log_folder, spec.algo, spec.env, spec.uuid)
    tracker = None
    try:
        if spec.track:
            from sb3_ac_ext.tracking import start_tracking

            tracker, tensorboard_log = start_tracking(spec)
            spec = replace(spec, tensorboard_log=tensorboard_log)
        env = make_env(spec, factory, folder)
        model = make_model(spec, config, env)
        callbacks = make_callbacks(spec, config, factory, folder)
        folder.write_settings(spec.to_dict(), config.raw)
        ready = Run(spec, config, folder, model, callbacks, tracker)
        folder.write_run(_facts(ready, Outcome("running")))
    except BaseException as error:
        folder.remove()
        if tracker is not None:
            tracker.finish(exit_code=1)
        if isinstance(error, (ValueError, OSError)) or not isinstance(error, Exception):
            raise
        raise ValueError(f"the run cannot be set up: {type(error).__name__}: {error}") from error
    if spec.verbose >= 1:
        print(_first_line(ready), flush=True)
    return ready


def _read(spec: RunSpec) -> tuple[Config, EnvFactory]:
    """Check all that can be checked without leaving a trace."""
    _set_threads(spec)
    env_spec = find_env(spec.env, spec.gym_packages)
    overrides = dict(spec.hyperparams)
    if spec.env_kwargs is not None:
        overrides["env_kwargs"] = dict(spec.env_kwargs)
    if spec.eval_env_kwargs is not None:
        overrides["eval_env_kwargs"] = dict(spec.eval_env_kwargs)
    config = load_config(
        spec.algo, env_spec.id, spec.conf_file, overrides, spec.n_timesteps, is_atari(env_spec)
    )
    for env_kwargs in (config.environment.env_kwargs, config.environment.eval_env_kwargs):
        check_env(env_spec, env_kwargs)
    stats_path = None
    if spec.trained_agent:
        check_trained_agent(spec.trained_agent)
        stats_path = saved_statistics(spec.trained_agent, env_name(spec.env))
    return config, EnvFactory(env_spec, config.environment, spec.vec_env, stats_path)


def _set_threads(spec: RunSpec) -> None:
    if spec.num_threads > 0:
        th.set_num_threads(spec.num_threads)
    if spec.device != "auto":
        try:
            th.device(spec.device)
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            raise ValueError(f"unknown device {spec.device!r}: {reason}") from error


def make_env(spec: RunSpec, factory: EnvFactory, folder: RunFolder | None = None) -> VecEnv:
    """The training environment.

    :param spec: the run
    :param factory: from its settings
    :param folder: where ``<worker>.monitor.csv`` go, nowhere by default
    """
    return factory.training(spec.seed, None if folder is None else folder.path)


def make_model(spec: RunSpec, config: Config, env: VecEnv) -> BaseAlgorithm:
    """The model, new or continued.

    :param spec: the run
    :param config: its settings
    :param env: training environment
    :raises ValueError: if the algorithm, the environment and the settings do not fit
    """
    tensorboard_log = str(Path(spec.tensorboard_log) / env_name(spec.env))
    common: dict[str, Any] = {
        "seed": spec.seed,
        "device": spec.device,
        "verbose": 1 if spec.verbose >= 2 else 0,
        "tensorboard_log": tensorboard_log if spec.tensorboard_log else None,
    }
    if spec.trained_agent:
        return load_model(config, env, spec.env, spec.trained_agent, **common)
    return new_model(config, env, spec.env, **common)


def _learn(ready: Run) -> None:
    kwargs: dict[str, Any] = {}
    if ready.spec.log_interval != -1:  # RL Zoo's convention: below -1 nothing is logged
        kwargs["log_interval"] = max(ready.spec.log_interval, 0) or None
    ready.model.learn(ready.config.n_timesteps, callback=ready.callbacks, **kwargs)


def _finish(ready: Run, error: BaseException | None) -> RunResult:
    seconds = time.time() - ready.started
    model, folder = ready.model, ready.folder
    outcome = judge(model, error, ready.spec.vec_env, ready.config.n_timesteps)
    monitor = find_monitor(ready.callbacks)
    assert monitor is not None
    try:
        monitor.close(error)
        _save(ready)
    except Exception as problem:
        if not outcome.failed:
            outcome = Outcome("failed", f"the run cannot be saved: {problem}")
    _close_environments(ready)
    facts = _facts(ready, outcome, seconds, monitor.verdict)
    with suppress(OSError):
        folder.write_run(facts)
    report = _report(ready, monitor, facts) if ready.spec.report else None
    if ready.tracker is not None:
        ready.tracker.finish(exit_code=int(outcome.failed))
    return RunResult(outcome, folder.path, model.num_timesteps, seconds, monitor.verdict, report)


def _save(ready: Run) -> None:
    model, folder = ready.model, ready.folder
    model.save(folder.model)
    normalizer = model.get_vec_normalize_env()
    if normalizer is not None:
        normalizer.save(str(folder.vecnormalize))
    if ready.spec.save_replay_buffer and hasattr(model, "save_replay_buffer"):
        model.save_replay_buffer(str(folder.replay_buffer))


def _close_environments(ready: Run) -> None:
    environments = [ready.model.get_env()]
    for callback in ready.callbacks:
        environments += [getattr(callback, "eval_env", None), getattr(callback, "canary_env", None)]
    for env in environments:
        if env is not None:
            with suppress(Exception):  # a worker that died closes with an error
                env.close()


def _report(ready: Run, monitor: Any, facts: dict[str, Any]) -> Path | None:
    from sb3_ac_ext.report import write_report

    try:
        return write_report(ready.folder.report, monitor.history, monitor.verdict, facts)
    except Exception as error:
        print(f"the report cannot be written: {error}", file=sys.stderr)
        return None


def _facts(
    ready: Run, outcome: Outcome, seconds: float | None = None, verdict: Verdict | None = None
) -> dict[str, Any]:
    """What ``run.json`` holds."""
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
        "traceback": outcome.traceback,
    }


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")


def _first_line(ready: Run) -> str:
    config = ready.config
    if config.entry == "default":
        note = f" (no settings for it in {Path(config.source).name}: its 'default')"
    else:
        note = ""
    return (
        f"{config.algo} on {ready.spec.env}{note}: {config.n_timesteps:,} steps, "
        f"{config.environment.n_envs} worker(s), seed {ready.spec.seed}, {ready.model.device}; "
        f"{ready.folder.path}"
    )
