"""Findings -> ranked causes, each with its evidence and what it explains away. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from sb3_ac_ext.monitoring.causes import CAUSES, Cause
from sb3_ac_ext.monitoring.records import Diagnosis, Finding, Severity

_TRUST = {Severity.INFO: 0.4, Severity.WARNING: 0.7, Severity.CRITICAL: 1.0}
_LIKELY = 0.3


def diagnose(
    findings: Sequence[Finding], causes: Mapping[str, Cause] = CAUSES
) -> tuple[Diagnosis, ...]:
    """Rank the causes that the findings point to.

    The confidence of a cause is the noisy-or of its findings, 1 - prod(1 - weight x trust), with
    trust by severity. A cause that a likely one explains loses three quarters of its
    confidence. Sorted by severity, then certainty of the evidence, then confidence.

    :param findings: one per alert
    :param causes: the table of causes
    :raises KeyError: when a finding names a cause that the table lacks
    """
    supports: dict[str, list[Finding]] = {}
    for finding in findings:
        for cause in finding.causes:
            supports.setdefault(cause, []).append(finding)
    confidence = {cause: _noisy_or(cause, found) for cause, found in supports.items()}
    explained_by = {cause: _explainer(cause, confidence, causes) for cause in supports}
    diagnoses = [
        _diagnosis(cause, found, confidence, explained_by, causes)
        for cause, found in supports.items()
    ]
    return tuple(sorted(diagnoses, key=lambda d: _rank(d, causes)))


def _noisy_or(cause: str, findings: Sequence[Finding]) -> float:
    return 1.0 - math.prod(1.0 - f.causes[cause] * _TRUST[f.severity] for f in findings)


def _explainer(
    cause: str, confidence: Mapping[str, float], causes: Mapping[str, Cause]
) -> str | None:
    """The likeliest cause that explains this one away."""
    candidates = [
        other
        for other, value in confidence.items()
        if value >= _LIKELY and cause in causes[other].explains
    ]
    return max(candidates, key=lambda other: confidence[other], default=None)


def _diagnosis(
    cause: str,
    findings: Sequence[Finding],
    confidence: Mapping[str, float],
    explained_by: Mapping[str, str | None],
    causes: Mapping[str, Cause],
) -> Diagnosis:
    entry, master = causes[cause], explained_by[cause]
    ordered = sorted(findings, key=lambda f: (-f.severity, f.since))
    notes = tuple(
        f"{causes[other].title}: explained by this cause"
        for other, by in explained_by.items()
        if by == cause
    )
    if master is not None:
        notes = (f"explained by: {causes[master].title}", *notes)
    return Diagnosis(
        cause=cause,
        title=entry.title,
        severity=ordered[0].severity if master is None else Severity.INFO,
        confidence=confidence[cause] * (0.25 if master is not None else 1.0),
        since=min(f.since for f in findings),
        evidence=tuple(f.message for f in ordered),
        detectors=tuple(f.detector for f in ordered),
        advice=entry.remedy,
        ruled_out=notes,
    )


def _rank(diagnosis: Diagnosis, causes: Mapping[str, Cause]) -> tuple[float, float, float, int]:
    certainty = causes[diagnosis.cause].certainty
    return -diagnosis.severity, -certainty, -diagnosis.confidence, diagnosis.since
