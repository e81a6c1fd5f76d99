"""Series over environment steps: lines, bands of spread, thresholds, moments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sb3_ac_ext.monitoring.history import Floats, History, Series
from sb3_ac_ext.monitoring.records import Finding
from sb3_ac_ext.monitoring.vocabulary import metric
from sb3_ac_ext.report.chart import (
    COLOURS,
    DASHES,
    Canvas,
    Chart,
    Frame,
    Key,
    Trace,
    plain,
    rounded,
)
from sb3_ac_ext.report.decimate import extremes
from sb3_ac_ext.report.marks import mark_moments
from sb3_ac_ext.report.text import counted, number

FEW = 40
"""Up to this many points are drawn as points, too: a line alone would suggest more."""


@dataclass(frozen=True)
class Line:
    """A series in a plot.

    :param label: in legend and hover; the metric's title when empty
    :param std: name of a series: a band of plus and minus this much
    :param low: with ``high``, names of series: a band between them
    """

    name: str
    label: str = ""
    std: str = ""
    low: str = ""
    high: str = ""

    @property
    def text(self) -> str:
        return self.label or metric(self.name).title

    @property
    def band_text(self) -> str:
        if self.std:
            return "plus and minus one standard deviation"
        return "from lowest to highest" if self.low else self.text

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in (self.name, self.std, self.low, self.high) if name)


def line_chart(
    canvas: Canvas,
    title: str,
    lines: Sequence[Line],
    *,
    size: str = "small",
    finding: Finding | None = None,
    threshold: float | None = None,
    moments: bool = False,
    reference: tuple[float, str] | None = None,
) -> Chart | None:
    """Lines that share an axis; ``None`` when none of them was recorded.

    :param finding: the one the plot is evidence for: its moment and region are drawn; without it,
        the moments of all findings on these series are marked lightly
    :param threshold: the bound that the finding names, where these series are what it judged
    :param moments: mark every finding that is more than a remark, whatever series it is about
    :param reference: a level to compare with, and what it is
    """
    there = [(i, line) for i, line in enumerate(lines) if canvas.history.has(line.name)]
    if not there:
        return None
    names = [line.name for _, line in there]
    shown = [canvas.history.series(name) for name in names]
    share = metric(names[0]).unit == "share"  # 0 to 1: decades below it do not matter
    frame = Frame(canvas.span, log=not share and spans_decades(shown, threshold))
    frame.yaxis = _flat_range(shown, threshold)
    bands: list[Trace] = []
    curves: list[Trace] = []
    legend: list[Key] = []
    for (slot, line), series in zip(there, shown, strict=True):
        colour, dash = COLOURS[slot % len(COLOURS)], DASHES[slot % len(DASHES)]
        band = band_trace(canvas, line, colour, frame.log, size)
        bands += [band] if band else []
        curves.append(line_trace(canvas, line, series, colour, dash, size))
        label = line.text if len(lines) > 1 else line.band_text
        legend.append(Key(label, colour[1:], dash, band is not None))
    mark_moments(frame, canvas, names, finding, moments)
    if threshold is not None:
        frame.level(threshold, "threshold")
    if reference is not None:
        frame.level(*reference, dash="dot", late=False)
    notes = [*_gaps(there, shown), *(["logarithmic axis"] if frame.log else [])]
    return Chart(
        title=title,
        unit=metric(names[0]).unit,
        traces=[*bands, *curves],  # no band over a line
        layout=frame.layout(),
        summary=f"{title}. " + " ".join(map(in_words, (line for _, line in there), shown)),
        legend=tuple(legend) if len(lines) > 1 or legend[0].band else (),
        note="; ".join(notes),
        series=tuple(name for _, line in there for name in line.names),
        size=size,
    )


def series_chart(
    canvas: Canvas,
    name: str,
    *,
    size: str = "small",
    finding: Finding | None = None,
    threshold: float | None = None,
) -> Chart | None:
    """One series under the title and unit of its metric."""
    title = metric(name).title
    return line_chart(canvas, title, [Line(name)], size=size, finding=finding, threshold=threshold)


def line_trace(
    canvas: Canvas, line: Line, series: Series, colour: str, dash: str, size: str
) -> Trace:
    keep = extremes(series.values, canvas.points(size))
    trace: Trace = {
        "type": "scatter",
        "mode": "lines+markers" if len(keep) <= FEW else "lines",
        "x": series.steps[keep].tolist(),
        "y": [rounded(value) for value in series.values[keep]],
        "name": plain(line.text),
        "line": {"color": colour, "width": 2, "dash": dash},
        "marker": {"color": colour, "size": 5},
        "hovertemplate": "%{y:.5~g}",
    }
    spread = _aligned(canvas.history, line.std, series)
    low, high = (_aligned(canvas.history, name, series) for name in (line.low, line.high))
    if spread is not None:
        trace["customdata"] = [rounded(value) for value in spread[keep]]
        trace["hovertemplate"] = "%{y:.5~g} ± %{customdata:.3~g}"
    elif low is not None and high is not None:
        pairs = zip(low[keep], high[keep], strict=True)
        trace["customdata"] = [[rounded(under), rounded(over)] for under, over in pairs]
        trace["hovertemplate"] = "%{y:.5~g}, from %{customdata[0]:.4~g} to %{customdata[1]:.4~g}"
    return trace


def band_trace(canvas: Canvas, line: Line, colour: str, log: bool, size: str) -> Trace | None:
    """A filled band around a line, or ``None`` when its spread was not recorded."""
    edges = _edges(canvas.history, line)
    if edges is None:
        return None
    steps, low, high = edges
    if log:  # a logarithmic axis has no place for what is not positive
        low = np.maximum(low, np.min(high[high > 0], initial=1.0) * 1e-3)
    under, over = (extremes(edge, canvas.points(size)) for edge in (low, high))
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [*steps[under].tolist(), *steps[over][::-1].tolist()],
        "y": [rounded(v) for v in (*low[under], *high[over][::-1])],
        "fill": "toself",
        "fillcolor": f"{colour}-soft",
        "line": {"width": 0},
        "hoverinfo": "skip",
    }


def _edges(
    history: History, line: Line
) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], Floats, Floats] | None:
    series = history.series(line.name)
    if line.std:
        spread = _aligned(history, line.std, series)
        edges = None if spread is None else (series.values - spread, series.values + spread)
    else:
        low = _aligned(history, line.low, series)
        high = _aligned(history, line.high, series)
        edges = None if low is None or high is None else (low, high)
    if edges is None:
        return None
    keep = np.isfinite(edges[0]) & np.isfinite(edges[1])
    if not keep.any():
        return None
    return series.steps[keep], edges[0][keep], edges[1][keep]


def _aligned(history: History, name: str, onto: Series) -> Floats | None:
    """Values of one series at the steps of another, NaN where it has none."""
    other = history.series(name) if name else None
    if not other:
        return None
    at = dict(zip(other.steps.tolist(), other.values.tolist(), strict=True))
    return np.array([at.get(step, np.nan) for step in onto.steps.tolist()])


def spans_decades(shown: Sequence[Series], threshold: float | None = None) -> bool:
    """Positive and over more than three decades: a linear axis would show only the last."""
    finite = [series.finite().values for series in shown]
    values = np.concatenate([*finite, [threshold] if threshold is not None else []])
    return bool(len(values) > 1 and values.min() > 0 and values.max() > 1e3 * values.min())


def _flat_range(shown: Sequence[Series], threshold: float | None) -> dict[str, object]:
    """An axis from zero for what never changes: plotly would zoom one unit around it."""
    levels = {float(value) for series in shown for value in set(series.finite().values.tolist())}
    if len(levels) != 1 or threshold is not None or levels == {0.0}:
        return {}
    level = levels.pop()
    return {"range": sorted((0.0, 2 * level))}


def _gaps(there: Sequence[tuple[int, Line]], shown: Sequence[Series]) -> list[str]:
    notes = []
    for (_, line), series in zip(there, shown, strict=True):
        bad = ~np.isfinite(series.values)
        if bad.any():
            first = int(series.steps[np.argmax(bad)])
            what = counted(int(bad.sum()), "non-finite value")
            where = f", first at step {first:,}"
            notes.append(f"{line.text}: {what}{where}" if len(shown) > 1 else what + where)
    return notes


def in_words(line: Line, series: Series) -> str:
    finite = series.finite()
    if not finite:
        return f"{line.text}: no finite value."
    values = finite.values
    return (
        f"{line.text}: from {number(values[0])} at step {int(finite.steps[0]):,} to "
        f"{number(values[-1])} at step {int(finite.steps[-1]):,}, "
        f"lowest {number(values.min())}, highest {number(values.max())}."
    )
