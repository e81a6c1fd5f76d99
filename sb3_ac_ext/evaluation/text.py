"""An evaluation for people and for programs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sb3_ac_ext.evaluation.saving import as_record
from sb3_ac_ext.evaluation.summary import Summary, estimate_dict

if TYPE_CHECKING:
    from sb3_ac_ext.evaluation.evaluate import Evaluation
    from sb3_ac_ext.evaluation.statistics import Estimate
    from sb3_ac_ext.evaluation.unit import Unit

_WIDTH, _COLUMN = 16, 34
_ROWS: tuple[tuple[str, Callable[[Summary], str]], ...] = (
    ("episodes", lambda s: str(len(s.episodes))),
    ("mean return", lambda s: number(s.mean.value)),
    ("95 % interval", lambda s: interval(s.mean)),
    ("median", lambda s: number(s.median)),
    ("std", lambda s: number(s.std)),
    ("success rate", lambda s: _success(s)),
    ("95 % interval", lambda s: _success_interval(s)),
    ("mean length", lambda s: number(s.length.value)),
    ("95 % interval", lambda s: interval(s.length)),
)


def lines(found: Evaluation) -> list[str]:
    """
    :param found: what was evaluated
    """
    seeds = _seeds(found.seeds)
    text = [
        f"{found.source.title} of {found.algorithm} at step {found.num_timesteps:,} on "
        f"{found.env}: {found.source.model}",
        f"{seeds}, {_count(found.n_envs, 'worker')}, {found.device}",
        "",
        " " * _WIDTH + "".join(summary.mode.ljust(_COLUMN) for summary in found.summaries),
    ]
    told = any(summary.success is not None for summary in found.summaries)
    for place, (name, cell) in enumerate(_ROWS):
        if place not in (5, 6) or told:
            cells = "".join(cell(summary).ljust(_COLUMN) for summary in found.summaries)
            text.append(name.ljust(_WIDTH) + cells)
    if found.difference is not None:
        difference = found.difference
        text += ["", f"deterministic - stochastic: {number(difference.value)}, {_with(difference)}"]
    if found.source.unit is not None:
        text += ["", _saved(found.source.unit.unit)]
    text += [f"note: {note}" for note in found.notes]
    return [line.rstrip() for line in text]


def document(found: Evaluation) -> dict[str, Any]:
    """
    :param found: what was evaluated
    :return: for JSON
    """
    unit = found.source.unit
    return {
        "model": str(found.source.model),
        "vecnormalize": None
        if found.source.vecnormalize is None
        else str(found.source.vecnormalize),
        "which": found.source.title,
        "algorithm": found.algorithm,
        "env": found.env,
        "num_timesteps": found.num_timesteps,
        "seeds": list(found.seeds),
        "n_envs": found.n_envs,
        "device": found.device,
        "modes": {
            summary.mode: {
                **summary.to_dict(),
                "played": [as_record(episode) for episode in summary.episodes],
            }
            for summary in found.summaries
        },
        "difference": None if found.difference is None else estimate_dict(found.difference),
        "saved": None if unit is None else _saved_dict(unit.unit),
        "notes": list(found.notes),
    }


def _saved_dict(unit: Unit) -> dict[str, Any]:
    fields = {key: value for key, value in asdict(unit).items() if key != "episodes"}
    return {**fields, "mean": estimate_dict(unit.mean), "episodes": len(unit.episodes)}


def _saved(unit: Unit) -> str:
    return (
        f"when saved: {unit.mode} mean return {number(unit.mean.value)}, {_with(unit.mean)}, of "
        f"{_count(len(unit.episodes), 'episode')}, {_seeds(unit.seeds)}, evaluation "
        f"{unit.evaluation} of its training, step {unit.num_timesteps:,}"
    )


def number(value: float) -> str:
    """
    :param value: to show with as many digits as make a difference
    """
    if math.isnan(value):
        return "-"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.4g}"


def interval(estimate: Estimate) -> str:
    """
    :param estimate: whose interval to show
    """
    if math.isnan(estimate.low):
        return f"- ({estimate.method})"
    return f"[{number(estimate.low)}, {number(estimate.high)}] ({estimate.method})"


def _with(estimate: Estimate) -> str:
    return f"95 % interval {interval(estimate)}"


def _success(summary: Summary) -> str:
    if summary.success is None:
        return "-"
    return f"{summary.success.share:.1%} ({summary.success.k} of {summary.success.n})"


def _success_interval(summary: Summary) -> str:
    if summary.success is None:
        return "-"
    low, high = summary.success.interval
    return f"[{low:.1%}, {high:.1%}] (Clopper-Pearson)"


def _seeds(seeds: Iterable[int]) -> str:
    listed = list(seeds)
    if len(listed) > 4 and listed == list(range(listed[0], listed[-1] + 1)):
        return f"seeds {listed[0]} to {listed[-1]}"
    word = "seed" if len(listed) == 1 else "seeds"
    return f"{word} {' '.join(map(str, listed))}"


def _count(n: int, word: str) -> str:
    return f"{n} {word}{'' if n == 1 else 's'}"
