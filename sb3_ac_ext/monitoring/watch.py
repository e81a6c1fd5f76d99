"""Detectors over a growing history: new findings as they come, a verdict at any time."""

from __future__ import annotations

from collections.abc import Sequence

from sb3_ac_ext.monitoring.detectors import Detector, default_detectors
from sb3_ac_ext.monitoring.diagnosis import diagnose
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Finding, Severity, Verdict

_ENOUGH = 5


class Watch:
    """Asks all detectors after every snapshot and remembers each alert at its gravest.

    :param detectors: in the order of asking
    """

    def __init__(self, detectors: Sequence[Detector]) -> None:
        self._detectors = detectors
        self._alerts: dict[tuple[str, int | None], Finding] = {}

    def update(self, history: History) -> list[Finding]:
        """Findings at the history's newest snapshot that are new, or graver than before."""
        news = []
        for detector in self._detectors:
            finding = detector.check(history)
            if finding is None:
                continue
            known = self._alerts.get(finding.key)
            if known is None or finding.severity > known.severity:
                self._alerts[finding.key] = finding
                news.append(finding)
        return news

    def verdict(self, history: History) -> Verdict:
        """The judgement of everything seen so far."""
        findings = tuple(self._alerts.values())
        gravest = max((finding.severity for finding in findings), default=Severity.INFO)
        if gravest > Severity.INFO:
            status = gravest.label
        else:
            status = "healthy" if len(history) >= _ENOUGH else "not enough evidence"
        return Verdict(status, findings, diagnose(findings))


def judge(history: History, detectors: Sequence[Detector] | None = None) -> Verdict:
    """Replay a recorded history through the detectors, snapshot by snapshot, as if it were live.

    :param history: complete, from a file or a run
    :param detectors: the default ones when not given
    """
    watch = Watch(default_detectors() if detectors is None else detectors)
    for n in range(1, len(history) + 1):
        watch.update(history.until(n))
    return watch.verdict(history)
