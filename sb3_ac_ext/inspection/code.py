"""The functions and classes that cloudpickle carries in a file: their names and what they use."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from sb3_ac_ext.inspection.symbols import Made, Name

CODE_TYPE = "types.CodeType"
_CLASS_MAKERS = ("_make_skeleton_class", "_rehydrate_skeleton_class", "_make_skeleton_enum")
_SHOWN = 8


def carried_code(calls: Iterable[Made]) -> list[str]:
    """
    :param calls: of a pickle, in order
    :return: a description of each function and class that is rebuilt from the file
    """
    found = []
    for made in calls:
        if made.called == CODE_TYPE:
            found.append(_function(made.args))
        elif made.called.rpartition(".")[2] in _CLASS_MAKERS:
            found.append(_class(made.args))
    return list(dict.fromkeys(found))


def _function(args: Any) -> str:
    """``types.CodeType(..., codestring, constants, names, varnames, filename, name, ...)``."""
    if not isinstance(args, tuple):
        return "a function that cannot be read"
    start = next((index for index, arg in enumerate(args) if isinstance(arg, bytes)), len(args))
    names, filename, name = (_at(args, start + offset) for offset in (2, 4, 5))
    line = next((arg for arg in args[start + 6 :] if isinstance(arg, int)), None)
    if not isinstance(name, str) or not isinstance(filename, str):
        return "a function that cannot be read"
    place = f"{PurePath(filename).name[-40:]}, line {line}" if line else filename[-40:]
    return f"function {name[:60]} ({place}), {_names(names)}"


def _names(names: Any) -> str:
    if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
        return "which uses names that cannot be read"
    if not names:
        return "which uses no names"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"which uses {', '.join(name[:40] for name in names[:_SHOWN])}{more}"


def _class(args: Any) -> str:
    """``_make_skeleton_class(type_constructor, name, bases, ...)``."""
    name, bases = _at(args, 1), _at(args, 2)
    if not isinstance(name, str):
        return "a class that cannot be read"
    dotted = [base.dotted[:80] for base in bases or () if isinstance(base, Name)]
    return f"class {name[:60]}({', '.join(dotted[:_SHOWN])})"


def _at(args: Any, index: int) -> Any:
    return args[index] if isinstance(args, tuple) and index < len(args) else None
