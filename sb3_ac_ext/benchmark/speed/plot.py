"""Steps per second of all sides of all works, as bars in one HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

import plotly.graph_objects as go

from sb3_ac_ext.benchmark.speed.measure import Measured


def write_plot(results: Sequence[Measured], path: Path) -> None:
    """
    :param path: of the file; what is there is replaced
    """
    figure = go.Figure()
    for name in dict.fromkeys(side.side for result in results for side in result.sides):
        rows = [(r.work, s) for r in results for s in r.sides if s.side == name]
        figure.add_bar(
            name=name,
            x=[work for work, _ in rows],
            y=[side.typical for _, side in rows],
            error_y={
                "array": [max(side.steps_per_second) - side.typical for _, side in rows],
                "arrayminus": [side.typical - min(side.steps_per_second) for _, side in rows],
            },
        )
    limits = [(result.work, median(result.limits)) for result in results]
    figure.add_scatter(
        name="limit",
        x=[work for work, _ in limits],
        y=[value for _, value in limits],
        mode="markers",
        marker={"symbol": "line-ew-open", "size": 40, "color": "black"},
    )
    figure.update_layout(
        template="plotly_white",
        barmode="group",
        title="Environment steps per second (median and range of rounds)",
        yaxis={"type": "log", "title": "steps per second"},
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.write_html(path, include_plotlyjs=True)
