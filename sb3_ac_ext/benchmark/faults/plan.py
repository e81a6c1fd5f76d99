"""Which cases a grid consists of."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from itertools import chain

from sb3_ac_ext.benchmark.faults.cases import (
    Case,
    Scenario,
    Subject,
    faulty_cases,
    healthy_cases,
)
from sb3_ac_ext.benchmark.faults.scenarios import DEFAULT, MAIN, QUICK, TUNED
from sb3_ac_ext.benchmark.faults.split import FRESH, ROUNDS, Split, extended

PARTS = ("healthy", "faulty", "all")
SEEDS = tuple(range(6))
ALL_SEEDS = (*SEEDS, *chain.from_iterable(ROUNDS))
PER_FAULT = 2
"""Scenarios per fault; raising it keeps those that were chosen before."""
SCENARIOS: tuple[Scenario, ...] = (*MAIN, *TUNED, *DEFAULT)


def planned(
    subjects: Iterable[Subject],
    split: Split,
    part: str = "all",
    quick: bool = False,
    only: str = "",
) -> list[Case]:
    """The cases of the grid, in the order in which they are run.

    :param subjects: the faults
    :param split: faults of its tuning half get scenarios and seeds of that half, held-out faults
        held-out seeds and any scenarios; all get one more scenario in each round of fresh seeds
    :param part: ``healthy``, ``faulty`` (with the healthy runs that harm is measured against), or
        ``all``
    :param quick: a selection of about ten minutes on two cores: fast scenarios, every held-out
        fault in one of them, with one fresh seed
    :param only: regular expression that the names of cases must contain
    :raises ValueError: for an unknown part, an expression that is none, or one that nothing matches
    """
    if part not in PARTS:
        raise ValueError(f"unknown part {part!r}: accepted are {', '.join(PARTS)}")
    try:
        pattern = re.compile(only)
    except re.error as error:
        raise ValueError(f"{only!r} is not a regular expression: {error}") from None
    cases: list[Case] = []
    if part != "healthy":
        cases += _quick_faults(subjects, split) if quick else _all_faults(subjects, split)
    if part != "faulty":
        scenarios = QUICK if quick else SCENARIOS
        cases += healthy_cases(scenarios, FRESH if quick else ALL_SEEDS)
    chosen = [case for case in _unique(cases) if pattern.search(case.slug)]
    if not chosen:
        raise ValueError(f"no case's name contains {only!r}; one is {cases[0].slug!r}")
    return chosen


def _all_faults(subjects: Iterable[Subject], split: Split) -> list[Case]:
    subjects = tuple(subjects)
    cases = _seen(subjects, split)
    for seeds in ROUNDS:
        cases += _fresh_faults(subjects, MAIN, seeds, cases)
    return [*healthy_cases(MAIN, ALL_SEEDS), *cases]


def _quick_faults(subjects: Iterable[Subject], split: Split) -> list[Case]:
    chosen = [subject for subject in subjects if subject.name in split.held_out["faults"]]
    seen = [case for case in _all_faults(chosen, split) if case.seed not in FRESH]
    return [*healthy_cases(QUICK, FRESH), *_fresh_faults(chosen, QUICK, FRESH[:1], seen)]


def _seen(subjects: Iterable[Subject], split: Split) -> list[Case]:
    """Those of both halves."""
    subjects = tuple(subjects)
    tuning = [s for s in subjects if s.name in split.tuning["faults"]]
    held_out = [s for s in subjects if s.name in split.held_out["faults"]]
    known = [scenario for scenario in MAIN if scenario.name in split.tuning["scenarios"]]
    return [
        *faulty_cases(tuning, known, _seeds(split.tuning), PER_FAULT),
        *faulty_cases(held_out, MAIN, _seeds(split.held_out), PER_FAULT),
    ]


def _fresh_faults(
    subjects: Iterable[Subject],
    scenarios: Iterable[Scenario],
    seeds: Iterable[int],
    seen: Iterable[Case],
) -> list[Case]:
    """Every fault in one scenario that it was not run in before."""
    scenarios, seeds = tuple(scenarios), tuple(seeds)
    used = {(case.fault, case.scenario.name) for case in seen}
    cases = []
    for subject in subjects:
        other = [s for s in scenarios if (subject.name, s.name) not in used]
        cases += faulty_cases([subject], other, seeds, most=1)
    return cases


def _seeds(half: Mapping[str, Collection[str]]) -> tuple[int, ...]:
    return tuple(seed for seed in SEEDS if str(seed) in half["seeds"])


def _unique(cases: Iterable[Case]) -> list[Case]:
    return list({case.slug: case for case in cases}.values())


def with_all_names(split: Split, components: Mapping[str, str]) -> Split:
    """The split with every fault, scenario and seed of the plan in one of its halves.

    :param components: name of fault -> component, each of which is split in half
    """
    scenarios = {scenario.name: scenario.algo for scenario in SCENARIOS}
    split = extended(split, "faults", components, components)
    split = extended(split, "scenarios", scenarios, scenarios)
    return extended(split, "seeds", map(str, SEEDS), {})
