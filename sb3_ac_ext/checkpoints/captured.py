"""One checkpoint of a run, taken at once and independent of it from then on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch as th
from stable_baselines3.common.callbacks import BaseCallback

from sb3_ac_ext.checkpoints.rows import RowCounter
from sb3_ac_ext.checkpoints.score import Score
from sb3_ac_ext.checkpoints.settings import facts
from sb3_ac_ext.checkpoints.state import capture
from sb3_ac_ext.checkpoints.workers import inexact
from sb3_ac_ext.checkpoints.writer import Captured


def captured(
    model: Any,
    callbacks: Sequence[BaseCallback],
    settings: Mapping[str, Any],
    rows: RowCounter | None,
    score: Score | None = None,
) -> Captured:
    """
    :param model: between two rollouts
    :param callbacks: of its ``learn()``
    :param settings: its :func:`~sb3_ac_ext.checkpoints.settings.hyperparameters` at the beginning
    :param rows: counts those of its replay buffer, where it has one
    :param score: how good its policy is, where that was found since the last checkpoint
    :return: what a :class:`~sb3_ac_ext.checkpoints.writer.Writer` takes
    """
    state = capture(model, callbacks)
    reasons = inexact(next(_workers(state["env"]), None))
    described = {
        **facts(model, settings),
        "logger_dir": model.logger.dir,
        "exact": not reasons,
        "reasons": reasons,
        "score": None if score is None else score.value,
        "good": _finite(model) and Score.nothing_critical(callbacks),
    }
    segment = None if rows is None else rows.new(model.num_timesteps)
    return Captured(described, state, segment, -1 if rows is None else rows.oldest)


def _workers(node: Any) -> Iterator[Any]:
    """The workers' states inside the nodes of wrappers."""
    while isinstance(node, dict):
        if "vec_env" in node:
            yield node["vec_env"]
            return
        node = node.get("object", {}).get("venv")


def _finite(model: Any) -> bool:
    return all(bool(th.isfinite(weight).all()) for weight in model.policy.parameters())
