"""The plots of the page: recall by component, delays, false alarms, confusion of causes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sb3_ac_ext.benchmark.faults import words
from sb3_ac_ext.benchmark.faults.cases import digest
from sb3_ac_ext.benchmark.faults.statistics import Rate
from sb3_ac_ext.benchmark.faults.summary import MUST_BE_FOUND, Alarms, FaultRow, Found, Part
from sb3_ac_ext.report.chart import COLOURS, Chart, Key, Trace, plain, rounded
from sb3_ac_ext.report.heatmaps import SEQUENTIAL

_NOTHING = "nothing"


def charts(part: Part) -> list[Chart]:
    """All plots of one part that have something to show."""
    components = [row for row in part.recognised if row.label.startswith("in ")]
    made = [
        recall_chart(components),
        delay_chart(part),
        alarm_chart(part.alarms),
        confusion_chart(part),
    ]
    return [chart for chart in made if chart is not None]


def recall_chart(rows: Sequence[Found]) -> Chart | None:
    """Found, named first and named among three, a row per component."""
    if not rows:
        return None
    labels = [row.label.removeprefix("in ") for row in rows]
    columns = (("found", "found"), ("first", "cause first"), ("first_three", "in first three"))
    traces = [
        _dots(labels, [getattr(row, name) for row in rows], title, i, 0.22 * (i - 1))
        for i, (name, title) in enumerate(columns)
    ]
    return Chart(
        title="Recall by component, with 95 % intervals",
        traces=traces,
        layout=_layout(labels, "share of runs"),
        summary="; ".join(f"{r.label}: found {words.percent(r.found.share)}" for r in rows),
        legend=tuple(Key(title, COLOURS[i][1:]) for i, (_, title) in enumerate(columns)),
        note="runs of faults that are harmful or defects; a run that is not found counts against "
        "all three",
        size="wide",
    )


def alarm_chart(rows: Sequence[Alarms]) -> Chart | None:
    """False criticals and false warnings, a row per kind of run."""
    rows = [row for row in rows if row.warned.n]
    if not rows:
        return None
    labels = [row.label for row in rows]
    traces = [
        _dots(labels, [row.critical for row in rows], "critical", 1, -0.15),
        _dots(labels, [row.warned for row in rows], "any warning", 4, 0.15),
    ]
    return Chart(
        title="False alarms, with 95 % intervals",
        traces=traces,
        layout=_layout(labels, "share of runs"),
        summary="; ".join(f"{r.label}: {words.percent(r.warned.share)} warned" for r in rows),
        legend=(Key("critical", "c2"), Key("any warning", "c5")),
        size="wide",
    )


def delay_chart(part: Part) -> Chart | None:
    """Median share of the budget until the first warning, a dot per fault and scenario."""
    rows = [row for row in part.faults if row.kind in MUST_BE_FOUND and row.result.found.k]
    if not rows:
        return None
    labels = sorted({row.component for row in rows})
    trace: Trace = {
        "type": "scatter",
        "mode": "markers",
        "y": [labels.index(row.component) + _spread(row) for row in rows],
        "x": [rounded(row.result.delay[1]) for row in rows],
        "marker": {"color": COLOURS[0], "size": 7, "opacity": 0.6},
        "customdata": [plain(f"{row.fault}, {row.scenario}") for row in rows],
        "hovertemplate": "%{customdata}: %{x:.1%} of the budget<extra></extra>",
    }
    medians = sorted(row.result.delay[1] for row in rows)
    return Chart(
        title="Share of the budget until the first warning",
        traces=[trace],
        layout=_layout(labels, "share of the budget"),
        summary=f"{len(rows)} faults, median {words.percent(medians[len(medians) // 2])}",
        note="a dot per fault and scenario: median over the seeds in which it was found",
        size="wide",
    )


def _spread(row: FaultRow) -> float:
    """Dots of one component side by side, at the same height on every page."""
    return (int(digest(f"{row.fault} {row.scenario}")[:4], 16) / 65_535 - 0.5) * 0.6


def confusion_chart(part: Part) -> Chart | None:
    """True causes against causes named first, in shares of each row."""
    true = sorted({cause for cause, _ in part.confusion})
    if not true:
        return None
    named = [*sorted({name for _, name in part.confusion} - {_NOTHING}), _NOTHING]
    counts = [[part.confusion.get((cause, name), 0) for name in named] for cause in true]
    totals = [sum(n for (cause, _), n in part.confusion.items() if cause == row) for row in true]
    trace: Trace = {
        "type": "heatmap",
        "x": named,
        "y": list(range(len(true))),
        "z": [[rounded(n / t) for n in row] for row, t in zip(counts, totals, strict=True)],
        "customdata": [[[n, row] for n in counts[i]] for i, row in enumerate(true)],
        "hovertemplate": "true %{customdata[1]}, named %{x}: %{customdata[0]} runs<extra></extra>",
        "colorscale": SEQUENTIAL,
        "zmin": 0,
        "zmax": 1,
        "xgap": 1,
        "ygap": 1,
        "colorbar": {"thickness": 8, "outlinewidth": 0, "tickformat": ".0%"},
    }
    layout = _layout(true, "cause named first")
    layout["xaxis"] = {"type": "category", "tickangle": -50, "automargin": True, "dtick": 1}
    layout["yaxis"]["showgrid"] = False
    layout["height"] += 150
    right = sum(part.confusion.get((cause, cause), 0) for cause in true)
    return Chart(
        title="Confusion of causes: true cause by row, named first by column",
        traces=[trace],
        layout=layout,
        summary=f"{right} of {sum(totals)} runs have their true cause named first",
        size="wide",
    )


def _dots(
    labels: Sequence[str], rates: Sequence[Rate], title: str, colour: int, shift: float
) -> Trace:
    shares = [rate.share for rate in rates]
    bounds = [rate.interval for rate in rates]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": title,
        "y": [i + shift for i in range(len(labels))],
        "x": [rounded(share) for share in shares],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [rounded(high - s) for s, (_, high) in zip(shares, bounds, strict=True)],
            "arrayminus": [rounded(s - low) for s, (low, _) in zip(shares, bounds, strict=True)],
            "color": COLOURS[colour],
            "thickness": 1.5,
            "width": 0,
        },
        "marker": {"color": COLOURS[colour], "size": 7},
        "customdata": [
            plain(f"{label}, {rate.k} of {rate.n}")
            for label, rate in zip(labels, rates, strict=True)
        ],
        "hovertemplate": "%{customdata}: %{x:.1%}<extra>" + plain(title) + "</extra>",
    }


def _layout(labels: Sequence[str], title: str) -> dict[str, Any]:
    """A row per label, high enough that all can be read."""
    return {
        "height": 90 + 24 * len(labels),
        "xaxis": {
            "title": {"text": title},
            "range": [-0.02, 1.02],
            "gridcolor": "@grid",
            "zeroline": False,
            "automargin": True,
            "tickformat": ".0%",
        },
        "yaxis": {
            "tickvals": list(range(len(labels))),
            "ticktext": [plain(label) for label in labels],
            "range": [len(labels) - 0.5, -0.5],
            "automargin": True,
            "gridcolor": "@grid",
            "zeroline": False,
        },
        "hovermode": "closest",
    }
