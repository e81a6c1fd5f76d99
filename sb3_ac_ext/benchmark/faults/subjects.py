"""The registry of faults as the grid sees it."""

from __future__ import annotations

from functools import partial

from sb3_ac_ext import faults
from sb3_ac_ext.benchmark.faults.cases import Scenario, Subject
from sb3_ac_ext.benchmark.faults.records import Truth
from sb3_ac_ext.benchmark.faults.scenarios import lacks

_LATEST = 0.4


def truth_of(fault: faults.Fault) -> Truth:
    """What is known about a registered fault."""
    return Truth(fault.name, fault.component, fault.cause, fault.kind.value)


def truths() -> dict[str, Truth]:
    """What is known about all faults, by name."""
    return {name: truth_of(faults.get(name)) for name in faults.names()}


def subjects() -> list[Subject]:
    """All faults, to choose scenarios for."""
    found = [faults.get(name) for name in faults.names()]
    return [Subject(f.name, partial(_applies, f), partial(_severity, f)) for f in found]


def _applies(fault: faults.Fault, scenario: Scenario) -> bool:
    return fault.applies(scenario.algo, scenario.continuous, scenario.n_envs, lacks(scenario))


def _severity(fault: faults.Fault, scenario: Scenario) -> float | None:
    """A fault that begins later than 40 % into a run as short as these begins then."""
    if "steps of one worker until" not in fault.unit:
        return None
    latest = float(int(_LATEST * scenario.budget / scenario.n_envs))
    return latest if latest < fault.severity else None
