"""Read a pickle with the pickles inside it, and judge what a load would do."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from sb3_ac_ext.inspection.code import carried_code
from sb3_ac_ext.inspection.machine import Traced
from sb3_ac_ext.inspection.readable import readable
from sb3_ac_ext.inspection.reader import Reader
from sb3_ac_ext.inspection.records import Group, Use
from sb3_ac_ext.inspection.symbols import Made, Name
from sb3_ac_ext.inspection.trace import trace
from sb3_ac_ext.inspection.trust import RESULT_OF, judge

LOADS_BYTES = "torch.storage._load_from_bytes"
IMPORTS_A_MODULE = "cloudpickle.cloudpickle.subimport"
_GETATTR = ("builtins.getattr", "__builtin__.getattr")
SAFE_MODULES = frozenset(("math", "cmath", "numpy", "torch", "itertools", "statistics"))
_DEPTH = 3
_NAME_LENGTH = 120
_PICKLES_OF_TORCH = 5  # magic number, protocol, system, object, keys of storages
_ORDER = {group: index for index, group in enumerate(Group)}
_KINDS = ("changes", "calls", "creates", "imports")


@dataclass
class Scan:
    """
    :param value: what a load would return, in symbols
    :param uses: what it would do, judged
    """

    value: Any
    uses: list[Use] = field(default_factory=list)


def scan(reader: Reader, where: str, depth: int = 0) -> Scan:
    """
    :param reader: at the beginning of a pickle, and behind its end afterwards
    :param where: the entry that it is from
    :param depth: pickles around it
    :raises ValueError: when it cannot be read, or pickles are nested too deep
    """
    traced = trace(reader)
    found = Scan(traced.value, _uses(traced, where))
    for made in traced.calls:
        if made.called == LOADS_BYTES:
            found.uses.extend(_nested(made, reader.label, where, depth + 1))
        elif made.called == IMPORTS_A_MODULE:
            found.uses.append(_module(made, where))
    return found


def scan_bytes(data: bytes, label: str, where: str, depth: int = 0) -> Scan:
    """
    :param data: a pickle
    :param label: how errors name it
    :param where: the entry that it is from
    :param depth: pickles around it
    :raises ValueError: like :func:`scan`
    """
    return scan(Reader(io.BytesIO(data), len(data), label), where, depth)


def _uses(traced: Traced, where: str) -> list[Use]:
    uses = []
    harmless = sum(_is_dummy_schedule(made) for made in traced.calls)
    called = {name for kind, name in traced.uses if kind != "imports"}
    for (kind, name), count in traced.uses.items():
        if name == IMPORTS_A_MODULE or (kind == "imports" and name in called):
            continue
        group, reason = judge(name, kind)
        if name in _GETATTR and kind == "calls" and count == harmless:
            group, reason = Group.EXPECTED, "the schedule of a policy without one"
        arguments = _arguments(traced, name) if group is Group.SUSPICIOUS else ""
        uses.append(Use(name[:_NAME_LENGTH], kind, group, reason, count, (where,), arguments))
    return _instead_of_machinery(uses, carried_code(traced.calls), where)


def _arguments(traced: Traced, name: str) -> str:
    """Of the first call under this name."""
    args = next((made.args for made in traced.calls if made.called == name), None)
    if not isinstance(args, tuple):
        return ""
    return ", ".join(repr(readable(arg)) for arg in args)[:_NAME_LENGTH]


def _is_dummy_schedule(made: Made) -> bool:
    """What policies save: the method of a class, looked up by name."""
    args = made.args
    if made.called not in _GETATTR or not isinstance(args, tuple) or len(args) != 2:
        return False
    known = isinstance(args[0], Name) and judge(args[0].dotted, "imports")[0] is Group.EXPECTED
    return known and args[1] == "_dummy_schedule"


def _instead_of_machinery(uses: list[Use], code: list[str], where: str) -> list[Use]:
    """Functions by their own names, rather than by what cloudpickle calls to build them."""
    if not code:
        return uses
    others = [use for use in uses if use.group is not Group.CODE or RESULT_OF in use.name]
    reason = "code carried in the file"
    return others + [Use(name, "calls", Group.CODE, reason, 1, (where,)) for name in code]


def _module(made: Made, where: str) -> Use:
    """A module that carried code uses."""
    args = made.args
    name = (
        args[0] if isinstance(args, tuple) and args and isinstance(args[0], str) else "(computed)"
    )
    if name in SAFE_MODULES:
        return Use(name, "imports", Group.EXPECTED, "a module of mathematics", 1, (where,))
    _, reason = judge(f"{name}.", "imports")
    return Use(name[:_NAME_LENGTH], "imports", Group.SUSPICIOUS, reason, 1, (where,))


def _nested(made: Made, label: str, where: str, depth: int) -> list[Use]:
    """``torch.storage._load_from_bytes`` unpickles its argument without restrictions."""
    data = made.args[0] if isinstance(made.args, tuple) and made.args else None
    if depth > _DEPTH:
        raise ValueError(f"{label}: pickles are nested more than {_DEPTH} deep")
    if not isinstance(data, bytes):
        reason = "unpickles bytes that are too many to read"
        return [Use(LOADS_BYTES, "calls", Group.SUSPICIOUS, reason, 1, (where,))]
    reader = Reader(io.BytesIO(data), len(data), f"{label} (a pickle inside)")
    uses: list[Use] = []
    for _ in range(_PICKLES_OF_TORCH):
        if reader.left:
            uses.extend(scan(reader, where, depth).uses)
    return uses


def merged(uses: Iterable[Use]) -> list[Use]:
    """
    :param uses: of several pickles
    :return: one per name and kind, most suspicious first
    """
    found: dict[tuple[str, str, Group], Use] = {}
    for use in uses:
        key = (use.name, use.kind, use.group)
        before = found.get(key)
        if before is not None:
            where = tuple(dict.fromkeys((*before.where, *use.where)))
            use = replace(before, count=before.count + use.count, where=where)
        found[key] = use
    return sorted(
        found.values(),
        key=lambda use: (_ORDER[use.group], _KINDS.index(use.kind), -use.count, use.name),
    )
