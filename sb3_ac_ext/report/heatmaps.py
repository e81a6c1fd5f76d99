"""Arrays over environment steps: a row per worker, action or bin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sb3_ac_ext.monitoring.history import Floats
from sb3_ac_ext.report.chart import Canvas, Chart, Frame, plain, rounded
from sb3_ac_ext.report.decimate import evenly
from sb3_ac_ext.report.marks import MOST_MARKS
from sb3_ac_ext.report.text import counted

SEQUENTIAL = [[0.0, "@scale-0"], [0.5, "@scale-1"], [1.0, "@scale-2"]]
DIVERGING = [[0.0, "@below"], [0.5, "@middle"], [1.0, "@above"]]


def columns(canvas: Canvas, name: str) -> tuple[list[int], Floats] | None:
    """An array signal as a matrix, decimated along the steps.

    :return: (steps, shape (n_rows, n_steps)), or ``None`` when it was not recorded; arrays that
        change length are cut to the commonest one
    """
    rows = [(step, row) for step, row in canvas.history.rows(name) if row]
    if not rows:
        return None
    lengths = [len(row) for _, row in rows]
    length = max(set(lengths), key=lengths.count)
    rows = [pair for pair in rows if len(pair[1]) == length]
    keep = evenly(len(rows), max(30, canvas.detail // 8))
    steps = [rows[i][0] for i in keep]
    return steps, np.array([rows[i][1] for i in keep], dtype=np.float64).T


def heatmap(
    canvas: Canvas,
    title: str,
    steps: Sequence[int],
    matrix: Floats,
    labels: Sequence[str],
    *,
    colours: dict[str, Any] | None = None,
    hover: str = "%{y}, step %{x:,d}: %{z:.3~g}<extra></extra>",
    unit: str = "",
    note: str = "",
    summary: str = "",
    size: str = "small",
    series: tuple[str, ...] = (),
    values: Floats | None = None,
) -> Chart:
    """
    :param matrix: shape (n_rows, n_steps)
    :param values: what the hover shows as ``customdata``, where it is not the colour's value
    """
    frame = Frame(canvas.span, hover="closest")
    ticks = 16 if size == "wide" else 6
    frame.yaxis = {"type": "category", "gridcolor": "@clear", "nticks": ticks, "automargin": True}
    for since in sorted({other.since for other in canvas.touching(series)})[:MOST_MARKS]:
        frame.mark(since, below=True)
    trace: dict[str, Any] = {
        "type": "heatmap",
        "x": list(steps),
        "y": [plain(label) for label in labels],
        "z": [[rounded(float(f"{value:.3g}")) for value in row] for row in matrix],
        "hovertemplate": hover,
        "hoverongaps": False,
        "colorbar": {"thickness": 8, "outlinewidth": 0, "nticks": 5, "len": 1, "xpad": 6},
        **(colours or {"colorscale": SEQUENTIAL, "zmin": 0, "zmax": _highest(matrix)}),
    }
    if values is not None:
        trace["customdata"] = [[rounded(float(f"{v:.3g}")) for v in row] for row in values]
    return Chart(
        title=title,
        unit=unit,
        traces=[trace],
        layout=frame.layout(),
        summary=summary or f"{title}: {counted(len(labels), 'row')} over {len(steps)} moments.",
        note=note,
        series=series,
        size=size,
    )


def share_heatmap(
    canvas: Canvas, title: str, name: str, label: Callable[[int, int], str], *, note: str = ""
) -> Chart | None:
    """A histogram over time: each moment's counts as shares of their sum.

    :param label: (row, number of rows) -> what the row is
    """
    found = columns(canvas, name)
    if found is None:
        return None
    steps, matrix = found
    matrix = np.where(np.isfinite(matrix), matrix, np.nan)
    total = np.nansum(matrix, axis=0)
    used = np.flatnonzero(np.nansum(matrix, axis=1) > 0)
    rows = range(int(used[0]), int(used[-1]) + 1) if len(used) else range(len(matrix))
    shares = matrix[rows.start : rows.stop] / np.where(total > 0, total, np.nan)
    return heatmap(
        canvas,
        title,
        steps,
        shares,
        [label(i, len(matrix)) for i in rows],
        hover="%{y}, step %{x:,d}: %{z:.1%}<extra></extra>",
        unit="share",
        colours={
            "colorscale": SEQUENTIAL,
            "zmin": 0,
            "zmax": max(_highest(shares), 1.5 / len(rows)),
        },
        note=note,
        series=(name,),
    )


def _highest(matrix: Floats) -> float:
    finite = matrix[np.isfinite(matrix)]
    return float(finite.max()) if len(finite) and finite.max() > 0 else 1.0
