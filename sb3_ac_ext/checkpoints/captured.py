"""One checkpoint of a run, taken at once and independent of it from then on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback

from sb3_ac_ext.checkpoints.rows import RowCounter
from sb3_ac_ext.checkpoints.score import Score
from sb3_ac_ext.checkpoints.settings import facts
from sb3_ac_ext.checkpoints.state import capture
from sb3_ac_ext.checkpoints.writer import Captured
from sb3_ac_ext.models import weights_are_finite


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
    reasons = state.pop("lost")
    described = {
        **facts(model, settings),
        "logger_dir": model.logger.dir,
        "exact": not reasons,
        "reasons": reasons,
        "score": None if score is None else score.value,
        "good": weights_are_finite(model) and Score.nothing_critical(callbacks),
    }
    segment = None if rows is None else rows.new(model.num_timesteps)
    return Captured(described, state, segment, -1 if rows is None else rows.oldest)
