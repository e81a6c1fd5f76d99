"""One training run from settings to report; what is left behind is complete however it ends."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.utils import set_random_seed
from stable_baselines3.common.vec_env import VecEnv

from sb3_ac_ext.checkpoints.rows import buffer_bytes
from sb3_ac_ext.config import Config, load_config
from sb3_ac_ext.environments import EnvFactory, check_env, find_env, is_atari
from sb3_ac_ext.models import check_trained_agent, load_model, new_model, saved_statistics
from sb3_ac_ext.outcome import Outcome
from sb3_ac_ext.preemption import preemptible
from sb3_ac_ext.quiet import muted_stderr, quiet, say, uninterrupted
from sb3_ac_ext.run_callbacks import find_keeper, make_callbacks
from sb3_ac_ext.run_ending import Run, RunResult, facts, finish
from sb3_ac_ext.run_folder import RunFolder, create_run_folder, env_name
from sb3_ac_ext.run_spec import RunSpec

_MOST_BUNDLED = 4 * 2**30

__all__ = ["RunResult", "RunSpec", "make_callbacks", "make_env", "make_model", "prepare", "run"]


def run(spec: RunSpec) -> RunResult:
    """Train as asked, watch, save, report.

    :param spec: what to do
    :return: how it ended; an error inside training is a result, with what was seen up to it
    :raises ValueError: for settings that cannot be, before anything is trained or left behind
    """
    spec = spec.seeded()
    return carry_out(spec, partial(prepare, spec))


def carry_out(spec: RunSpec, prepared: Callable[[], Run]) -> RunResult:
    """From settings to the last file.

    :param spec: what to do
    :param prepared: makes everything ready
    """
    with quiet(spec.verbose):
        # workers would stay muted, and wandb tells on stderr where it puts the run
        mute = spec.verbose < 2 and spec.vec_env == "dummy" and not spec.track
        with muted_stderr(mute):
            ready = prepared()
        error: BaseException | None = None
        try:
            with preemptible(find_keeper(ready.callbacks)):
                _learn(ready)
        except (Exception, KeyboardInterrupt) as caught:
            error = caught
        with uninterrupted():
            return finish(ready, error)


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
        spec = _without_huge_bundles(spec, model)
        callbacks = make_callbacks(spec, config, factory, folder)
        _make_tensorboard_folder(spec)
        folder.write_settings(spec.to_dict(), config.raw)
        ready = Run(spec, config, folder, factory, model, callbacks, tracker)
        folder.write_run(facts(ready, Outcome("running")))
    except BaseException as error:
        factory.close()
        folder.remove()
        if tracker is not None:
            tracker.finish(exit_code=1)
        if isinstance(error, (ValueError, OSError)) or not isinstance(error, Exception):
            raise
        raise ValueError(f"the run cannot be set up: {type(error).__name__}: {error}") from error
    if spec.verbose >= 1:
        say(_first_line(ready))
    return ready


def _without_huge_bundles(spec: RunSpec, model: BaseAlgorithm) -> RunSpec:
    """Nobody who has not asked for bundles expects gigabytes of images on disk."""
    size = buffer_bytes(getattr(model, "replay_buffer", None))
    if spec.bundle_freq is not None or spec.stop_at is not None or size <= _MOST_BUNDLED:
        return spec
    if spec.verbose >= 1:
        say(
            f"no bundles, since the replay buffer takes {size / 2**30:.1f} GiB: "
            "--bundle-freq 1000 keeps them all the same"
        )
    return replace(spec, bundle_freq=0)


def _read(spec: RunSpec) -> tuple[Config, EnvFactory]:
    """Check all that can be checked without leaving a trace."""
    set_threads(spec)
    env_spec = find_env(spec.env, spec.gym_packages)
    overrides = dict(spec.hyperparams)
    if spec.env_kwargs is not None:
        overrides["env_kwargs"] = dict(spec.env_kwargs)
    if spec.eval_env_kwargs is not None:
        overrides["eval_env_kwargs"] = dict(spec.eval_env_kwargs)
    config = load_config(
        spec.algo, env_spec.id, spec.conf_file, overrides, spec.n_timesteps, is_atari(env_spec)
    )
    check_env(env_spec, config.environment.env_kwargs)
    if config.environment.eval_env_kwargs != config.environment.env_kwargs:
        check_env(env_spec, config.environment.eval_env_kwargs)
    if spec.trained_agent:
        check_trained_agent(spec.trained_agent)
    return config, make_factory(spec, config)


def make_factory(spec: RunSpec, config: Config, going_on: bool = False) -> EnvFactory:
    """
    :param spec: the run
    :param config: its settings
    :param going_on: whether its files are there already
    """
    stats_path = None
    if spec.trained_agent:
        stats_path = saved_statistics(spec.trained_agent, env_name(spec.env))
    safety: dict[str, Any] = {}
    if spec.vec_env == "subproc":
        safety = {"max_restarts": spec.max_restarts, "step_timeout": spec.step_timeout}
    return EnvFactory(
        find_env(spec.env, spec.gym_packages),
        config.environment,
        spec.vec_env,
        stats_path,
        safety,
        resumable=spec.bundle_freq != 0,
        going_on=going_on,
    )


def set_threads(spec: RunSpec) -> None:
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
    tensorboard_log = str(tensorboard_folder(spec))
    common: dict[str, Any] = {
        "seed": spec.seed,
        "device": spec.device,
        "verbose": 1 if spec.verbose >= 2 else 0,
        "tensorboard_log": tensorboard_log if spec.tensorboard_log else None,
    }
    if spec.trained_agent:
        return load_model(config, env, spec.env, spec.trained_agent, **common)
    return new_model(config, env, spec.env, **common)


def tensorboard_folder(spec: RunSpec) -> Path:
    """Where SB3 makes a folder for each run.

    :param spec: the run
    """
    return Path(spec.tensorboard_log) / env_name(spec.env)


def _make_tensorboard_folder(spec: RunSpec) -> None:
    """SB3 would make it only when training begins."""
    if not spec.tensorboard_log:
        return
    folder = tensorboard_folder(spec)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError("Permission denied")
    except OSError as error:
        raise ValueError(
            f"TensorBoard folder {spec.tensorboard_log!r} cannot be written: "
            f"{error.strerror or error}"
        ) from error


def _learn(ready: Run) -> None:
    kwargs: dict[str, Any] = {}
    if ready.spec.log_interval != -1:  # RL Zoo's convention: below -1 nothing is logged
        kwargs["log_interval"] = max(ready.spec.log_interval, 0) or None
    done = ready.model.num_timesteps if ready.resumed else 0
    ready.model.learn(
        ready.config.n_timesteps - done,
        callback=ready.callbacks,
        reset_num_timesteps=not ready.resumed,
        **kwargs,
    )


def _first_line(ready: Run) -> str:
    config, n_envs = ready.config, ready.config.environment.n_envs
    note = ""
    if config.entry == "default":
        note = f" (not in {Path(config.source).name}: its 'default' is used)"
    return (
        f"{config.algo} on {ready.spec.env}{note}: {config.n_timesteps:,} steps, "
        f"{n_envs} worker{'' if n_envs == 1 else 's'}, seed {ready.spec.seed}, "
        f"{ready.model.device}; {ready.folder.path}"
    )
