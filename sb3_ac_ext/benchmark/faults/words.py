"""How the tables say numbers, the same in terminal, Markdown and HTML."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from sb3_ac_ext.benchmark.faults.judge import Judged
from sb3_ac_ext.benchmark.faults.statistics import Rate
from sb3_ac_ext.benchmark.faults.summary import Alarms, FaultRow, Found, Part, PeerRow

TITLES = {
    "tuning": "Tuning half: faults, scenarios and seeds that thresholds were set on",
    "fresh": "Fresh: seeds, and scenarios for each fault, that no threshold was set on",
    "earlier": "Earlier rounds of fresh runs: read before, and set by since",
    "held-out": "Held out: faults and seeds that no threshold was set on",
    "strictly-held-out": "Held out strictly: faults, seeds and scenarios that no threshold was set "
    "on",
    "all": "All runs",
}
FOUND_HEADINGS = ("faulty runs", "runs", "found", "cause first", "in first three", "until found")
ALARM_HEADINGS = ("runs without a fault", "runs", "critical", "any warning")
PEER_HEADINGS = (
    "monitor",
    "faulty runs",
    "found",
    "healthy runs",
    "false critical",
    "any false warning",
)
FAULT_HEADINGS = (
    "fault",
    "component",
    "scenario",
    "it is",
    "clean return",
    "broken",
    "found",
    "cause first",
    "until found",
    "named instead",
)
BOUNDS = "at least 95 % found, 90 % named first, 98 % in the first three; at most 1 % of healthy "
BOUNDS += "runs with a false critical, 5 % with any warning"


def percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{100 * share:.1f} %"


def rate(value: Rate, interval: bool = True) -> str:
    """Share with its 95 % interval: ``95.0 % (88.7 to 98.4)``."""
    if not value.n:
        return "–"
    low, high = value.interval
    return percent(value.share) + (f" ({100 * low:.1f} to {100 * high:.1f})" if interval else "")


def delay(quartiles: tuple[float, float, float]) -> str:
    """Median and quartiles of the share of the budget: ``4 % (2 to 10)``."""
    low, middle, high = (100 * share for share in quartiles)
    return "–" if math.isnan(middle) else f"{middle:.0f} % ({low:.0f} to {high:.0f})"


def found_row(row: Found) -> tuple[str, ...]:
    return (
        row.label,
        str(row.found.n),
        rate(row.found),
        rate(row.first),
        rate(row.first_three),
        delay(row.delay),
    )


def alarm_row(row: Alarms) -> tuple[str, ...]:
    return row.label, str(row.warned.n), rate(row.critical), rate(row.warned)


def peer_row(row: PeerRow) -> tuple[str, ...]:
    if row.missing:
        return row.label, "–", row.missing, "–", "–", "–"
    counts = str(row.found.n), str(row.warned.n)
    return (
        row.label,
        counts[0],
        rate(row.found),
        counts[1],
        rate(row.critical),
        rate(row.warned),
    )


def fault_row(row: FaultRow) -> tuple[str, ...]:
    first = row.result.first
    return (
        row.fault,
        row.component,
        row.scenario,
        row.kind,
        "–" if row.harm is None else number(row.harm.clean),
        "–" if row.harm is None else number(row.harm.broken),
        f"{row.result.found.k} of {row.result.found.n}",
        "–" if row.kind == "benign" else f"{first.k} of {first.n}",
        delay(row.result.delay),
        ", ".join(row.instead),
    )


def number(value: float) -> str:
    return f"{value:,.1f}" if math.isfinite(value) else "no return"


def recorded_with(judged: Iterable[Judged]) -> str:
    """Commits, dates and versions that the runs were recorded with."""
    origins = [one.result.origin for one in judged]
    parts = []
    for name in ("commit", "date", "stable-baselines3", "torch", "gymnasium"):
        values = sorted({origin[name] for origin in origins if name in origin})
        if values:
            shown = f"{values[0]} to {values[-1]}" if name == "date" and values[1:] else None
            parts.append(f"{name} {shown or ', '.join(values)}")
    return "; ".join(parts)


def harm_rule() -> str:
    """What "harmful" means, in one paragraph."""
    return (
        "Harmful: the mean return of the deterministic policy in a clean environment lies below "
        "that of the healthy runs of the same seeds by more than three of the larger standard "
        "deviation over seeds; the deviation counts as at least 2 % of the clean return and one "
        "standard error of a seed's mean. A policy that cannot act any more is harmful. Defect: "
        "registered as one, and not harmful here. No measured harm: registered as harmful, and "
        "not harmful here. Benign: registered as a legitimate change."
    )


def missed(rows: Sequence[FaultRow]) -> list[FaultRow]:
    """Faults that had to be found in every run, and were not."""
    must = [row for row in rows if row.kind in ("harmful", "defect")]
    return [row for row in must if row.result.found.k < row.result.found.n]


def remarks(part: Part) -> list[str]:
    """What a reader of the numbers must know beside them."""
    return [
        *(f"Registered as benign, yet it cost return: {text}." for text in part.surprises),
        *(f"No history, its process died: {slug}." for slug in part.unrecorded),
    ]
