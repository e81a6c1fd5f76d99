"""Save a unit so that whatever interrupts it, the old one or the new one is there, complete.

Model, normaliser and record are written aside first. Then the record takes its place: from that
moment on the new unit is the valid one, and its files are found by their hashes, under whichever
of the two names. Last, model and normaliser take their places, too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_ac_ext.evaluation.episodes import Episode
from sb3_ac_ext.evaluation.opening import read_unit
from sb3_ac_ext.evaluation.statistics import mean_estimate
from sb3_ac_ext.evaluation.unit import Unit, UnitPaths, aside, sha256
from sb3_ac_ext.lookup import dotted_name
from sb3_ac_ext.monitoring.describe import environment_facts, versions
from sb3_ac_ext.quiet import uninterrupted


def save_unit(model: BaseAlgorithm, unit: Unit, folder: str | Path) -> Unit:
    """Replace the unit of a folder by the present model, its normaliser and its evaluation.

    :param model: as it was evaluated
    :param unit: what is known of the evaluation, see :func:`describe`
    :param folder: of the run
    :return: the unit with the hashes of its files
    """
    paths = UnitPaths(Path(folder))
    complete(folder)
    written = [paths.model]
    model.save(aside(paths.model))
    normaliser = model.get_vec_normalize_env()
    if normaliser is not None:
        normaliser.save(str(aside(paths.vecnormalize)))
        written.append(paths.vecnormalize)
    unit = replace(unit, files={path.name: sha256(aside(path)) for path in written})
    aside(paths.record).write_text(unit.to_json(), encoding="utf-8")
    for path in (*written, paths.record):
        _flush(aside(path))
    with uninterrupted():
        for path in (paths.record, *written):
            aside(path).replace(path)
        if normaliser is None:
            paths.vecnormalize.unlink(missing_ok=True)
        _flush(paths.folder)
    return unit


def complete(folder: str | Path) -> None:
    """Give the files of a unit their names, where a crash came before that.

    :param folder: of the run
    """
    with suppress(ValueError):  # a mixture is nothing that could be completed
        found = read_unit(folder)
        paths = UnitPaths(Path(folder))
        if found is None:
            return
        for present, name in ((found.model, paths.model), (found.vecnormalize, paths.vecnormalize)):
            if present is not None and present != name:
                present.replace(name)


def describe(
    model: BaseAlgorithm,
    episodes: list[Episode],
    deterministic: bool,
    n_envs: int,
    evaluation: int,
) -> Unit:
    """What is known of an evaluation before its files are written.

    :param model: that was evaluated
    :param episodes: that it played, at least one
    :param deterministic: whether it took the greedy action
    :param n_envs: how many workers played side by side
    :param evaluation: the how manieth of its training it is
    """
    return Unit(
        files={},
        algorithm=dotted_name(type(model)),
        env=environment_facts(model)[0],
        num_timesteps=model.num_timesteps,
        deterministic=deterministic,
        seeds=tuple(dict.fromkeys(episode.seed for episode in episodes)),
        n_envs=n_envs,
        episodes=tuple(map(as_record, episodes)),
        mean=mean_estimate([episode.total_reward for episode in episodes]),
        evaluation=evaluation,
        versions=versions(),
        saved=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def as_record(episode: Episode) -> Mapping[str, Any]:
    """
    :param episode: one of an evaluation
    """
    record = asdict(episode)
    return {"seed": record.pop("seed"), "return": record.pop("total_reward"), **record}


def _flush(path: Path) -> None:
    """Have the disk hold it, so that a loss of power does not reorder what was replaced."""
    with suppress(OSError):  # a folder cannot be opened everywhere
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
