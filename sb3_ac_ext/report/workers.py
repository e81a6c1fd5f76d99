"""Sub-environments side by side: the one that is apart shows at a glance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sb3_ac_ext.monitoring.history import Floats, History, Series
from sb3_ac_ext.monitoring.records import Finding
from sb3_ac_ext.report.chart import COLOURS, DASHES, Canvas, Chart, Frame, Key, Trace, rounded
from sb3_ac_ext.report.decimate import extremes
from sb3_ac_ext.report.heatmaps import DIVERGING, columns, heatmap
from sb3_ac_ext.report.lines import FEW, spans_decades
from sb3_ac_ext.report.marks import mark_finding
from sb3_ac_ext.report.text import counted, number

SCALES = ("rewards/worker_scale", "rewards/worker_abs_mean")
"""Array signals that tell how large a worker's rewards are, the more robust one first."""

ARRAYS: dict[str, str] = {
    "rewards/worker_scale": "reward scale of each worker",
    "rewards/worker_abs_mean": "reward magnitude, mean of each worker",
    "rewards/worker_mean": "reward, mean of each worker",
    "rewards/worker_std": "reward, standard deviation of each worker",
    "rewards/worker_max_abs": "reward, largest magnitude of each worker",
    "rewards/worker_outlier_share": "rewards beyond 10 robust deviations, share of each worker",
    "rewards/worker_zero_share": "rewards that are zero, share of each worker",
    "episodes/worker_return_mean": "training return, mean of each worker",
    "episodes/worker_length_mean": "episode length, mean of each worker",
}
"""Array signals with one entry per worker, and what a person calls them."""

COMPARED = ("rewards/worker_mean", "episodes/worker_return_mean", "episodes/worker_length_mean")
"""Those that the panel shows beside the scale."""

MOST_LINES = 24
MOST_ROWS = 48
ACCENTS = (1, 0, 4)
"""Slots of the palette for highlighted workers; the rest of them share the last."""


def worker_charts(canvas: Canvas) -> list[Chart]:
    """Reward scales, a heatmap of them against the other workers, and what else differs."""
    scale = scale_array(canvas.history)
    charts = [worker_lines(canvas, scale, ARRAYS[scale]), scale_heatmap(canvas)]
    charts += [worker_lines(canvas, name, ARRAYS[name], size="small") for name in COMPARED]
    return [chart for chart in charts if chart is not None]


def scale_array(history: History) -> str:
    """The best of the recorded :data:`SCALES`."""
    return next((name for name in SCALES if history.rows(name, last=1)), SCALES[-1])


