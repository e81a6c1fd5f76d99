"""What an inspection finds: frozen records that become JSON."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sb3_ac_ext.monitoring.records import encode_number
from sb3_ac_ext.plain import plain


class Group(enum.Enum):
    """How something that a load would do is judged."""

    SUSPICIOUS = "suspicious"
    CODE = "code"
    EXPECTED = "expected"


class Verdict(enum.Enum):
    """The whole file, worst first."""

    SUSPICIOUS = "suspicious"
    DAMAGED = "damaged"
    CODE = "code"
    EXPECTED = "expected"


@dataclass(frozen=True)
class Use:
    """Something that a load would do.

    :param name: dotted name of what is called, created, imported or changed
    :param kind: ``calls``, ``creates`` (without its constructor), ``imports`` or ``changes``
    :param group: how it is judged
    :param reason: why, in a few words
    :param count: how often
    :param where: entries of the file
    :param arguments: of the first such call, where that is worth a look
    """

    name: str
    kind: str
    group: Group
    reason: str
    count: int = 1
    where: tuple[str, ...] = ()
    arguments: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": self.kind,
            "reason": self.reason,
            "count": self.count,
            "where": list(self.where),
            "arguments": self.arguments,
        }


@dataclass(frozen=True)
class Tensor:
    """
    :param shape: of the tensor
    :param dtype: such as ``float32``
    """

    shape: tuple[int, ...]
    dtype: str

    def to_json(self) -> dict[str, Any]:
        return {"shape": list(self.shape), "dtype": self.dtype}


@dataclass(frozen=True)
class File:
    """A part of the file or folder.

    :param name: in the archive
    :param size: bytes
    :param status: ``ok``, ``damaged``, ``missing`` or ``unknown``
    :param note: what is in it, or what is wrong
    """

    name: str
    size: int
    status: str = "ok"
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "bytes": self.size, "status": self.status, "note": self.note}


@dataclass(frozen=True)
class Report:
    """
    :param path: what was inspected
    :param kind: such as ``SB3 model``
    :param title: what it is, in one line
    :param size: bytes
    :param facts: the most important, by name
    :param hyperparameters: by name, as far as they can be read
    :param parameters: tensors of networks, by file and name
    :param optimizers: by file: kind of state, number of tensors, settings
    :param versions: of the packages that wrote it
    :param files: its parts
    :param uses: what a load would do, most suspicious first
    :param problems: what is damaged, a sentence each
    :param notes: what is worth knowing besides
    """

    path: str
    kind: str
    title: str
    size: int
    facts: Mapping[str, Any] = field(default_factory=dict)
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    optimizers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[File] = ()
    uses: Sequence[Use] = ()
    problems: Sequence[str] = ()
    notes: Sequence[str] = ()

    def of(self, group: Group) -> list[Use]:
        """
        :param group: how a use is judged
        :return: the uses that are judged so
        """
        return [use for use in self.uses if use.group is group]

    @property
    def verdict(self) -> Verdict:
        """The worst of what was found."""
        if self.of(Group.SUSPICIOUS):
            return Verdict.SUSPICIOUS
        if self.problems:
            return Verdict.DAMAGED
        return Verdict.CODE if self.of(Group.CODE) else Verdict.EXPECTED

    def to_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "kind": self.kind,
            "title": self.title,
            "verdict": self.verdict.value,
            "bytes": self.size,
            "load": {group.value: [use.to_json() for use in self.of(group)] for group in Group},
            "problems": list(self.problems),
            "notes": list(self.notes),
            "facts": _finite(plain(self.facts)),
            "hyperparameters": _finite(plain(self.hyperparameters)),
            "parameters": {
                file: {name: tensor.to_json() for name, tensor in tensors.items()}
                for file, tensors in self.parameters.items()
            },
            "optimizers": _finite(plain(self.optimizers)),
            "versions": dict(self.versions),
            "files": [file.to_json() for file in self.files],
        }


def _finite(value: Any) -> Any:
    """JSON has no infinite numbers."""
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return encode_number(value) if isinstance(value, float) else value
