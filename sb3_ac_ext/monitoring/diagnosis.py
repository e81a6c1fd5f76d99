"""Findings -> ranked causes, each with its evidence and what it explains away. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from sb3_ac_ext.monitoring.causes import CAUSES, Cause
from sb3_ac_ext.monitoring.contrary import CONTRARY, held
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Diagnosis, Finding, Severity

_TRUST = {Severity.INFO: 0.4, Severity.WARNING: 0.7, Severity.CRITICAL: 1.0}
_LIKELY, _NEARLY = 0.3, 0.9
_CERTAINTY = {1: 0.7, 2: 0.85, 3: 1.0}


def diagnose(
    findings: Sequence[Finding],
    history: History | None = None,
    causes: Mapping[str, Cause] = CAUSES,
) -> tuple[Diagnosis, ...]:
    """Rank the causes that the findings point to.

    The confidence of a cause is the noisy-or of its findings, 1 - prod(1 - weight x trust), with
    trust by severity, halved by each observation of the history that speaks against it. A cause
    that a likely one explains, or that only stands second to explained ones, loses three quarters
    of its confidence. What is only worth a note comes last; sorted by confidence weighted by the
    certainty of its kind of evidence.

    :param findings: one per alert
    :param history: that they were found in; without it nothing speaks against a cause
    :param causes: the table of causes
    :raises KeyError: when a finding names a cause that the table lacks
    """
    supports: dict[str, list[Finding]] = {}
    for finding in findings:
        for cause in finding.causes:
            supports.setdefault(cause, []).append(finding)
    against = {cause: _against(causes[cause], history) for cause in supports}
    confidence = {
        cause: _noisy_or(cause, found) * 0.5 ** len(against[cause])
        for cause, found in supports.items()
    }
    explained_by = _explainers(confidence, causes)
    explained_by |= _with_their_findings(explained_by, supports)
    exact = None if history is None else held(history)
    diagnoses = []
    for cause, found in supports.items():
        notes = (*_explained(cause, explained_by, causes), *against[cause])
        if exact is not None and causes[cause].certainty < 3:
            notes = (*notes, exact)
        master = explained_by[cause]
        diagnoses.append(_diagnosis(cause, causes[cause], found, confidence[cause], notes, master))
    return tuple(sorted(diagnoses, key=lambda d: _rank(d, causes)))


def _against(cause: Cause, history: History | None) -> tuple[str, ...]:
    if history is None:
        return ()
    seen = (CONTRARY[name](history) for name in cause.against)
    return tuple(f"against it: {text}" for text in seen if text is not None)


def _explained(
    cause: str, explained_by: Mapping[str, str | None], causes: Mapping[str, Cause]
) -> tuple[str, ...]:
    master = explained_by[cause]
    notes = tuple(
        f"{causes[other].title}: explained by this cause"
        for other, by in explained_by.items()
        if by == cause
    )
    return notes if master is None else (f"explained by: {causes[master].title}", *notes)


def _noisy_or(cause: str, findings: Sequence[Finding]) -> float:
    return 1.0 - math.prod(1.0 - f.causes[cause] * _TRUST[f.severity] for f in findings)


def _explainers(
    confidence: Mapping[str, float], causes: Mapping[str, Cause]
) -> dict[str, str | None]:
    """For each cause the likeliest one that explains it away: nearly as likely as itself, and not
    explained away in turn."""
    found: dict[str, str | None] = {}
    for cause in sorted(confidence, key=lambda c: -_CERTAINTY[causes[c].certainty] * confidence[c]):
        least = max(_LIKELY, _NEARLY * confidence[cause])
        candidates = [
            other
            for other, value in confidence.items()
            if value >= least and cause in causes[other].explains and found.get(other) is None
        ]
        found[cause] = max(candidates, key=lambda other: confidence[other], default=None)
    return found


def _with_their_findings(
    explained_by: Mapping[str, str | None], supports: Mapping[str, Sequence[Finding]]
) -> dict[str, str]:
    """Causes that only stand second to explained ones: what explains these explains them too."""
    found: dict[str, str] = {}
    for cause, findings in supports.items():
        leading = [finding.leading_cause for finding in findings]
        masters = [master for other in leading if (master := explained_by[other]) is not None]
        alone = explained_by[cause] is None and cause not in (*leading, *masters)
        if alone and len(masters) == len(leading):
            found[cause] = masters[0]
    return found


def _diagnosis(
    name: str,
    cause: Cause,
    findings: Sequence[Finding],
    confidence: float,
    notes: tuple[str, ...],
    master: str | None,
) -> Diagnosis:
    ordered = sorted(findings, key=lambda f: (-f.causes[name], -f.severity, f.since))
    severity = max(f.severity for f in findings)
    return Diagnosis(
        cause=name,
        title=cause.title,
        severity=severity if master is None else Severity.INFO,
        confidence=confidence * (0.25 if master is not None else 1.0),
        since=min(f.since for f in findings),
        evidence=tuple(f.message for f in ordered),
        detectors=tuple(f.detector for f in ordered),
        advice=cause.remedy,
        ruled_out=notes,
    )


def _rank(diagnosis: Diagnosis, causes: Mapping[str, Cause]) -> tuple[bool, float, int]:
    certainty = _CERTAINTY[causes[diagnosis.cause].certainty]
    minor = diagnosis.severity == Severity.INFO
    return minor, -certainty * diagnosis.confidence, diagnosis.since
