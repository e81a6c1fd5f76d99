"""Names that people type: import them, or say what was meant."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any


def unknown(kind: str, value: object, accepted: Iterable[str]) -> ValueError:
    """The error for an unknown name, with the nearest one and the list of what is accepted.

    :param kind: what the name stands for, such as ``algorithm``
    :param value: what was given
    :param accepted: the names that would have been right
    """
    names = sorted(accepted)
    near = nearest(str(value), names)
    hint = f", did you mean {near!r}?" if near else ";"
    return ValueError(f"unknown {kind} {value!r}{hint} accepted are {', '.join(names)}")


def nearest(value: str, names: Iterable[str]) -> str | None:
    """
    :param value: what was typed
    :param names: the names that exist
    :return: the most similar one regardless of case, or ``None`` where nothing is similar
    """
    names = list(names)
    close = difflib.get_close_matches(value.lower(), {name.lower() for name in names}, n=1)
    same = [name for name in names if name.lower() in close]
    return next(iter(difflib.get_close_matches(value, same, n=1, cutoff=0.0)), None)


@contextmanager
def about(key: str) -> Iterator[None]:
    """Put the name of a setting in front of the errors raised inside.

    :param key: the setting
    """
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error


def import_name(path: str) -> Any:
    """Import ``package.module.Name``.

    :param path: dotted path
    :raises ValueError: if it has no dot, cannot be imported, or the module lacks the name
    """
    module_name, _, name = path.rpartition(".")
    if not module_name or not all(part.isidentifier() for part in path.split(".")):
        raise ValueError(f"{path!r} is not a dotted path such as my_package.MyClass")
    module = import_module(module_name)
    if not hasattr(module, name):
        near = nearest(name, dir(module))
        hint = f", did you mean {module_name}.{near}?" if near else ""
        raise ValueError(f"{path!r} was not found: module {module_name!r} has no {name!r}{hint}")
    return getattr(module, name)


def import_module(name: str) -> Any:
    """
    :param name: dotted name of a module
    :raises ValueError: if it cannot be imported, whatever its code raises
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        if name == missing or name.startswith(missing + "."):
            raise ValueError(f"there is no module {missing!r}") from error
        raise ValueError(f"{name!r} cannot be imported: it needs {missing!r}") from error
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"{name!r} cannot be imported: {reason}") from error


def dotted_name(target: Any) -> str:
    """The path under which :func:`import_name` finds a class or a function again.

    :param target: class or function at the top level of its module
    """
    return f"{target.__module__}.{target.__qualname__}"
