"""Tables and figures of a run: what it was, what it ran on, how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Verdict
from sb3_ac_ext.monitoring.vocabulary import metric
from sb3_ac_ext.report.text import duration, number, percent, words
from sb3_ac_ext.report.verdict import finding_counts

Rows = list[tuple[str, str]]

_INFO = {
    "algo": "Algorithm",
    "family": "Family",
    "env_id": "Environment",
    "n_envs": "Workers",
    "seed": "Seed",
    "total_timesteps": "Planned steps",
    "gamma": "Discount factor",
    "action_kind": "Action space",
    "n_actions": "Actions",
    "max_episode_steps": "Episode limit",
    "reward_threshold": "Solved at return",
    "source": "Read from",
}
_ELSEWHERE = ("versions", "error", "traceback", "hyperparameters", "verdict", "findings", "steps")
_SAME = {
    "algo": "algo",
    "env": "env_id",
    "seed": "seed",
    "n_envs": "n_envs",
    "n_timesteps": "total_timesteps",
}
"""Keys of ``run.json`` -> the facts of the history that say the same."""

_SECONDS = ("wall_time", "wall_seconds", "seconds", "duration", "wall_time_s", "elapsed")


@dataclass(frozen=True)
class SeriesRow:
    """The numbers of one series, for readers who cannot or need not see the plots."""

    name: str
    title: str
    unit: str
    points: str
    first: str
    last: str
    lowest: str
    highest: str


def title(history: History) -> str:
    info = history.info
    return (
        f"{info.algo or 'Training run'} on {info.env_id}"
        if info.env_id
        else (info.algo or "Training run")
    )


def subtitle(history: History) -> str:
    info = history.info
    workers = f"{info.n_envs} worker{'' if info.n_envs == 1 else 's'}" if info.n_envs else ""
    seed = f"seed {info.seed}" if info.seed is not None else ""
    read = "" if info.source == "callback" else f"read from {info.source}"
    return " · ".join(part for part in (workers, seed, read) if part)


def headline_figures(history: History, verdict: Verdict, run: Mapping[str, Any]) -> Rows:
    """The handful of numbers that a reader asks for first; only those that are known."""
    total = history.info.total_timesteps
    of = f" of {total:,}" if total else ""
    rows = [("Steps", f"{history.step:,}{of}")]
    for label, mean, std in (
        ("Training return", "episodes/return_mean", "episodes/return_std"),
        ("Canary return", "canary/return_mean", "canary/return_std"),
    ):
        if history.has(mean):
            spread = history.series(std, last=1)
            text = number(history.series(mean, last=1).values[-1])
            rows.append((label, f"{text} ± {number(spread.values[-1])}" if spread else text))
    rows.append(("Findings", finding_counts(verdict.findings)))
    seconds = _wall_seconds(history, run)
    if seconds is not None:
        rows.append(("Wall time", duration(seconds)))
    if run.get("outcome"):
        rows.append(("Outcome", str(run["outcome"])))
    return rows


def event_rows(history: History) -> Rows:
    """What actions did to the run, each with its moment and the finding that called for it."""
    return [
        (
            f"Step {event.step:,}: {words(event.action)}{' failed' * event.failed}",
            f"{event.text} (for {event.finding})",
        )
        for event in history.events
    ]


def run_rows(history: History, run: Mapping[str, Any]) -> Rows:
    """What the history knows of its run, then what ``run.json`` adds."""
    info = history.info
    rows = [
        (label, _text(value))
        for name, label in _INFO.items()
        if (value := getattr(info, name)) is not None
    ]
    rows.append(("Snapshots", f"{len(history):,}"))
    rows.append(("Last step", f"{history.step:,}"))
    if history.progress is not None:
        rows.append(("Budget spent", percent(history.progress)))
    for key, value in run.items():
        told = key in _SAME and getattr(info, _SAME[key]) is not None
        if value is not None and not told and key not in _ELSEWHERE:
            rows += _flat(key, value)
    return rows


def hyperparameter_rows(history: History, run: Mapping[str, Any]) -> Rows:
    given = run.get("hyperparameters")
    merged = {**(given if isinstance(given, Mapping) else {}), **history.info.hyperparameters}
    return [(str(name), _text(merged[name])) for name in sorted(merged, key=str)]


def version_rows(history: History, run: Mapping[str, Any]) -> Rows:
    given = run.get("versions")
    merged = {**history.info.versions, **(given if isinstance(given, Mapping) else {})}
    return [(str(name), _text(merged[name])) for name in sorted(merged, key=str)]


def failure(run: Mapping[str, Any]) -> tuple[str, str]:
    """What ended the run before its time, and where; both empty when nothing did."""
    return str(run.get("error") or ""), str(run.get("traceback") or "")


def series_rows(history: History) -> list[SeriesRow]:
    rows = []
    for name in history.names:
        series = history.series(name)
        if not series:
            continue
        finite = series.finite().values
        about = metric(name)
        rows.append(
            SeriesRow(
                name=name,
                title=about.title if about.title != name else "",
                unit=about.unit,
                points=f"{len(series):,}",
                first=number(series.values[0]),
                last=number(series.values[-1]),
                lowest=number(np.min(finite)) if len(finite) else "—",
                highest=number(np.max(finite)) if len(finite) else "—",
            )
        )
    return rows


def _wall_seconds(history: History, run: Mapping[str, Any]) -> float | None:
    for key in _SECONDS:
        value = run.get(key)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
    return history.last.seconds if history.last else None


def _flat(key: str, value: Any) -> Rows:
    label = key.replace("_", " ").capitalize()
    if isinstance(value, Mapping):
        return [(f"{label}: {name}", _text(part)) for name, part in value.items()]
    if isinstance(value, list) and all(isinstance(part, Mapping) for part in value):
        return [(label, _text(part.get("message"))) for part in value]
    if key in _SECONDS and isinstance(value, (int, float)):
        return [("Wall time", duration(float(value)))]
    return [(label, _text(value))]


def _text(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value)) if all(isinstance(v, str) for v in value) else str(value)
    return str(value)
