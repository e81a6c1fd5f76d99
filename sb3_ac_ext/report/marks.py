"""When a finding began, when it was raised, and which series its threshold is about."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Finding, Severity
from sb3_ac_ext.report.chart import Canvas, Frame

MOST_MARKS = 6


def mark_moments(
    frame: Frame, canvas: Canvas, names: Sequence[str], finding: Finding | None, moments: bool
) -> None:
    """Draw one finding's moments in full, or those of all findings on these series lightly.

    :param finding: the one the plot is evidence for
    :param moments: mark every finding that is more than a remark, whatever series it is about, and
        every action
    """
    if finding is not None:
        mark_finding(frame, finding)
        return
    touching = canvas.touching(names)
    if moments:
        touching += [other for other in canvas.findings if other.severity > Severity.INFO]
    for since in sorted({other.since for other in touching})[:MOST_MARKS]:
        frame.mark(since, below=True)
    if moments:
        steps = sorted({event.step for event in canvas.history.events})[:MOST_MARKS]
        for step in steps:  # labels of moments that are close would lie over each other
            frame.mark(step, "action" if step == steps[0] else "")


def mark_finding(frame: Frame, finding: Finding) -> None:
    """The region from the first symptom to the alert."""
    frame.region(finding.since, finding.step)
    frame.mark(finding.since, f"since {finding.since:,}")
    if finding.step > finding.since:
        # on a phone there is room for the second label only across most of the plot
        apart = finding.step - finding.since > 0.65 * (frame.span[1] - frame.span[0])
        frame.mark(finding.step, f"raised {finding.step:,}" if apart else "", below=True)


def judged_series(history: History, finding: Finding) -> str | None:
    """The first of a finding's series that its threshold is about.

    A detector may judge a ratio or a slope of what it shows; its bound belongs in a plot only when
    the value it judged is what the series was at the moment of the finding: the newest point, or
    the mean or median since the symptom began.
    """
    if not np.isfinite([finding.threshold, finding.value]).all():
        return None
    for name in finding.series:
        series = history.series(name).finite()
        until = series.steps <= finding.step
        window = series.values[until & (series.steps >= finding.since)]
        if not len(window):
            window = series.values[until][-1:]
        if not len(window):
            continue
        levels = np.array([window[-1], window.mean(), np.median(window)])
        if (np.abs(levels - finding.value) <= 0.05 * np.abs(levels)).any():
            return name
    return None
