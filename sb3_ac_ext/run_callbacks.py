"""The callbacks of a run: those of the settings, the monitor, checkpoints and evaluation."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback, CheckpointCallback

from sb3_ac_ext.callbacks import EntCoefScheduleCallback
from sb3_ac_ext.checkpoints.callback import BundleCallback
from sb3_ac_ext.config import Config
from sb3_ac_ext.environments import EnvFactory, is_atari
from sb3_ac_ext.evaluation.callback import EVAL_SEED, UnitEvalCallback
from sb3_ac_ext.monitoring.callback import DiagnosticsCallback
from sb3_ac_ext.monitoring.sinks import Sink
from sb3_ac_ext.run_folder import RunFolder
from sb3_ac_ext.run_spec import RunSpec

_CANARY_WORKERS = 10
_CANARY_SEED = 20_000  # the canary reseeds its environment; this only seeds the action spaces


def make_callbacks(
    spec: RunSpec, config: Config, factory: EnvFactory, folder: RunFolder
) -> list[BaseCallback]:
    """Those of the settings first and evaluation last, as in RL Zoo; the monitor in between, and
    bundles, which keep the state of all of them, at the very end.

    A ``DiagnosticsCallback`` among those of the settings is the run's monitor; else one is added.

    :param spec: the run
    :param config: its settings
    :param factory: makes evaluation environments
    :param folder: where files go
    :raises ValueError: if a callback of the settings refuses its keywords
    """
    callbacks: list[BaseCallback] = []
    if config.ent_coef_schedule is not None:
        callbacks.append(EntCoefScheduleCallback(config.ent_coef_schedule))
    monitor_kwargs = _monitor_kwargs(spec, config, factory, folder)
    for component in config.callbacks:
        is_monitor = component.target is DiagnosticsCallback
        callbacks.append(component.build(**(monitor_kwargs if is_monitor else {})))
    if find_monitor(callbacks) is None:
        callbacks.append(DiagnosticsCallback(**monitor_kwargs))
    return [
        *callbacks,
        *_checkpoints(spec, config, folder),
        *_evaluation(spec, factory, folder),
        *_bundles(spec, folder),
    ]


def find_monitor(callbacks: list[BaseCallback]) -> DiagnosticsCallback | None:
    """The first monitor among some callbacks.

    :param callbacks: of a run
    """
    return next((c for c in callbacks if isinstance(c, DiagnosticsCallback)), None)


def find_keeper(callbacks: list[BaseCallback]) -> BundleCallback | None:
    """What keeps the run's bundles.

    :param callbacks: of a run
    """
    return next((c for c in callbacks if isinstance(c, BundleCallback)), None)


def _bundles(spec: RunSpec, folder: RunFolder) -> list[BaseCallback]:
    if spec.bundle_freq == 0:
        return []
    every = {} if spec.bundle_freq is None else {"every": spec.bundle_freq}
    return [BundleCallback(folder.bundles, stop_at=spec.stop_at, **every)]


def _monitor_kwargs(
    spec: RunSpec, config: Config, factory: EnvFactory, folder: RunFolder
) -> Mapping[str, Any]:
    canary_freq = None if spec.canary_freq is None else max(spec.canary_freq, 0)
    canary_env = None
    if canary_freq != 0:
        n_envs = min(spec.canary_episodes, _CANARY_WORKERS)
        canary_env = factory.in_process().evaluation(n_envs, _CANARY_SEED)
    return {
        "canary_freq": canary_freq,
        "canary_episodes": spec.canary_episodes,
        "canary_env": canary_env,
        "log_dir": folder.path,
        "webhook": spec.webhook,
        "sinks": _console(spec, config.n_timesteps),
        "report": False,  # written at the very end, with how the run ended
        "verbose": spec.verbose,
    }


def _console(spec: RunSpec, n_timesteps: int) -> list[Sink]:
    """Live in a terminal or when asked for, plain lines elsewhere, nothing at verbose 0."""
    from sb3_ac_ext.monitoring.sinks.console import PlainConsole
    from sb3_ac_ext.monitoring.sinks.live import LiveConsole

    if spec.progress or (spec.verbose >= 1 and sys.stdout.isatty()):
        return [LiveConsole(n_timesteps, force=spec.progress)]
    return [PlainConsole()] if spec.verbose >= 1 else []


def _checkpoints(spec: RunSpec, config: Config, folder: RunFolder) -> list[BaseCallback]:
    if spec.save_freq <= 0:
        return []
    # SB3 counts calls, one per step of all workers
    calls = max(spec.save_freq // config.environment.n_envs, 1)
    return [
        CheckpointCallback(calls, str(folder.path), name_prefix="rl_model", save_vecnormalize=True)
    ]


def _evaluation(spec: RunSpec, factory: EnvFactory, folder: RunFolder) -> list[BaseCallback]:
    if spec.eval_freq <= 0:
        return []
    return [
        UnitEvalCallback(
            factory.evaluation(spec.n_eval_envs, EVAL_SEED),
            n_eval_episodes=spec.eval_episodes,
            eval_freq=max(spec.eval_freq // factory.config.n_envs, 1),
            log_path=str(folder.path),
            best_model_save_path=str(folder.path),
            deterministic=not is_stochastic_by_convention(factory),
            verbose=1 if spec.verbose >= 2 else 0,
        )
    ]


def is_stochastic_by_convention(factory: EnvFactory) -> bool:
    """Atari games and MiniGrid are evaluated with sampled actions, as RL Zoo does.

    :param factory: of the environment
    """
    return is_atari(factory.spec) or "minigrid" in str(factory.spec.entry_point)
