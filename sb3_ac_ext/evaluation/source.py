"""What is to be evaluated: a model, the normaliser that belongs to it, and its environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sb3_ac_ext.config.environment import EnvironmentConfig, pop_environment
from sb3_ac_ext.evaluation.opening import OpenUnit, read_unit
from sb3_ac_ext.evaluation.unit import UnitPaths
from sb3_ac_ext.monitoring.sources.zoo import read_yaml

_GAMMA = 0.99  # VecNormalize needs one, for rewards, which an evaluation leaves alone
NO_SETTINGS = pop_environment({}, _GAMMA)
"""Of a model by itself: one bare environment."""


@dataclass(frozen=True)
class RunSettings:
    """A run folder's memory of its environment.

    :param folder: of the run
    :param name: of the environment, as a file name
    :param args: the flags of the training command
    :param environment: wrappers, normalisation and arguments
    """

    folder: Path
    name: str
    args: Mapping[str, Any]
    environment: EnvironmentConfig


@dataclass(frozen=True)
class Source:
    """
    :param model: the file
    :param title: which model it is, in words
    :param run: the run around it, ``None`` for a model by itself
    :param vecnormalize: its normaliser's statistics, ``None`` for none
    :param unit: the record of the evaluation that chose it, ``None`` without one
    """

    model: Path
    title: str
    run: RunSettings | None
    vecnormalize: Path | None
    unit: OpenUnit | None = None


def find_source(path: Path, which: str = "best") -> Source:
    """
    :param path: run folder, or a model's ``.zip``
    :param which: ``best``, ``last`` or the step of a checkpoint; of a run folder only
    :raises ValueError: if there is no such model, if its files do not belong together, or if its
        run was normalised and the statistics are missing
    """
    if not path.exists():
        raise ValueError(f"{str(path)!r} does not exist")
    run = read_run(path) if path.is_dir() else _run_around(path)
    if path.is_dir():
        model = _model_of(path, run, which)
    elif path.suffix == ".zip":
        model = path
    else:
        raise ValueError(f"{str(path)!r} is neither a run folder nor a model's .zip")
    unit = read_unit(model.parent) if model.name == UnitPaths(model.parent).model.name else None
    if unit is not None:
        return Source(unit.model, "best model", run, _normaliser(unit, run), unit)
    if not model.is_file():
        raise ValueError(f"{str(model)!r} does not exist{_present(model.parent, run)}")
    title = "last model" if run is not None and model.stem == run.name else model.name
    return Source(model, title, run, _statistics(model, run))


def read_run(folder: Path) -> RunSettings | None:
    """
    :param folder: perhaps of a run, ours or RL Zoo's
    :return: ``None`` where no ``<env>/args.yml`` lies in it
    :raises ValueError: if its files cannot be read
    """
    found = sorted(folder.glob("*/args.yml"))
    if not found:
        return None
    args = read_yaml(found[0])
    config = read_yaml(found[0].with_name("config.yml"))
    for key in ("env_kwargs", "eval_env_kwargs"):
        if args.get(key):  # RL Zoo leaves the command line's out of its config.yml
            config[key] = args[key]
    return RunSettings(folder, found[0].parent.name, args, pop_environment(config, _GAMMA))


def _run_around(model: Path) -> RunSettings | None:
    """Checkpoints may lie in a folder of their own."""
    return read_run(model.parent) or read_run(model.absolute().parent.parent)


def _model_of(folder: Path, run: RunSettings | None, which: str) -> Path:
    best = UnitPaths(folder)
    if run is None and not (best.model.is_file() or best.record.is_file()):
        below = next(iter(sorted(folder.glob("*/*/args.yml"))), None)
        below = below or next(iter(sorted(folder.glob("*/*/*/args.yml"))), None)
        hint = "" if below is None else f", did you mean {str(below.parents[1])!r}?"
        raise ValueError(f"{str(folder)!r} is no run folder: no <env>/args.yml lies in it{hint}")
    if which == "best":
        return best.model
    if which == "last":
        if run is None:
            raise ValueError(
                f"{str(folder)!r} does not tell which is its last model: name its .zip"
            )
        return folder / f"{run.name}.zip"
    usual = folder / f"rl_model_{which}_steps.zip"
    others = sorted(folder.rglob(f"*_{which}_steps.zip"))
    return usual if usual.is_file() or not others else others[0]


def _present(folder: Path, run: RunSettings | None) -> str:
    """What could be asked for instead."""
    steps = [re.fullmatch(r".+_(\d+)_steps", model.stem) for model in folder.glob("*.zip")]
    found = []
    if run is not None and (folder / f"{run.name}.zip").is_file():
        found.append("--last")
    if UnitPaths(folder).model.is_file():
        found.append("--best")
    if numbers := sorted(int(match[1]) for match in steps if match):
        found.append(f"--checkpoint {' or '.join(map(str, numbers))}")
    return f"; there are {', '.join(found)}" if found else ""


def _normaliser(unit: OpenUnit, run: RunSettings | None) -> Path | None:
    if unit.vecnormalize is None and run is not None and run.environment.normalize is not None:
        raise ValueError(
            f"best_model.json in {str(run.folder)!r} names no normaliser, "
            "although the run was normalised"
        )
    return unit.vecnormalize


def _statistics(model: Path, run: RunSettings | None) -> Path | None:
    """The normaliser that was saved with a model: that of another step would be silent garbage."""
    own = model.with_name(f"{model.stem}_vecnormalize.pkl")
    if checkpoint := re.fullmatch(r"(.+)_(\d+_steps)", model.stem):
        own = model.with_name(f"{checkpoint[1]}_vecnormalize_{checkpoint[2]}.pkl")
    elif run is not None and model == run.folder / f"{run.name}.zip":
        own = run.folder / run.name / "vecnormalize.pkl"
    if own.is_file():
        return own
    if run is not None and run.environment.normalize is not None:
        raise ValueError(
            f"{str(own)!r} is missing: the run was normalised, and with other statistics "
            f"{model.name} would see other observations than it was trained on"
        )
    return None
