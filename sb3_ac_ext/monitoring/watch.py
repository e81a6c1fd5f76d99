"""Detectors over a growing history: new findings as they come, a verdict at any time."""

from __future__ import annotations

from collections.abc import Sequence

from sb3_ac_ext.monitoring.causes import CAUSES
from sb3_ac_ext.monitoring.detectors import Detector, default_detectors
from sb3_ac_ext.monitoring.diagnosis import diagnose
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Finding, Severity, Verdict

_ENOUGH = 5


class Watch:
    """Asks all detectors after every snapshot and remembers each finding at its gravest.

    ``current`` holds what they find at the newest snapshot, new or not.

    :param detectors: in the order of asking
    """

    def __init__(self, detectors: Sequence[Detector]) -> None:
        self._detectors = detectors
        self._found: dict[tuple[str, int | None], Finding] = {}
        self._alerts: list[Finding] = []
        self.current: list[Finding] = []

    def update(self, history: History) -> list[Finding]:
        """Findings at the newest snapshot to tell people: new, or graver than before, and with a
        cause that no alert as grave has named or explained already."""
        news, self.current = [], []
        for detector in self._detectors:
            finding = detector.check(history)
            if finding is None:
                continue
            self.current.append(finding)
            known = self._found.get(finding.key)
            if known is not None and finding.severity <= known.severity:
                continue
            self._found[finding.key] = finding
            if not any(_covers(alert, finding) for alert in self._alerts):
                self._alerts.append(finding)
                news.append(finding)
        return news

    def verdict(self, history: History) -> Verdict:
        """The judgement of everything seen so far."""
        findings = tuple(self._found.values())
        gravest = max((finding.severity for finding in findings), default=Severity.INFO)
        if gravest > Severity.INFO:
            status = gravest.label
        else:
            status = "healthy" if len(history) >= _ENOUGH else "not enough evidence"
        return Verdict(status, findings, diagnose(findings, history), tuple(history.events))


def _covers(alert: Finding, finding: Finding) -> bool:
    """Whether people who got the alert need not be told of the finding."""
    if alert.severity < finding.severity or not alert.causes or not finding.causes:
        return False
    known, new = alert.leading_cause, finding.leading_cause
    if new in CAUSES[known].explains:
        return True
    return known == new and alert.worker == finding.worker


def judge(history: History, detectors: Sequence[Detector] | None = None) -> Verdict:
    """Replay a recorded history through the detectors, snapshot by snapshot, as if it were live.

    :param history: complete, from a file or a run
    :param detectors: the default ones when not given
    """
    watch = Watch(default_detectors() if detectors is None else detectors)
    for n in range(1, len(history) + 1):
        watch.update(history.until(n))
    return watch.verdict(history)
