"""A run that was interrupted goes on in its folder, as if it had not been."""

from __future__ import annotations

import warnings
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from stable_baselines3.common.logger import configure
from stable_baselines3.common.utils import set_random_seed

from sb3_ac_ext.checkpoints.bundle import Bundle
from sb3_ac_ext.checkpoints.codec import decode
from sb3_ac_ext.checkpoints.resume import find_bundle, resume
from sb3_ac_ext.config import Config
from sb3_ac_ext.config import configure as configured
from sb3_ac_ext.experiment import (
    carry_out,
    make_callbacks,
    make_env,
    make_factory,
    make_model,
    set_threads,
)
from sb3_ac_ext.monitoring.sources.zoo import read_yaml
from sb3_ac_ext.outcome import Outcome
from sb3_ac_ext.quiet import say
from sb3_ac_ext.run_callbacks import find_monitor
from sb3_ac_ext.run_ending import Run, RunResult, facts
from sb3_ac_ext.run_folder import RunFolder, open_run_folder
from sb3_ac_ext.run_records import cut_records, going_on_at
from sb3_ac_ext.run_spec import RunSpec

SCHEDULES = ("keep", "extend")


def continue_run(
    path: str | Path,
    n_timesteps: int = -1,
    stop_at: int | None = None,
    schedules: str | None = None,
    **changes: Any,
) -> RunResult:
    """Go on with the run of a folder, from its newest complete bundle.

    :param path: run folder
    :param n_timesteps: a new budget in environment steps; that of the run if not positive
    :param stop_at: pause again after this many environment steps
    :param schedules: what a larger budget means for settings that change with progress: ``keep``
        leaves them where they are at the end of the old one, ``extend`` stretches them
    :param changes: other fields of the :class:`~sb3_ac_ext.run_spec.RunSpec` that change nothing
        about training, such as ``verbose``
    :raises ValueError: if there is nothing to go on from, or nothing to do
    """
    folder = open_run_folder(Path(path))
    spec = _spec(folder)
    with warnings.catch_warnings(record=True) as problems:
        warnings.simplefilter("always")
        bundle = find_bundle(folder.bundles)
    for problem in problems:
        say(f"warning: {problem.message}")
    spec = _budgeted(spec, _config(folder, spec), bundle, n_timesteps, schedules)
    # a tracker's run has ended with the process that began it
    now = replace(spec, stop_at=stop_at, track=False, **changes)
    return carry_out(now, partial(_prepare, now, folder, bundle, remembered=spec))


def _spec(folder: RunFolder) -> RunSpec:
    names = {field.name for field in fields(RunSpec)}
    values = {k: v for k, v in read_yaml(folder.params / "args.yml").items() if k in names}
    lists = ("gym_packages", "wandb_tags")
    made: dict[str, Any] = {k: tuple(v) if k in lists else v for k, v in values.items()}
    return RunSpec(**made)


def _config(folder: RunFolder, spec: RunSpec) -> Config:
    path = folder.params / "config.yml"
    return configured(spec.algo, read_yaml(path), str(path), spec.env, spec.n_timesteps)


def _budgeted(
    spec: RunSpec, config: Config, bundle: Bundle, n_timesteps: int, schedules: str | None
) -> RunSpec:
    """
    :raises ValueError: where nothing is left to do, or it is not clear what is meant
    """
    total = n_timesteps if n_timesteps > 0 else config.n_timesteps
    if bundle.steps >= total:
        raise ValueError(
            f"the run has done {bundle.steps:,} of {total:,} steps: "
            "a larger n_timesteps (-n) lets it go on"
        )
    changing = _changing(bundle, config)
    if total != config.n_timesteps and changing and schedules is None:
        raise ValueError(
            f"{changing} follows the budget, which was {config.n_timesteps:,} steps: say "
            "schedules='extend' (--schedules extend) to stretch it to the new one, or 'keep' to "
            "leave it where the old one ended"
        )
    if total == config.n_timesteps:
        return spec
    kept = spec.schedule_timesteps or config.n_timesteps
    return replace(
        spec, n_timesteps=total, schedule_timesteps=kept if schedules == "keep" else None
    )


def _changing(bundle: Bundle, config: Config) -> str | None:
    """A setting that is not the same throughout the run."""
    settings = bundle.manifest["summary"]["hyperparameters"]
    varying = (n for n, v in settings.items() if isinstance(v, list) and len(set(v)) > 1)
    if config.ent_coef_schedule is not None:
        return "ent_coef"
    if "exploration_fraction" in settings:
        return "the exploration rate"
    return next(varying, None)


def _prepare(spec: RunSpec, folder: RunFolder, bundle: Bundle, remembered: RunSpec) -> Run:
    """Everything as it was built at first, and then as it was when the bundle was taken.

    :param remembered: what the folder keeps for the next time
    """
    config = _config(folder, spec)
    set_threads(spec)
    set_random_seed(spec.seed)
    factory = make_factory(spec, config, going_on=True)
    try:
        env = make_env(spec, factory, folder)
        model = make_model(spec, config, env)
        callbacks = make_callbacks(spec, config, factory, folder)
        monitor = find_monitor(callbacks)
        assert monitor is not None
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            resume(bundle.path, model, callbacks)
        for line in told:
            say(f"warning: {line.message}")
        if spec.schedule_timesteps is not None:
            _keep_schedules(model, spec.schedule_timesteps)
        tree, arrays = bundle.state()
        history = cut_records(folder.path, going_on_at(decode(tree, arrays), bundle.steps))
        if history is not None:
            monitor.continue_from(history)
        _continue_curves(spec, model, bundle)
        folder.write_args(remembered.to_dict())
        ready = Run(spec, config, folder, factory, model, callbacks, resumed=True)
        folder.write_run(facts(ready, Outcome("running")))
    except BaseException:
        factory.close()
        raise
    if spec.verbose >= 1:
        say(
            f"{config.algo} on {spec.env} goes on at step {model.num_timesteps:,} of "
            f"{config.n_timesteps:,}; {folder.path}"
        )
    return ready


def _keep_schedules(model: Any, total: int) -> None:
    """Progress ends with the old budget, however many steps follow.

    A class of the same name, since whatever is put on the model itself is saved with it.
    """
    cls = type(model)

    def bounded(self: Any, num_timesteps: int, total_timesteps: int) -> None:
        cls._update_current_progress_remaining(self, min(num_timesteps, total), total)

    names = {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
    methods = {"_update_current_progress_remaining": bounded}
    model.__class__ = type(cls.__name__, (cls,), {**names, **methods})


def _continue_curves(spec: RunSpec, model: Any, bundle: Bundle) -> None:
    """In the same TensorBoard folder, without what was drawn after the bundle."""
    where = bundle.manifest.get("logger_dir")
    if not spec.tensorboard_log or not where or not Path(where).is_dir():
        return
    from torch.utils.tensorboard import SummaryWriter

    SummaryWriter(where, purge_step=bundle.steps + 1).close()
    formats = ["stdout", "tensorboard"] if spec.verbose >= 2 else ["tensorboard"]
    model.set_logger(configure(where, formats))
