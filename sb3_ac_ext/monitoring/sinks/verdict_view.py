"""How a verdict is put into words, once for every console and for ``sb3-ac diagnose``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sb3_ac_ext.monitoring.records import Diagnosis, Event, Finding, Severity, Verdict

if TYPE_CHECKING:
    from rich.console import RenderableType

STYLES = {"info": "cyan", "warning": "yellow", "critical": "bold red", "healthy": "green"}
"""Status or severity -> style of rich."""

TOP_CAUSES = 3
_LABEL_WIDTH = 11


@dataclass(frozen=True)
class Line:
    """One line of text, of any length.

    :param label: what the text is, in a column of its own where lines are wrapped
    """

    text: str
    style: str = ""
    label: str = ""

    @property
    def plain(self) -> str:
        return f"{self.label:>{_LABEL_WIDTH}}  {self.text}" if self.label else self.text

    def __rich__(self) -> RenderableType:
        from rich.table import Table
        from rich.text import Text

        text = Text(self.text, style=self.style)
        if not self.label:
            return text
        row = Table.grid(padding=(0, 2, 0, 0))
        row.add_column(width=_LABEL_WIDTH, justify="right", style="dim")
        row.add_column()
        row.add_row(self.label, text)
        return row


def verdict_lines(verdict: Verdict, top: int | None = TOP_CAUSES) -> list[Line]:
    """The verdict, then the likeliest causes with confidence, evidence and advice.

    :param verdict: of a run, final or so far
    :param top: number of causes to show, ``None`` for all
    """
    style = STYLES.get(verdict.status, "dim")
    lines = [Line(f"Verdict: {verdict.status}{_counts(verdict)}", style=style)]
    shown = verdict.diagnoses if top is None else verdict.diagnoses[:top]
    for rank, diagnosis in enumerate(shown, start=1):
        lines += _cause_lines(rank, diagnosis)
    hidden = len(verdict.diagnoses) - len(shown)
    if hidden > 0:
        lines.append(Line(f"and {hidden} less likely {'cause' if hidden == 1 else 'causes'}"))
    return lines + [event_line(event, label="action") for event in verdict.events]


def finding_line(finding: Finding) -> Line:
    """One finding as a line that stands for itself in a log."""
    label = finding.severity.label
    return Line(f"{label.upper():<8} step {finding.step:,}: {finding.message}", style=STYLES[label])


def event_line(event: Event, label: str = "") -> Line:
    """What an action did, as a line that stands for itself or under a label of its own."""
    name = event.action.replace("_", " ")
    text = f"step {event.step:,}: {name}: {event.text} (for {event.finding})"
    style = STYLES["warning"] if event.failed else STYLES["info"]
    return Line(text if label else f"{'ACTION':<8} {text}", style=style, label=label)


def _counts(verdict: Verdict) -> str:
    if verdict.status == "not enough evidence":
        return " to judge this run"
    count = Counter(finding.severity for finding in verdict.findings)
    parts = [f"{count[level]} {level.label}" for level in reversed(Severity) if count[level]]
    if not parts:
        return ", no findings"
    return (
        f", {len(verdict.findings)} finding{'s' * (len(verdict.findings) > 1)} ({', '.join(parts)})"
    )


def _cause_lines(rank: int, diagnosis: Diagnosis) -> list[Line]:
    title = (
        f"{rank}. {diagnosis.title} (confidence {diagnosis.confidence:.0%}, "
        f"since step {diagnosis.since:,})"
    )
    lines = [Line(title, style=STYLES[diagnosis.severity.label])]
    lines += [Line(text, label="evidence") for text in diagnosis.evidence]
    lines += [Line(text, "dim", "against") for text in diagnosis.ruled_out]
    lines.append(Line(diagnosis.advice, label="try"))
    return lines