def worker_lines(
    canvas: Canvas, name: str, title: str, finding: Finding | None = None, size: str = "wide"
) -> Chart | None:
    """A line per worker, those of findings on top, in colour and named at their end."""
    rows = [(step, row) for step, row in canvas.history.rows(name) if row]
    if not rows:
        return None
    workers = _by_worker(rows)
    accused = _accused(canvas, finding, len(workers))
    shown = _furthest([series.finite().values for series in workers], accused, MOST_LINES)
    frame = Frame(canvas.span, hover="x unified" if len(shown) <= 12 else "closest")
    frame.log = spans_decades([workers[i] for i in shown])
    points = max(60, canvas.points(size) // max(1, len(shown) // 6))
    traces = [
        _line(i, workers[i], accused, points) for i in sorted(shown, key=lambda i: i in accused)
    ]
    for i in accused:
        _name_end(frame, i, workers[i], accused)
    if finding is not None:
        mark_finding(frame, finding)
    else:
        for since in sorted({other.since for other in canvas.findings if other.worker in accused}):
            frame.mark(since, below=True)
    return Chart(
        title=title,
        traces=traces,
        layout=frame.layout(),
        summary=f"{title}. {_in_words(workers, accused)}",
        legend=_legend(shown, accused),
        note=_note(len(shown), len(workers), frame.log),
        series=(name,),
        size=size,
    )


def scale_heatmap(canvas: Canvas) -> Chart | None:
    """Reward scale of each worker over the median of the others, in powers of two."""
    name = scale_array(canvas.history)
    found = columns(canvas, name)
    if found is None or len(found[1]) < 2:
        return None
    steps, matrix = found
    ratios = np.stack([matrix[i] / _median_of_others(matrix, i) for i in range(len(matrix))])
    powers = np.log2(np.where(ratios > 0, ratios, np.nan))
    accused = _accused(canvas, None, len(matrix))
    shown = sorted(_furthest([row[np.isfinite(row)] for row in powers], accused, MOST_ROWS))
    labels = [f"{'▸ ' if i in accused else ''}worker {i}" for i in shown]
    return heatmap(
        canvas,
        "reward scale of each worker over the median of the others",
        steps,
        np.clip(powers[shown], -4, 4),
        labels,
        colours={
            "colorscale": DIVERGING,
            "zmin": -4,
            "zmax": 4,
            "colorbar": {
                "thickness": 8,
                "outlinewidth": 0,
                "xpad": 6,
                "tickvals": [-4, -2, 0, 2, 4],
                "ticktext": ["1/16", "1/4", "1", "4", "16"],
            },
        },
        hover="%{y}, step %{x:,d}: %{customdata:.3~g} × the others<extra></extra>",
        note=_note(len(shown), len(matrix), False),
        series=(name,),
        size="wide",
        values=ratios[shown],
        summary="Reward scale of each worker over the median of the others, latest: "
        + ", ".join(f"worker {i} {number(ratios[i, -1])}" for i in shown[:16])
        + ".",
    )


def _by_worker(rows: Sequence[tuple[int, tuple[float, ...]]]) -> list[Series]:
    n = max(len(row) for _, row in rows)
    steps = np.array([step for step, _ in rows], dtype=np.int64)
    values = np.full((n, len(rows)), np.nan)
    for column, (_, row) in enumerate(rows):
        values[: len(row), column] = row
    return [Series(steps, row) for row in values]


def _accused(canvas: Canvas, finding: Finding | None, n_workers: int) -> list[int]:
    findings = canvas.findings if finding is None else (finding,)
    named = sorted({other.worker for other in findings if other.worker is not None})
    return [worker for worker in named if 0 <= worker < n_workers]


def _furthest(values: Sequence[Floats], accused: Sequence[int], most: int) -> list[int]:
    """All workers where they fit, otherwise those whose values lie furthest from the middle."""
    if len(values) <= most:
        return list(range(len(values)))
    levels = np.array([float(np.median(row)) if len(row) else np.nan for row in values])
    distance = np.nan_to_num(np.abs(levels - np.nanmedian(levels)), nan=np.inf)
    distance[list(accused)] = np.inf
    return sorted(int(i) for i in np.argsort(-distance, kind="stable")[:most])


def _style(worker: int, accused: Sequence[int]) -> tuple[str, str, float]:
    if worker not in accused:
        return "@muted", "solid", 1.25
    rank = min(accused.index(worker), len(ACCENTS) - 1)
    return COLOURS[ACCENTS[rank]], DASHES[rank], 3.0


def _line(worker: int, series: Series, accused: Sequence[int], points: int) -> Trace:
    keep = extremes(series.values, points)
    colour, dash, width = _style(worker, accused)
    return {
        "type": "scatter",
        "mode": "lines+markers" if len(keep) <= FEW and worker in accused else "lines",
        "x": series.steps[keep].tolist(),
        "y": [rounded(value) for value in series.values[keep]],
        "name": f"worker {worker}",
        "line": {"color": colour, "width": width, "dash": dash},
        "marker": {"color": colour, "size": 6},
        "connectgaps": True,  # a worker without a finished episode has no value for that snapshot
        "hovertemplate": "%{y:.5~g}",
    }


def _name_end(frame: Frame, worker: int, series: Series, accused: Sequence[int]) -> None:
    finite = series.finite()
    if not finite or (frame.log and finite.values[-1] <= 0):
        return
    near_end = finite.steps >= finite.steps[-1] - 0.2 * (frame.span[1] - frame.span[0])
    height = float(finite.values[near_end].max())  # above the line, not on it
    frame.annotations.append(
        {
            "x": int(finite.steps[-1]),
            "y": float(np.log10(height)) if frame.log else height,
            "text": f"<b>worker {worker}</b>",
            "showarrow": False,
            "xanchor": "right",
            "yanchor": "bottom",
            "yshift": 4,
            "font": {"color": _style(worker, accused)[0], "size": 12},
        }
    )


def _legend(shown: Sequence[int], accused: Sequence[int]) -> tuple[Key, ...]:
    keys = [Key(f"worker {i}", _style(i, accused)[0][1:], _style(i, accused)[1]) for i in accused]
    others = len(shown) - len(accused)
    if others:
        label = f"the other {counted(others, 'worker')}" if accused else counted(others, "worker")
        keys.append(Key(label, "muted"))
    return tuple(keys)


def _note(shown: int, n_workers: int, log: bool) -> str:
    cut = f"{shown} of {n_workers:,} workers: those furthest from the middle"
    notes = [cut] if shown < n_workers else []
    return "; ".join([*notes, *(["logarithmic axis"] if log else [])])


def _median_of_others(matrix: Floats, worker: int) -> Floats:
    others = np.delete(matrix, worker, axis=0)
    safe = np.where(np.isfinite(others), others, np.nan)
    empty = ~np.isfinite(safe).any(axis=0)
    safe[:, empty] = 0.0
    median = np.nanmedian(safe, axis=0)
    result: Floats = np.where(median > 0, median, np.nan)
    return result


def _in_words(workers: Sequence[Series], accused: Sequence[int]) -> str:
    latest = {i: s.finite().values[-1] for i, s in enumerate(workers) if s.finite()}
    if not latest:
        return "No finite value."
    others = [value for i, value in latest.items() if i not in accused]
    words = [
        f"Worker {i}, highlighted, latest: {number(latest[i])}." for i in accused if i in latest
    ]
    if others:
        low, high = number(min(others)), number(max(others))
        words.append(f"{counted(len(others), 'other worker')}, latest: {low} to {high}.")
    return " ".join(words)
