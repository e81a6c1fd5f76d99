"""What flows through the monitor: snapshots in, findings and diagnoses out. Plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import IntEnum
from typing import Any


class Severity(IntEnum):
    """How much a finding matters: for the record, worth a look, or the run is harmed."""

    INFO = 1
    WARNING = 2
    CRITICAL = 3

    @property
    def label(self) -> str:
        return self.name.lower()

    @classmethod
    def parse(cls, label: str) -> Severity:
        """
        :param label: ``info``, ``warning`` or ``critical``
        :raises ValueError: for any other label
        """
        try:
            return cls[label.upper()]
        except KeyError:
            accepted = ", ".join(level.label for level in cls)
            raise ValueError(f"unknown severity {label!r}: accepted are {accepted}") from None


@dataclass(frozen=True)
class RunInfo:
    """The facts about a run that no time series holds; ``None`` where the source does not tell.

    :param algo: class name, such as ``PPO``
    :param family: ``on-policy`` or ``off-policy``
    :param gamma: discount factor
    :param action_size: entries of a continuous action
    :param hyperparameters: constructor arguments worth showing, as plain scalars or strings
    :param not_observed: signal name -> why this run has no values for it
    :param source: what the history was read from: ``callback``, ``progress.csv``, ...
    """

    algo: str | None = None
    family: str | None = None
    env_id: str | None = None
    n_envs: int | None = None
    seed: int | None = None
    total_timesteps: int | None = None
    gamma: float | None = None
    action_kind: str | None = None
    n_actions: int | None = None
    action_size: int | None = None
    max_episode_steps: int | None = None
    reward_threshold: float | None = None
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    not_observed: Mapping[str, str] = field(default_factory=dict)
    source: str = "callback"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunInfo:
        known = {item.name for item in fields(cls)}
        return cls(**{key: value for key, value in data.items() if key in known})


@dataclass(frozen=True)
class Snapshot:
    """Everything the signals read at one moment.

    :param step: environment steps taken so far, over all workers
    :param seconds: wall time since training began
    :param values: scalars by name, ``group/name``
    :param arrays: one-dimensional arrays by name: an entry per worker, episode or histogram bin
    """

    step: int
    seconds: float
    values: Mapping[str, float]
    arrays: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "seconds": round(self.seconds, 3),
            "values": {name: encode_number(value) for name, value in self.values.items()},
            "arrays": {name: [encode_number(v) for v in row] for name, row in self.arrays.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Snapshot:
        return cls(
            step=int(data["step"]),
            seconds=float(data["seconds"]),
            values={name: float(value) for name, value in data["values"].items()},
            arrays={
                name: tuple(float(v) for v in row) for name, row in data.get("arrays", {}).items()
            },
        )


@dataclass(frozen=True)
class Finding:
    """One judgement of one detector: what it saw, where the bound is, since when, what it may mean.

    :param detector: name of the detector
    :param step: when it was raised
    :param since: the first step at which the symptom was there
    :param series: names of the series that show it
    :param causes: cause -> how strongly this symptom alone points to it, in (0, 1]
    :param worker: index of the sub-environment concerned, where there is one
    """

    detector: str
    severity: Severity
    message: str
    step: int
    since: int
    value: float
    threshold: float
    series: tuple[str, ...]
    causes: Mapping[str, float]
    advice: str
    worker: int | None = None

    @property
    def key(self) -> tuple[str, int | None]:
        """Two findings with the same key are the same alert at two moments."""
        return self.detector, self.worker

    @property
    def leading_cause(self) -> str:
        """The cause that it points to most; there must be one."""
        return max(self.causes, key=lambda cause: self.causes[cause])

    def to_json(self) -> dict[str, Any]:
        data = asdict(self)
        data.update(
            severity=self.severity.label,
            value=encode_number(self.value),
            threshold=encode_number(self.threshold),
            series=list(self.series),
        )
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Finding:
        return cls(
            **{
                **data,
                "severity": Severity.parse(data["severity"]),
                "value": float(data["value"]),
                "threshold": float(data["threshold"]),
                "series": tuple(data["series"]),
            }
        )


@dataclass(frozen=True)
class Diagnosis:
    """One possible cause, ranked.

    :param cause: its name in the table of causes
    :param confidence: in [0, 1]
    :param evidence: messages of the findings that support it
    :param detectors: names of these findings' detectors
    :param ruled_out: what speaks against it, or which other causes it explains away
    :param advice: what to change, in SB3's terms
    """

    cause: str
    title: str
    severity: Severity
    confidence: float
    since: int
    evidence: tuple[str, ...]
    detectors: tuple[str, ...]
    advice: str
    ruled_out: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        data = asdict(self)
        data.update(severity=self.severity.label, confidence=round(self.confidence, 3))
        return data


@dataclass(frozen=True)
class Event:
    """Something that an action did to the run.

    :param step: of the snapshot after which it acted
    :param action: its name
    :param finding: detector, and worker, of the finding that called for it
    :param text: what was done, in words
    :param failed: whether the action failed; training went on
    """

    step: int
    action: str
    finding: str
    text: str
    failed: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Event:
        return cls(
            step=int(data["step"]),
            action=str(data["action"]),
            finding=str(data["finding"]),
            text=str(data["text"]),
            failed=bool(data.get("failed", False)),
        )


@dataclass(frozen=True)
class Verdict:
    """The judgement of a whole run.

    :param status: ``critical`` or ``warning`` as the gravest finding, ``healthy`` without one
        (those of severity ``info`` do not count), ``not enough evidence`` when there was too
        little to judge
    :param findings: one per alert, at its gravest, in order of appearance
    :param diagnoses: causes, the most likely first
    :param events: what actions did about them
    """

    status: str
    findings: tuple[Finding, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()
    events: tuple[Event, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "findings": [finding.to_json() for finding in self.findings],
            "diagnoses": [diagnosis.to_json() for diagnosis in self.diagnoses],
            "events": [event.to_json() for event in self.events],
        }


def encode_number(value: float) -> float | str:
    """JSON has no NaN or infinity: write them as strings, which ``float`` reads back."""
    value = float(value)
    return value if math.isfinite(value) else repr(value)
