"""All tables and plots on one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from sb3_ac_ext.benchmark.faults import words
from sb3_ac_ext.benchmark.faults.charts import charts
from sb3_ac_ext.benchmark.faults.judge import Judged
from sb3_ac_ext.benchmark.faults.origin import origin
from sb3_ac_ext.benchmark.faults.summary import Part
from sb3_ac_ext.report.page import ChartBook
from sb3_ac_ext.report.text import sentence


def render_page(parts: Sequence[Part], judged: Sequence[Judged]) -> str:
    """
    :param parts: of the split
    :param judged: all runs
    :return: HTML that asks no network for anything
    """
    from plotly.offline import get_plotlyjs

    loader = jinja2.ChoiceLoader(
        [
            jinja2.PackageLoader("sb3_ac_ext.benchmark.faults", "templates"),
            jinja2.PackageLoader("sb3_ac_ext.report", "templates"),
        ]
    )
    environment = jinja2.Environment(
        loader=loader,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["sentence"] = sentence

    def source(name: str) -> Markup:
        return Markup(loader.get_source(environment, name)[0])

    return environment.get_template("faults.html.j2").render(
        parts=[_context(part) for part in parts],
        book=ChartBook(),
        bounds=words.BOUNDS,
        harm_rule=words.harm_rule(),
        recorded=words.recorded_with(judged),
        judged=", ".join(f"{key} {value}" for key, value in origin().items()),
        n_runs=len(judged),
        css=source("report.css") + source("faults.css"),
        script=source("report.js"),
        plotly=Markup(get_plotlyjs()),
    )


def _context(part: Part) -> dict[str, Any]:
    overall = part.recognised[0]
    healthy = part.alarms[0]
    return {
        "id": part.name,
        "title": words.TITLES[part.name],
        "figures": (
            ("found", words.rate(overall.found)),
            ("true cause first", words.rate(overall.first)),
            ("in the first three", words.rate(overall.first_three)),
            ("healthy runs with a false critical", words.rate(healthy.critical)),
            ("healthy runs with any warning", words.rate(healthy.warned)),
        ),
        "charts": charts(part),
        "tables": [
            (
                "Faulty runs",
                words.FOUND_HEADINGS,
                [words.found_row(row) for row in part.recognised if row.found.n],
            ),
            (
                "Runs without a fault",
                words.ALARM_HEADINGS,
                [words.alarm_row(row) for row in part.alarms if row.warned.n],
            ),
            (
                "Other monitors on the same runs",
                words.PEER_HEADINGS,
                [words.peer_row(row) for row in part.peers],
            ),
        ],
        "faults": (words.FAULT_HEADINGS, [words.fault_row(row) for row in part.faults]),
        "missed": [
            (f"{row.fault} in {row.scenario}", f"{row.result.found.k} of {row.result.found.n}")
            for row in words.missed(part.faults)
        ],
        "remarks": words.remarks(part),
    }
