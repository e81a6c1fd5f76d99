"""From judged cases to numbers: recall, causes, delays, false alarms, confusion. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sb3_ac_ext.benchmark.faults.cases import Case
from sb3_ac_ext.benchmark.faults.judge import NO_HISTORY, Judged
from sb3_ac_ext.benchmark.faults.peers import PeerVerdicts
from sb3_ac_ext.benchmark.faults.records import PeerVerdict, Result
from sb3_ac_ext.benchmark.faults.split import Split
from sb3_ac_ext.benchmark.faults.statistics import Harm, Rate, harm, quartiles, rate

HARMFUL, DEFECT, UNHARMED, BENIGN = "harmful", "defect", "no measured harm", "benign"
IDLE = "never acted"
CLASSES = (HARMFUL, DEFECT, UNHARMED, BENIGN, IDLE)
MUST_BE_FOUND = (HARMFUL, DEFECT)

Row = tuple[float, ...]
Group = tuple[str, float | None, str]
"""Fault, severity and scenario: what harm is measured for, over seeds."""


@dataclass(frozen=True)
class Found:
    """How well one group of faulty runs is recognised.

    :param found: runs with at least a warning
    :param first: runs whose true cause is named first; the others count, found or not
    :param first_three: runs whose true cause is among the first three
    :param delay: quartiles of the share of the budget until the first warning, of those found
    """

    label: str
    found: Rate
    first: Rate
    first_three: Rate
    delay: tuple[float, float, float]


@dataclass(frozen=True)
class Alarms:
    """How often runs that nothing is wrong with raise an alarm.

    :param warned: runs with at least a warning
    """

    label: str
    critical: Rate
    warned: Rate


@dataclass(frozen=True)
class PeerRow:
    """How another package, or ours, does on the same runs.

    :param found: runs of harmful faults and defects with at least a warning
    :param critical: healthy runs with a false critical
    :param warned: healthy runs with at least a warning
    :param missing: why it was not asked
    """

    label: str
    found: Rate
    critical: Rate
    warned: Rate
    missing: str = ""


@dataclass(frozen=True)
class FaultRow:
    """One fault in one scenario.

    Where it never acted (no time limit came that it could mishandle) in any run, it is told so;
    runs in which it did not need not be found.

    :param kind: what it turned out to be, one of :data:`CLASSES`
    :param expected: what its registration says
    :param detectors: that raised an alarm, the most frequent first
    :param instead: causes that were named first in place of the true one
    """

    fault: str
    component: str
    cause: str
    scenario: str
    kind: str
    expected: str
    harm: Harm | None
    result: Found
    detectors: tuple[str, ...]
    instead: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """All numbers of one part of the split.

    :param recognised: rows for all faults that must be found, each class, each component
    :param alarms: rows for all healthy runs, for the benign faults, each kind of settings, each
        algorithm, each environment
    :param faults: a row per fault and scenario
    :param confusion: (true cause, cause named first) -> runs, of those that must be found
    :param surprises: benign faults that turned out to cost return here
    :param unrecorded: runs without a history, because their process died; a healthy one is left out
        of the numbers, a faulty one counts as not found
    :param peers: rows for our verdicts and those of other packages, on all runs and on PPO's
    """

    name: str
    recognised: tuple[Found, ...] = ()
    alarms: tuple[Alarms, ...] = ()
    faults: tuple[FaultRow, ...] = ()
    confusion: Mapping[tuple[str, str], int] = field(default_factory=dict)
    surprises: tuple[str, ...] = ()
    unrecorded: tuple[str, ...] = ()
    peers: tuple[PeerRow, ...] = ()


def summarise(
    judged: Sequence[Judged],
    split: Split,
    parts: Iterable[str],
    peers: Sequence[PeerVerdicts] = (),
) -> list[Part]:
    """
    :param judged: of all parts; harm is measured on all seeds that are there, whatever the part
    :param parts: names of parts of the split
    :param peers: what other packages say of the same runs
    """
    harms = measured_harm(judged)
    return [
        _part(name, [j for j in judged if split.contains(name, j.result.case)], harms, peers)
        for name in parts
    ]


def measured_harm(judged: Iterable[Judged]) -> dict[Group, Harm | None]:
    """What each fault costs in each scenario, against the clean runs of the same seeds.

    A fault that changes training and evaluation alike makes another task of it: what it costs is
    measured in that task. A benign one costs something only where it does in both tasks, for
    rewards on another scale have other returns.
    """
    clean: dict[str, dict[int, Row]] = {}
    broken: dict[Group, list[Result]] = {}
    for one in judged:
        case = one.result.case
        if case.fault is None:
            clean.setdefault(case.scenario.name, {})[case.seed] = one.result.returns
        else:
            broken.setdefault(group(case), []).append(one.result)
    return {key: _harm([*clean.get(key[2], {}).values()], runs) for key, runs in broken.items()}


def _harm(clean: Sequence[Row], broken: Sequence[Result]) -> Harm | None:
    in_clean = harm(clean, [run.returns for run in broken])
    if any(run.own_returns is None for run in broken):
        return in_clean
    own = harm(clean, [run.own_returns or () for run in broken])
    if in_clean is None or own is None or broken[0].truth is None:
        return None
    return min(own, in_clean, key=_excess) if broken[0].truth.kind == BENIGN else own


def _excess(measured: Harm) -> float:
    return measured.gap / measured.deviation if measured.deviation else measured.gap


def group(case: Case) -> Group:
    return case.fault or "", case.severity, case.scenario.name


def kind_of(expected: str, measured: Harm | None) -> str:
    """What a fault is in one scenario: benign and defect as registered, harm as measured.

    A fault that is registered as benign stays a negative control, even where it costs return;
    :attr:`Part.surprises` lists it.
    """
    if expected == BENIGN:
        return BENIGN
    if measured is not None and measured.harmful:
        return HARMFUL
    return DEFECT if expected == DEFECT else UNHARMED


def _kind(runs: Sequence[Judged], measured: Harm | None) -> str:
    """What a fault is in runs of it: what can be found in none of them need not be."""
    assert runs[0].result.truth is not None
    kind = kind_of(runs[0].result.truth.kind, measured)
    return IDLE if kind != BENIGN and all(one.idle for one in runs) else kind


def _part(
    name: str,
    judged: Sequence[Judged],
    harms: Mapping[Group, Harm | None],
    peers: Sequence[PeerVerdicts],
) -> Part:
    healthy = [j for j in judged if j.result.case.fault is None and j.status != NO_HISTORY]
    kinds: dict[str, list[Judged]] = {kind: [] for kind in CLASSES}
    groups: dict[Group, list[Judged]] = {}
    for one in judged:
        if one.result.truth is not None:
            key = group(one.result.case)
            kinds[_kind([one], harms[key])].append(one)
            groups.setdefault(key, []).append(one)
    must = [one for kind in MUST_BE_FOUND for one in kinds[kind]]
    rows = tuple(
        _fault_row(key, found, harms[key]) for key, found in sorted(groups.items(), key=_key)
    )
    return Part(
        name=name,
        recognised=tuple(_recognised(kinds, must)),
        alarms=tuple(_alarms(healthy, kinds[BENIGN])),
        faults=rows,
        confusion=Counter((_truth(one), one.named) for one in must),
        surprises=tuple(
            f"{row.fault} in {row.scenario}"
            for row in rows
            if row.kind == BENIGN and row.harm is not None and row.harm.harmful
        ),
        unrecorded=tuple(j.result.case.slug for j in judged if j.status == NO_HISTORY),
        peers=tuple(_peers(peers, must, healthy)) if peers else (),
    )


def _key(item: tuple[Group, Sequence[Judged]]) -> tuple[str, str, float]:
    fault, severity, scenario = item[0]
    return fault, scenario, severity or 0.0


def _recognised(kinds: Mapping[str, Sequence[Judged]], must: Sequence[Judged]) -> Iterable[Found]:
    yield recognised("harmful and defects", must)
    for kind in (HARMFUL, DEFECT, UNHARMED, IDLE):
        yield recognised(kind, kinds[kind])
    for component, found in _by(must, lambda one: one.result.truth.component).items():  # type: ignore[union-attr]
        yield recognised(f"in {component}", found)


def recognised(label: str, runs: Sequence[Judged]) -> Found:
    return Found(
        label=label,
        found=rate([one.alarmed for one in runs]),
        first=rate([one.names_cause(1) for one in runs]),
        first_three=rate([one.names_cause(3) for one in runs]),
        delay=quartiles([one.delay for one in runs if one.delay is not None]),
    )


def _peers(
    peers: Sequence[PeerVerdicts], must: Sequence[Judged], healthy: Sequence[Judged]
) -> Iterable[PeerRow]:
    both = (*must, *healthy)
    ours = {one.result.case.slug: PeerVerdict(one.critical, one.alarmed) for one in both}
    for peer in (PeerVerdicts("sb3_ac_ext", ours), *peers):
        if peer.missing:
            yield PeerRow(peer.name, rate([]), rate([]), rate([]), peer.missing)
            continue
        for label, algos in ((peer.name, None), (f"{peer.name}, PPO only", ("ppo",))):
            broken, sound = (
                [
                    peer.verdicts[one.result.case.slug]
                    for one in runs
                    if one.result.case.slug in peer.verdicts
                    and (algos is None or one.result.case.scenario.algo in algos)
                ]
                for runs in (must, healthy)
            )
            yield PeerRow(
                label,
                rate([verdict.warned for verdict in broken]),
                rate([verdict.critical for verdict in sound]),
                rate([verdict.warned for verdict in sound]),
            )


def _alarms(healthy: Sequence[Judged], benign: Sequence[Judged]) -> Iterable[Alarms]:
    yield alarms("healthy runs", healthy)
    yield alarms("benign faults", benign)
    for name, value in (
        ("settings", lambda one: one.result.case.scenario.settings),
        ("algorithm", lambda one: one.result.case.scenario.algo),
        ("environment", lambda one: one.result.case.scenario.env_id),
    ):
        for key, runs in _by(healthy, value).items():
            yield alarms(f"{name} {key}", runs)


def alarms(label: str, runs: Sequence[Judged]) -> Alarms:
    return Alarms(label, rate([j.critical for j in runs]), rate([j.alarmed for j in runs]))


def _fault_row(key: Group, runs: Sequence[Judged], measured: Harm | None) -> FaultRow:
    fault, severity, scenario = key
    truth = runs[0].result.truth
    assert truth is not None
    raised = Counter(name for one in runs for name in one.detectors)
    named = Counter(one.named for one in runs if one.alarmed and one.named != truth.cause)
    return FaultRow(
        fault=fault if severity is None else f"{fault} x{severity:g}",
        component=truth.component,
        cause=truth.cause,
        scenario=scenario,
        kind=_kind(runs, measured),
        expected=truth.kind,
        harm=measured,
        result=recognised(fault, runs),
        detectors=tuple(name for name, _ in raised.most_common(4)),
        instead=tuple(name for name, _ in named.most_common(3)),
    )


def _by(runs: Iterable[Judged], value: Callable[[Judged], str]) -> dict[str, list[Judged]]:
    groups: dict[str, list[Judged]] = {}
    for one in runs:
        groups.setdefault(value(one), []).append(one)
    return dict(sorted(groups.items()))


def _truth(one: Judged) -> str:
    assert one.result.truth is not None
    return one.result.truth.cause
