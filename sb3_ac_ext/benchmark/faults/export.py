"""All numbers as one JSON document."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sb3_ac_ext.benchmark.faults.judge import Judged
from sb3_ac_ext.benchmark.faults.origin import origin
from sb3_ac_ext.benchmark.faults.statistics import CONFIDENCE, Harm, Rate
from sb3_ac_ext.benchmark.faults.summary import FaultRow, Found, Part, PeerRow
from sb3_ac_ext.benchmark.faults.words import recorded_with


def document(parts: Sequence[Part], judged: Sequence[Judged]) -> dict[str, Any]:
    """
    :param parts: of the split
    :param judged: all runs
    """
    return {
        "version": 1,
        "confidence": CONFIDENCE,
        "judged": origin(),
        "recorded": recorded_with(judged),
        "parts": [_part(part) for part in parts],
        "cases": [one.to_json() for one in judged],
    }


def _part(part: Part) -> dict[str, Any]:
    return {
        "name": part.name,
        "recognised": [_found(row) for row in part.recognised],
        "alarms": [
            {"label": row.label, "critical": _rate(row.critical), "warned": _rate(row.warned)}
            for row in part.alarms
        ],
        "faults": [_fault(row) for row in part.faults],
        "confusion": [
            {"true": true, "named": named, "runs": n}
            for (true, named), n in sorted(part.confusion.items())
        ],
        "surprises": list(part.surprises),
        "unrecorded": list(part.unrecorded),
        "peers": [_peer(row) for row in part.peers],
    }


def _peer(row: PeerRow) -> dict[str, Any]:
    rates = {name: _rate(getattr(row, name)) for name in ("found", "critical", "warned")}
    return {"label": row.label, "missing": row.missing, **rates}


def _fault(row: FaultRow) -> dict[str, Any]:
    names = ("fault", "component", "cause", "scenario", "kind", "expected")
    return {
        **{name: getattr(row, name) for name in names},
        **_found(row.result),
        "harm": None if row.harm is None else _harm(row.harm),
        "detectors": list(row.detectors),
        "instead": list(row.instead),
    }


def _found(row: Found) -> dict[str, Any]:
    return {
        "label": row.label,
        "found": _rate(row.found),
        "first": _rate(row.first),
        "first_three": _rate(row.first_three),
        "delay": [_number(value) for value in row.delay],
    }


def _rate(rate: Rate) -> dict[str, Any]:
    low, high = rate.interval
    return {
        "k": rate.k,
        "n": rate.n,
        "share": _number(rate.share),
        "low": _number(low),
        "high": _number(high),
    }


def _harm(harm: Harm) -> dict[str, Any]:
    return {name: _number(value) for name, value in asdict(harm).items()}


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None
