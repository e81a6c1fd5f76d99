"""Read the Python-looking strings of RL Zoo's files and flags, without running anything."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable
from typing import Any

from sb3_ac_ext.lookup import import_name
from sb3_ac_ext.yaml_loader import load_yaml

_ROOTS = {"nn": "torch.nn", "th": "torch", "torch": "torch", "sb3": "stable_baselines3"}
_CLASSES = {
    "HerReplayBuffer": "stable_baselines3.HerReplayBuffer",
    "RMSpropTFLike": "stable_baselines3.common.sb2_compat.rmsprop_tf_like.RMSpropTFLike",
}
_SIGNS: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_WORDS = {"true": True, "false": False, "null": None, "~": None}


def parse_literal(text: str, names: bool = True) -> Any:
    """Read ``dict(net_arch=[32], activation_fn=nn.ReLU)`` and the like.

    Constants, signs, lists, tuples, dictionaries, ``dict(...)`` with keywords, and names of
    classes: ``nn.*``, ``th.*``, or the dotted path to any importable class.

    :param text: a Python expression of these parts alone
    :param names: whether names of classes are looked up; refused otherwise
    :raises ValueError: for any other syntax, and for a name that is no class
    """
    try:
        tree = ast.parse(text.strip(), mode="eval")
        return _Reader(text, names).read(tree.body)
    except (SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError(f"{text!r} is not a Python literal: {error}") from error


def resolve_class(text: str) -> type:
    """
    :param text: ``nn.ReLU``, ``th.optim.Adam``, ``HerReplayBuffer``, or ``my_package.MyClass``
    :raises ValueError: if it does not lead to a class
    """
    root, _, rest = text.partition(".")
    path = f"{_ROOTS[root]}.{rest}" if rest and root in _ROOTS else _CLASSES.get(text, text)
    target = import_name(path)
    if not isinstance(target, type):
        raise ValueError(f"{text!r} is not a class but {target!r}")
    return target


def parse_pairs(pairs: Iterable[str]) -> dict[str, Any]:
    """Read ``key:value`` arguments such as ``learning_rate:lin_1e-3 normalize:true``.

    A value is a Python literal, a YAML word or flow collection, or else the text itself: quotes are
    accepted and not needed.

    :param pairs: the arguments, each split at its first colon
    :raises ValueError: if one has no colon, no key or no value, or brackets that do not close
    """
    return dict(_parse_pair(pair) for pair in pairs)


def _parse_pair(pair: str) -> tuple[str, Any]:
    key, colon, value = (part.strip() for part in pair.partition(":"))
    if not (key and colon and value):
        raise ValueError(f"{pair!r} is not of the form key:value")
    if value in _WORDS:
        return key, _WORDS[value]
    try:
        return key, parse_literal(value, names=False)
    except ValueError:
        # A flow collection must be one; everything else may be plain text.
        return key, load_yaml(value, source=repr(pair)) if value[0] in "[{'\"" else value


class _Reader:
    """Turns the nodes of one expression into values."""

    def __init__(self, text: str, names: bool) -> None:
        self.text, self.names = text, names
        self._readers: dict[type[ast.AST], Callable[[Any], Any]] = {
            ast.Constant: lambda node: node.value,
            ast.List: lambda node: [self.read(item) for item in node.elts],
            ast.Tuple: lambda node: tuple(self.read(item) for item in node.elts),
            ast.Dict: self._dict,
            ast.Call: self._call,
            ast.UnaryOp: self._signed,
            ast.Name: self._name,
            ast.Attribute: self._name,
        }

    def read(self, node: ast.AST) -> Any:
        reader = self._readers.get(type(node))
        if reader is None:
            raise self._refused(node)
        return reader(node)

    def _dict(self, node: ast.Dict) -> dict[Any, Any]:
        if None in node.keys:
            raise self._refused(node)
        items = zip(node.keys, node.values, strict=True)
        try:
            return {self.read(key): self.read(value) for key, value in items if key is not None}
        except TypeError as error:
            raise ValueError(f"{self.text!r}: {error}") from error

    def _call(self, node: ast.Call) -> dict[str, Any]:
        is_dict = isinstance(node.func, ast.Name) and node.func.id == "dict"
        if not is_dict or node.args or any(keyword.arg is None for keyword in node.keywords):
            raise self._refused(node)
        return {str(keyword.arg): self.read(keyword.value) for keyword in node.keywords}

    def _signed(self, node: ast.UnaryOp) -> Any:
        sign, value = _SIGNS.get(type(node.op)), self.read(node.operand)
        if sign is None or isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._refused(node)
        return sign(value)

    def _name(self, node: ast.Name | ast.Attribute) -> type:
        if not self.names:
            raise self._refused(node)
        return resolve_class(ast.unparse(node))

    def _refused(self, node: ast.AST) -> ValueError:
        return ValueError(
            f"{ast.unparse(node)!r} in {self.text!r} is not accepted: use numbers, strings, lists, "
            "tuples, dict(key=value) and names of classes such as nn.ReLU"
        )
