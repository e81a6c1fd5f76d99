"""The judgement as the page words it: banner, causes, findings with their evidence plotted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Diagnosis, Finding, Severity, Verdict
from sb3_ac_ext.report.chart import Canvas, Chart
from sb3_ac_ext.report.lines import series_chart
from sb3_ac_ext.report.marks import judged_series
from sb3_ac_ext.report.text import counted, duration, number, percent, words
from sb3_ac_ext.report.workers import ARRAYS, scale_array, worker_lines

NO_EVIDENCE = "not enough evidence"
_WORDS = {
    "healthy": "Healthy",
    "info": "For the record",
    "warning": "Warning",
    "critical": "Critical",
    NO_EVIDENCE: "Not enough evidence",
}
MOST_PLOTTED = 16
"""Findings with plots of their own; the rest keep their text."""

MOST_PLOTS = 4


@dataclass(frozen=True)
class Banner:
    """:param kind: of the verdict, one of the keys of the page's icons and colours"""

    kind: str
    word: str
    headline: str
    detail: str


@dataclass(frozen=True)
class Cause:
    """A diagnosis, with links to the findings that support it."""

    diagnosis: Diagnosis
    kind: str
    confidence: str
    percentage: int
    since: str
    links: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Evidence:
    """A finding with its plots.

    :param facts: (label, text) pairs
    :param causes: (cause, how strongly the symptom alone points to it), the strongest first
    :param remark: why there is no plot, or no threshold in it
    """

    id: str
    finding: Finding
    kind: str
    name: str
    facts: tuple[tuple[str, str], ...]
    causes: tuple[tuple[str, str], ...]
    charts: tuple[Chart, ...]
    remark: str


def banner(history: History, verdict: Verdict) -> Banner:
    status = verdict.status
    if not len(history) and not verdict.findings:
        status = NO_EVIDENCE
    kind = status if status in _WORDS else NO_EVIDENCE
    return Banner(
        kind=kind.replace(" ", "-"),
        word=_WORDS.get(status, status.capitalize()),
        headline=_headline(status, verdict),
        detail=_detail(history, verdict),
    )


def _headline(status: str, verdict: Verdict) -> str:
    if status == NO_EVIDENCE:
        return "Too little was recorded to judge this run either way."
    if status == "healthy":
        noted = "Nothing harmful was found; what is below is for the record."
        return noted if verdict.findings else "No detector found anything to report."
    if verdict.diagnoses:
        return verdict.diagnoses[0].title
    messages = sorted(verdict.findings, key=lambda finding: -finding.severity)
    return messages[0].message if messages else "No finding says why."


def finding_counts(findings: Sequence[Finding]) -> str:
    counts = [
        f"{n} {severity.label}"
        for severity in sorted(Severity, reverse=True)
        if (n := sum(finding.severity is severity for finding in findings))
    ]
    return ", ".join(counts) or "none"


def causes(history: History, verdict: Verdict, evidence: Sequence[Evidence]) -> list[Cause]:
    found = []
    for diagnosis in verdict.diagnoses:
        share = min(1.0, max(0.0, diagnosis.confidence))
        found.append(
            Cause(
                diagnosis=diagnosis,
                kind=diagnosis.severity.label,
                confidence=percent(diagnosis.confidence),
                percentage=round(100 * share),
                since=moment(history, diagnosis.since),
                links=tuple(
                    (item.id, item.name)
                    for item in evidence
                    if item.finding.detector in diagnosis.detectors
                ),
            )
        )
    return found


def evidence(canvas: Canvas, verdict: Verdict) -> list[Evidence]:
    """All findings, the gravest first, each with the series that show it."""
    ranked = sorted(verdict.findings, key=lambda finding: (-finding.severity, finding.since))
    titles = {diagnosis.cause: diagnosis.title for diagnosis in verdict.diagnoses}
    return [_evidence(canvas, i, finding, titles) for i, finding in enumerate(ranked)]


def moment(history: History, step: int) -> str:
    """A step with its place in the run: ``step 20,480, 41 % of the run, after 3 min 5 s``."""
    parts = [f"step {step:,}"]
    if history.step > 0:
        parts.append(f"{percent(min(1.0, step / history.step))} into the run")
    seconds = next((s.seconds for s in history if s.step >= step), None)
    if seconds:
        parts.append(f"after {duration(seconds)}")
    return ", ".join(parts)


def _evidence(canvas: Canvas, i: int, finding: Finding, titles: dict[str, str]) -> Evidence:
    charts = _plots(canvas, finding) if i < MOST_PLOTTED else []
    facts = [
        ("Since", moment(canvas.history, finding.since)),
        ("Raised", moment(canvas.history, finding.step)),
        ("Value", number(finding.value)),
        ("Threshold", number(finding.threshold)),
    ]
    if finding.worker is not None:
        facts.insert(0, ("Worker", str(finding.worker)))
    strengths = sorted(finding.causes.items(), key=lambda item: -item[1])
    return Evidence(
        id=f"finding-{i + 1}",
        finding=finding,
        kind=finding.severity.label,
        name=words(finding.detector),
        facts=tuple(facts),
        causes=tuple((titles.get(name, words(name)), percent(share)) for name, share in strengths),
        charts=tuple(charts),
        remark=_remark(canvas, i, finding, charts),
    )


def _plots(canvas: Canvas, finding: Finding) -> list[Chart]:
    names = list(finding.series)
    if finding.worker is not None and not set(names) & set(ARRAYS):
        names.append(scale_array(canvas.history))
    judged = judged_series(canvas.history, finding)
    plots = []
    for name in dict.fromkeys(names):
        if canvas.history.has(name):
            bound = finding.threshold if name == judged else None
            plots.append(series_chart(canvas, name, size="wide", finding=finding, threshold=bound))
        elif name in ARRAYS:
            plots.append(worker_lines(canvas, name, ARRAYS[name], finding))
    return [plot for plot in plots if plot is not None][:MOST_PLOTS]


def _remark(canvas: Canvas, i: int, finding: Finding, charts: Sequence[Chart]) -> str:
    """Why there is no plot, or no threshold in it."""
    if charts:
        drawn = judged_series(canvas.history, finding) is not None
        said = "The threshold is about a number derived from these series: no line can mark it."
        return "" if drawn else said
    if i >= MOST_PLOTTED:
        return f"Only the first {MOST_PLOTTED} findings are plotted."
    return f"This history does not hold the series behind it ({', '.join(finding.series)})."


def _detail(history: History, verdict: Verdict) -> str:
    seen = f"{counted(len(history), 'snapshot')} up to step {history.step:,}"
    if verdict.findings:
        return f"{counted(len(verdict.findings), 'finding')} in {seen}."
    return f"Judged on {seen}." if len(history) else "No snapshot was recorded."
