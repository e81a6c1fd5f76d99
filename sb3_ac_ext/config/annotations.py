"""What a signature says about its parameters."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from typing import Any

SCALARS = frozenset({int, float, bool, str, type(None)})


def signature(function: Callable[..., Any]) -> inspect.Signature:
    """With annotations that are text turned into types, where their names are known.

    :param function: or class
    """
    try:
        return inspect.signature(function, eval_str=True)
    except NameError:
        return inspect.signature(function)


def annotated_types(parameter: inspect.Parameter) -> frozenset[Any]:
    """The types that a parameter's annotation names: several for a union.

    :param parameter: of a constructor
    """
    hint = parameter.annotation
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return frozenset(typing.get_args(hint))
    return frozenset({hint})


def type_names(accepted: frozenset[Any]) -> str:
    """
    :param accepted: of ``SCALARS``
    :return: as people write them in YAML, such as ``float or null``
    """
    return " or ".join(sorted("null" if kind is type(None) else kind.__name__ for kind in accepted))
