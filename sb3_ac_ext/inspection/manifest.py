"""The manifest of a checkpoint bundle, checked field by field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sb3_ac_ext.inspection.readable import readable
from sb3_ac_ext.inspection.records import Tensor

MANIFEST = "manifest.json"
FORMAT, VERSIONS = "sb3_ac_ext bundle", (1,)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DEPTH = 4


@dataclass(frozen=True)
class Listed:
    """
    :param sha256: of the content, in hexadecimal
    :param size: bytes
    """

    sha256: str
    size: int


@dataclass(frozen=True)
class Manifest:
    """The fields of ``manifest.json``; ``summary`` holds what is only shown."""

    created: str
    num_timesteps: int
    algorithm: str
    versions: Mapping[str, str]
    exact: bool
    reasons: tuple[str, ...]
    files: Mapping[str, Listed]
    summary: Mapping[str, Any]
    parameters: Mapping[str, Tensor]
    hyperparameters: Mapping[str, Any]

    @classmethod
    def read(cls, data: Mapping[str, Any], label: str) -> Manifest:
        """
        :param data: the JSON object
        :param label: how errors name it
        :raises ValueError: for another format or version, and for a field of another kind
        """
        field = _Fields(data, label)
        if data.get("format") != FORMAT:
            raise ValueError(f"{label}: format is {data.get('format')!r:.80}, accepted: {FORMAT!r}")
        if data.get("version") not in VERSIONS:
            raise ValueError(f"{label}: version is {data.get('version')!r:.80}, accepted: 1")
        summary = _Fields(field("summary", dict), f"{label}: summary")
        return cls(
            field("created", str),
            field("num_timesteps", int),
            field("algorithm", str),
            {name[:80]: str(version)[:80] for name, version in field("versions", dict).items()},
            field("exact", bool),
            tuple(str(reason)[:500] for reason in field("reasons", list)),
            {name: _listed(part, name, label) for name, part in field("files", dict).items()},
            summary.data,
            _parameters(summary("parameters", dict, {}), label),
            summary("hyperparameters", dict, {}),
        )


class _Fields:
    """Fields of a JSON object by name and kind."""

    def __init__(self, data: Mapping[str, Any], label: str) -> None:
        self.data, self._label = data, label

    def __call__(self, name: str, kind: type, default: Any = None) -> Any:
        value = self.data.get(name, default)
        if type(value) is not kind:
            shown = "missing" if name not in self.data else f"{value!r:.80}"
            raise ValueError(f"{self._label}: {name!r} is {shown}, accepted: a {kind.__name__}")
        return value


def _listed(part: Any, name: str, label: str) -> Listed:
    sha256, size = (part.get(key) for key in ("sha256", "bytes")) if type(part) is dict else (0, 0)
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise ValueError(f"{label}: the file {name[:80]!r} has no sha256")
    if type(size) is not int or size < 0:
        raise ValueError(f"{label}: the file {name[:80]!r} has {size!r:.80} bytes")
    if not name or name.startswith("/") or ".." in name.split("/") or not name.isprintable():
        raise ValueError(f"{label}: the file {name[:80]!r} is absolute or leads out of the bundle")
    return Listed(sha256, size)


def _parameters(data: Mapping[str, Any], label: str) -> dict[str, Tensor]:
    found = {}
    for name, part in data.items():
        shape = part.get("shape") if isinstance(part, dict) else None
        if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
            raise ValueError(f"{label}: the parameter {name[:80]!r} has no shape")
        found[name] = Tensor(tuple(shape), str(part.get("dtype"))[:40])
    return found


def space_words(data: Any, depth: int = _DEPTH) -> Any:
    """
    :param data: a space as ``sb3_ac_ext.flight.spaces.encode_space`` writes it, or text
    :param depth: spaces in spaces that are followed
    :return: one line for people
    """
    if not isinstance(data, dict) or not isinstance(data.get("kind"), str) or depth <= 0:
        return readable(data)
    kind = data["kind"][:40]
    spaces = data.get("spaces")
    if kind == "Dict" and isinstance(spaces, list):
        pairs = [pair for pair in spaces[:32] if isinstance(pair, list) and len(pair) == 2]
        parts = [f"{name!s:.60}: {space_words(part, depth - 1)}" for name, part in pairs]
        return f"Dict({', '.join(parts)})"
    names = ("low", "high", "n", "nvec", "shape", "dtype")
    parts = [f"{name}={data[name]!s:.60}" for name in names if name in data]
    return f"{kind}({', '.join(parts)})"
