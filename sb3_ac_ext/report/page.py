"""Assemble the page: one template, one style sheet, one script and plotly, all in one file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import jinja2
from markupsafe import Markup

from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Verdict
from sb3_ac_ext.report import facts
from sb3_ac_ext.report.chart import Canvas, Chart
from sb3_ac_ext.report.sections import other_charts, sections
from sb3_ac_ext.report.text import sentence
from sb3_ac_ext.report.verdict import banner, causes, evidence

MOST_CHART_BYTES = 900_000
DETAILS = (1000, 500, 250, 120, 60)
"""Points per line in wide plots: the first that keeps the data small is taken."""


class ChartBook:
    """Numbers the charts of a page as the template places them, and keeps their data."""

    def __init__(self) -> None:
        self._charts: dict[str, Chart] = {}

    def place(self, chart: Chart) -> str:
        """:return: the id of the element that holds the chart"""
        name = f"chart-{len(self._charts) + 1}"
        self._charts[name] = chart
        return name

    @property
    def data(self) -> Markup:
        return embedded(
            {name: {"data": c.traces, "layout": c.layout} for name, c in self._charts.items()}
        )


def render_report(history: History, verdict: Verdict, run: Mapping[str, Any] | None = None) -> str:
    """The report as text: under 6 MB, no request to anywhere.

    :param history: what the run recorded; may be empty
    :param verdict: the judgement of that history
    :param run: content of ``run.json``, where there is one
    """
    run = run or {}
    for detail in DETAILS:
        context = _context(history, verdict, run, detail)
        page, size = _render(context)
        if size <= MOST_CHART_BYTES:
            break
    return page


def embedded(data: object) -> Markup:
    """JSON for a ``<script>`` element: no character in it can end the element or open a comment."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _context(
    history: History, verdict: Verdict, run: Mapping[str, Any], detail: int
) -> dict[str, Any]:
    canvas = Canvas(history, verdict.findings, detail)
    found = evidence(canvas, verdict)
    filled = sections(canvas)
    shown = [chart for part in filled for chart in part.charts]
    others, left_out = other_charts(canvas, shown)
    return {
        "title": facts.title(history),
        "subtitle": facts.subtitle(history),
        "banner": banner(history, verdict),
        "figures": facts.headline_figures(history, verdict, run),
        "failure": facts.failure(run),
        "causes": causes(history, verdict, found),
        "findings": found,
        "events": facts.event_rows(history),
        "sections": filled,
        "others": others,
        "left_out": left_out,
        "hyperparameters": facts.hyperparameter_rows(history, run),
        "versions": facts.version_rows(history, run),
        "run_rows": facts.run_rows(history, run),
        "series_rows": facts.series_rows(history),
        "not_observed": sorted(history.info.not_observed.items()),
        "notes": history.notes,
        "recorded": len(history) > 0,
    }


def _render(context: dict[str, Any]) -> tuple[str, int]:
    from plotly.offline import get_plotlyjs

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sb3_ac_ext.report", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["sentence"] = sentence
    source = environment.loader
    assert source is not None
    book = ChartBook()
    page = environment.get_template("report.html.j2").render(
        context,
        book=book,
        css=Markup(source.get_source(environment, "report.css")[0]),
        script=Markup(source.get_source(environment, "report.js")[0]),
        plotly=Markup(get_plotlyjs()),
    )
    return page, len(book.data.encode(errors="replace"))
