"""What the page shows of one plot: caption, legend, a sentence for screen readers, a spec."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Finding

Trace = dict[str, Any]

COLOURS = ("@c1", "@c2", "@c3", "@c4", "@c5", "@c6")
"""Tokens that the page replaces by the colours of its theme: Okabe and Ito's palette, which
colour-blind readers tell apart, darkened on white and lightened on black to hold contrast."""

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
"""A second mark beside colour, in the same order."""


@dataclass(frozen=True)
class Key:
    """A legend entry: name, colour token without ``@`` and dash."""

    label: str
    colour: str
    dash: str = "solid"
    band: bool = False


@dataclass(frozen=True)
class Chart:
    """One plot, ready for the template.

    :param summary: the plot in words, for readers who do not see it
    :param series: names of the recorded series it shows
    :param size: ``small`` for small multiples, ``wide`` for a full row
    """

    title: str
    traces: list[Trace]
    layout: dict[str, Any]
    summary: str
    unit: str = ""
    legend: tuple[Key, ...] = ()
    note: str = ""
    series: tuple[str, ...] = ()
    size: str = "small"


@dataclass(frozen=True)
class Canvas:
    """What every plot of a page shares.

    :param detail: points per line in a wide plot; a small one gets fewer
    """

    history: History
    findings: tuple[Finding, ...] = ()
    detail: int = 1000

    def points(self, size: str) -> int:
        return self.detail if size == "wide" else max(60, int(0.4 * self.detail))

    @property
    def span(self) -> tuple[float, float]:
        """One range of steps for all plots, so that the eye can go down the page."""
        steps = [snapshot.step for snapshot in self.history]
        if not steps:
            return 0.0, 1.0
        low, high = steps[0], steps[-1]
        margin = 0.015 * (high - low) or 1.0
        return low - margin, high + margin

    def touching(self, names: Iterable[str]) -> list[Finding]:
        shown = set(names)
        return [finding for finding in self.findings if shown & set(finding.series)]


@dataclass
class Frame:
    """Axes, marks and hover behaviour of a plot; ``layout()`` is plotly's."""

    span: tuple[float, float]
    log: bool = False
    hover: str = "x unified"
    shapes: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    yaxis: dict[str, Any] = field(default_factory=dict)

    def mark(self, step: float, label: str = "", below: bool = False) -> None:
        """A vertical line at a step."""
        self.shapes.append(
            {
                "type": "line",
                "xref": "x",
                "yref": "paper",
                "x0": step,
                "x1": step,
                "y0": 0,
                "y1": 1,
                "line": {"color": "@mark", "width": 1.5, "dash": "dot" if below else "solid"},
            }
        )
        if label:
            late = step > 0.5 * (self.span[0] + self.span[1])
            self._say(label, "@mark", x=step, y=1, xref="x", yref="paper", late=late)

    def region(self, since: float, until: float) -> None:
        if until > since:
            self.shapes.append(
                {
                    "type": "rect",
                    "xref": "x",
                    "yref": "paper",
                    "x0": since,
                    "x1": until,
                    "y0": 0,
                    "y1": 1,
                    "fillcolor": "@mark-soft",
                    "line": {"width": 0},
                    "layer": "below",
                }
            )

    def level(self, value: float, label: str, dash: str = "dash", late: bool = True) -> None:
        """A horizontal line; one that a logarithmic axis cannot hold is left out."""
        if not math.isfinite(value) or (self.log and value <= 0):
            return
        self.shapes.append(
            {
                "type": "line",
                "xref": "paper",
                "yref": "y",
                "x0": 0,
                "x1": 1,
                "y0": value,
                "y1": value,
                "line": {"color": "@threshold", "width": 1.5, "dash": dash},
            }
        )
        height = math.log10(value) if self.log else value
        x = 1 if late else 0
        self._say(label, "@threshold", x=x, y=height, xref="paper", yref="y", late=late)

    def _say(self, text: str, colour: str, *, late: bool, **place: Any) -> None:
        self.annotations.append(
            {
                **place,
                "text": plain(text),
                "showarrow": False,
                "xanchor": "right" if late else "left",
                "yanchor": "bottom",
                "font": {"color": colour, "size": 11},
            }
        )

    def layout(self) -> dict[str, Any]:
        yaxis: dict[str, Any] = {
            "gridcolor": "@grid",
            "zerolinecolor": "@grid",
            "automargin": True,
            "exponentformat": "power",
            "minexponent": 5,
            "separatethousands": True,
            "nticks": 6,
            **self.yaxis,
        }
        if self.log:
            # plotly writes powers of ten larger than other ticks
            yaxis.update(type="log", dtick=1, tickfont={"size": 10})
        return {
            "xaxis": {
                "range": list(self.span),
                "tickformat": "~s",
                "hoverformat": ",d",
                "nticks": 6,
                "gridcolor": "@grid",
                "zeroline": False,
                "linecolor": "@axis",
                "showline": True,
                "unifiedhovertitle": {"text": "step %{x:,d}"},
            },
            "yaxis": yaxis,
            "hovermode": self.hover,
            "shapes": self.shapes,
            "annotations": self.annotations,
        }


def plain(text: str) -> str:
    """Text for plotly, which reads a small HTML of its own: angle brackets stay characters."""
    return html.escape(text, quote=False).replace("%{", "% {")


def rounded(value: float) -> float | None:
    """Five significant digits are finer than a pixel; ``None`` is plotly's gap."""
    return float(f"{value:.5g}") if math.isfinite(value) else None
