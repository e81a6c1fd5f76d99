"""What the grid runs: scenarios, and cases of them, healthy or with one fault. Plain data."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Scenario:
    """One training job, small enough for a grid.

    :param algo: ``ppo``, ``a2c``, ``sac``, ``td3`` or ``ddpg``: SB3's own class
    :param settings: ``tuned``: our hyperparameters for the environment; ``default``: SB3's;
        ``small``: the overrides below on top of SB3's
    :param budget: environment steps
    :param continuous: kind of the action space
    :param overrides: settings that replace those of the file, as in ``hyperparams/*.yml``
    """

    algo: str
    env_id: str
    settings: str
    budget: int
    n_envs: int
    continuous: bool
    overrides: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.algo}-{self.env_id}-{self.settings}"


@dataclass(frozen=True)
class Case:
    """One run of a scenario.

    :param fault: name in the registry of faults, ``None`` for a healthy run
    :param severity: of the fault, ``None`` for its default
    """

    scenario: Scenario
    seed: int
    fault: str | None = None
    severity: float | None = None

    @property
    def slug(self) -> str:
        """Name of the case's files: the same in every grid."""
        fault = self.fault or "healthy"
        knob = "" if self.severity is None else f"-x{self.severity:g}"
        return f"{fault}{knob}--{self.scenario.name}--s{self.seed}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Case:
        return cls(**{**data, "scenario": Scenario(**data["scenario"])})


@dataclass(frozen=True)
class Subject:
    """What the grid must know of a fault to choose scenarios for it.

    :param applies: whether it can be injected into a scenario
    :param severity: for a scenario; ``None`` for the fault's default
    """

    name: str
    applies: Callable[[Scenario], bool]
    severity: Callable[[Scenario], float | None]


def healthy_cases(scenarios: Iterable[Scenario], seeds: Iterable[int]) -> list[Case]:
    seeds = tuple(seeds)
    return [Case(scenario, seed) for scenario in scenarios for seed in seeds]


def faulty_cases(
    subjects: Iterable[Subject], scenarios: Iterable[Scenario], seeds: Iterable[int], most: int
) -> list[Case]:
    """Every fault in at most ``most`` scenarios that it applies to.

    :param scenarios: those to choose from
    :param seeds: of each
    """
    seeds, scenarios = tuple(seeds), tuple(scenarios)
    return [
        Case(scenario, seed, subject.name, subject.severity(scenario))
        for subject in subjects
        for scenario in chosen_scenarios(subject, scenarios, most)
        for seed in seeds
    ]


def chosen_scenarios(
    subject: Subject, scenarios: Iterable[Scenario], most: int
) -> tuple[Scenario, ...]:
    """Scenarios for a fault, as different from one another as there are.

    Each next one brings a new environment and a new algorithm where it can; which comes first
    follows from the fault's name, so that all scenarios are used about equally often.
    """
    fitting = [s for s in scenarios if subject.applies(s)]
    fitting.sort(key=lambda s: digest(f"{subject.name} in {s.name}"))
    chosen: list[Scenario] = []
    while fitting and len(chosen) < most:
        algos, envs = {s.algo for s in chosen}, {s.env_id for s in chosen}
        best = max(fitting, key=lambda s: (s.env_id not in envs) + (s.algo not in algos))
        fitting.remove(best)
        chosen.append(best)
    return tuple(chosen)


def digest(text: str) -> str:
    """A number that depends on a name only, in every process and on every machine."""
    return hashlib.sha256(text.encode()).hexdigest()
