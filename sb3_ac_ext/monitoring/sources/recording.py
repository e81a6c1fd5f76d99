"""What one file tells about a run, and how several of them become one history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import RunInfo, Snapshot
from sb3_ac_ext.monitoring.sources.observed import not_observed


class NoDataError(ValueError):
    """A file that is valid and holds nothing yet, as of a run that was stopped early."""


@dataclass
class Recording:
    """The content of one kind of file, under the names of our vocabulary.

    :param source: what a person calls it, such as ``progress.csv``
    :param values: step -> scalars by name
    :param arrays: step -> arrays by name
    :param seconds: step -> seconds since training began, where the file tells
    :param facts: fields of :class:`RunInfo` that it tells
    :param notes: what was left out or mended while reading
    """

    source: str
    values: dict[int, dict[str, float]] = field(default_factory=dict)
    arrays: dict[int, dict[str, tuple[float, ...]]] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        return {name for row in self.values.values() for name in row}

    def add(self, step: int, values: dict[str, float]) -> None:
        """Values of a step; a later one replaces an earlier one of the same name."""
        self.values.setdefault(step, {}).update(values)


def merge(recordings: Sequence[Recording], facts: dict[str, Any]) -> History:
    """One history from several recordings of the same run, ordered by step.

    Each series comes from one recording only, the first that has it: two estimates of the same
    quantity, such as a mean per bin and a mean over the last 100 episodes, would zigzag.

    :param recordings: the most trustworthy first
    :param facts: fields of :class:`RunInfo` that outrank those of the recordings
    """
    values: dict[int, dict[str, float]] = {}
    arrays: dict[int, dict[str, tuple[float, ...]]] = {}
    taken: set[str] = set()
    for recording in recordings:
        for step, row in recording.values.items():
            fresh = {name: value for name, value in row.items() if name not in taken}
            if fresh:
                values.setdefault(step, {}).update(fresh)
        for step, columns in recording.arrays.items():
            arrays.setdefault(step, {}).update(columns)
        taken |= recording.names
    steps = sorted(values.keys() | arrays.keys())
    history = History(_run_info(recordings, facts, taken))
    for step, seconds in zip(steps, _seconds(steps, recordings), strict=True):
        history.append(Snapshot(step, seconds, values.get(step, {}), arrays.get(step, {})))
    history.notes.extend(note for recording in recordings for note in recording.notes)
    return history


def _seconds(steps: list[int], recordings: Sequence[Recording]) -> list[float]:
    clock = next((recording.seconds for recording in recordings if recording.seconds), {})
    if not clock:
        return [0.0] * len(steps)
    known = sorted(clock)
    return [float(s) for s in np.interp(steps, known, [clock[step] for step in known])]


def _run_info(recordings: Sequence[Recording], facts: dict[str, Any], names: set[str]) -> RunInfo:
    told: dict[str, Any] = {}
    for source in ({}, *(recording.facts for recording in reversed(recordings)), facts):
        told.update({name: value for name, value in source.items() if value is not None})
    told.setdefault("family", _family(names))
    sources = [recording.source for recording in recordings]
    return RunInfo(
        **told,
        source=", ".join(sources),
        not_observed=not_observed(names, sources, told["family"]),
    )


def _family(names: set[str]) -> str | None:
    if "train/actor_loss" in names or "rollout/exploration_rate" in names:
        return "off-policy"
    if "value/explained_variance" in names or "policy/entropy" in names:
        return "on-policy"
    return None
