"""From panels and a history to what the page shows, and why a part of it is missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.vocabulary import NETWORKS, metric
from sb3_ac_ext.report import panels
from sb3_ac_ext.report.chart import Canvas, Chart
from sb3_ac_ext.report.heatmaps import share_heatmap
from sb3_ac_ext.report.lines import line_chart, series_chart
from sb3_ac_ext.report.panels import Panel, Plot
from sb3_ac_ext.report.text import number
from sb3_ac_ext.report.workers import worker_charts

MOST_OTHER_PLOTS = 36


@dataclass(frozen=True)
class Section:
    """A panel filled from one run.

    :param quiet: titles of series that are zero throughout: a sentence, not a flat plot
    :param missing: signal -> why this run has no values for it
    :param empty: why nothing is plotted; empty text when something is
    """

    id: str
    title: str
    lead: str
    charts: tuple[Chart, ...]
    quiet: tuple[str, ...] = ()
    missing: Mapping[str, str] | None = None
    empty: str = ""


def sections(canvas: Canvas) -> list[Section]:
    """All panels in the page's order, those without data too."""
    return [
        section(canvas, panels.RETURNS),
        section(canvas, panels.WORKERS, first=worker_charts(canvas)),
        section(canvas, panels.POLICY, last=_action_histogram(canvas)),
        section(canvas, panels.VALUE),
        section(canvas, panels.GRADIENTS, last=_norm_histograms(canvas)),
        section(canvas, panels.TIMING),
        section(canvas, panels.HYPERPARAMETERS),
    ]


def section(
    canvas: Canvas, panel: Panel, first: Iterable[Chart] = (), last: Iterable[Chart] = ()
) -> Section:
    charts: list[Chart] = list(first)
    quiet: list[str] = []
    for plot in panel.plots:
        if len(plot.lines) == 1 and _only_zero(canvas, plot.lines[0].name):
            quiet.append(metric(plot.lines[0].name).title)
            continue
        title = plot.title or metric(plot.lines[0].name).title
        chart = line_chart(
            canvas,
            title,
            plot.lines,
            size=plot.size,
            moments=plot.moments,
            reference=_reference(canvas.history, plot),
        )
        charts += [chart] if chart else []
    charts += last
    return Section(
        id=panel.id,
        title=panel.title,
        lead=panel.lead,
        charts=tuple(charts),
        quiet=tuple(quiet),
        missing=_missing(canvas.history, panel),
        empty="" if charts else _why_empty(canvas.history),
    )


def other_charts(canvas: Canvas, shown: Iterable[Chart]) -> tuple[list[Chart], int]:
    """Recorded series that no panel shows, under their own names.

    :return: (plots, how many series were left out because there are too many)
    """
    taken = {name for chart in shown for name in chart.series}
    names = [
        name for name in canvas.history.names if name not in taken and not _only_zero(canvas, name)
    ]
    charts = [series_chart(canvas, name) for name in names[:MOST_OTHER_PLOTS]]
    return [chart for chart in charts if chart], max(0, len(names) - MOST_OTHER_PLOTS)


def _reference(history: History, plot: Plot) -> tuple[float, str] | None:
    name, label = plot.reference
    level = getattr(history.info, name) if name else None
    return None if level is None else (float(level), label)


def _only_zero(canvas: Canvas, name: str) -> bool:
    """Zero at every moment, and no finding is about it."""
    values = canvas.history.series(name).values
    return len(values) > 0 and not values.any() and not canvas.touching([name])


def _missing(history: History, panel: Panel) -> dict[str, str]:
    return {
        signal: reason
        for signal, reason in history.info.not_observed.items()
        if signal.partition("/")[0] in panel.sources
    }


def _why_empty(history: History) -> str:
    if not len(history):
        return "Nothing was recorded."
    return f"The source of this report ({history.info.source}) holds no series for this section."


def _action_histogram(canvas: Canvas) -> list[Chart]:
    chart = share_heatmap(canvas, "actions taken", "actions/histogram", lambda i, n: f"action {i}")
    return [chart] if chart else []


def _norm_histograms(canvas: Canvas) -> list[Chart]:
    charts = [
        share_heatmap(
            canvas,
            f"gradient norms of single optimizer steps, {net}",
            f"gradients/{net}/norm_histogram",
            _norm_bin,
        )
        for net in NETWORKS
    ]
    return [chart for chart in charts if chart]


def _norm_bin(i: int, n: int) -> str:
    """The signal's bins share 1e-6 to 1e6 evenly on a logarithmic scale."""
    low, high = (10 ** (-6 + 12 * edge / n) for edge in (i, i + 1))
    return f"{_two_digits(low)} to {_two_digits(high)}"


def _two_digits(value: float) -> str:
    return number(float(f"{value:.2g}"))
