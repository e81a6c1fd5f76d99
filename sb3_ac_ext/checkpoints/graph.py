"""The state of an object and of all that it holds, read and put back into another of its make.

Whoever goes on with a run builds everything anew, as it was built at the beginning; what has
changed since is then written into these objects in place. So nothing has to be pickled: numbers,
text, arrays, tensors and generators are state, and functions, files and the like are there anyway.
"""

from __future__ import annotations

import io
import logging
import threading
import types
from collections import OrderedDict, defaultdict, deque
from collections.abc import Mapping
from enum import Enum
from typing import Any, Protocol

import numpy as np
import torch as th
from gymnasium.envs.registration import EnvSpec

from sb3_ac_ext.checkpoints.codec import CannotEncode, copied
from sb3_ac_ext.checkpoints.generators import GENERATORS, generator_state, set_generator

Node = dict[str, Any]

_SKIPPED: tuple[type, ...] = (
    type,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.ModuleType,
    io.IOBase,
    logging.Logger,
    threading.Thread,
    th.distributions.Distribution,
    th.nn.Parameter,  # known to its module
    EnvSpec,
    th.device,
    th.dtype,
    np.dtype,
)
# rebuilt, made on demand for showing, or the way back up
_SKIPPED_NAMES = frozenset(
    (
        *("spec", "metadata", "class_attributes", "episode_log_record"),
        *("mujoco_renderer", "screen", "surf", "surface", "clock", "viewer", "renderer", "window"),
        *("locals", "globals", "parent", "t_start", "start_time"),
    )
)
_SEQUENCES = (list, tuple, deque)
_MAPPINGS = (dict, OrderedDict, defaultdict)
# subclasses of these hold more than their attributes, or do something else with what they hold
_BUILTIN = (int, float, str, bytes, dict, list, tuple, set, frozenset, deque)
_CLASS = "__class__"


class Special(Protocol):
    """How the state of some class is read and put back."""

    def handles(self, value: Any) -> bool: ...

    def capture(self, value: Any, capture: Capture, path: str) -> Any: ...

    def restore(self, content: Any, value: Any, restore: Restore, path: str) -> None: ...


class Capture:
    """
    :param specials: by name, asked in order before an object is looked into
    :param text: whether attributes that are text are state; where they are names of files, they
        are those of whoever goes on
    """

    def __init__(self, specials: Mapping[str, Special], text: bool = True) -> None:
        self._specials = specials
        self._text = text
        self._seen: dict[int, tuple[Any, str | None]] = {}
        self.opaque: list[str] = []
        """Where something is whose state cannot be read, and its class."""
        self.lost: list[str] = []
        """Environments that cannot be gone on with exactly, and why."""

    def leave_out(self, value: Any) -> None:
        """Whoever holds this object holds no state of it."""
        self._seen[id(value)] = (value, None)

    def node(self, value: Any, path: str) -> Node:
        """
        :param value: anything
        :param path: where it is, for messages
        :return: its state: plain, and independent of the value
        """
        try:
            return {"value": copied(value)}
        except CannotEncode:
            pass
        if isinstance(value, _SKIPPED):
            return {"skipped": None}
        if isinstance(value, Enum):
            return {"enum": value.name}
        if id(value) in self._seen:
            return {"known": self._seen[id(value)][1]}
        self._seen[id(value)] = (value, path)
        return self._new(value, path)

    def _new(self, value: Any, path: str) -> Node:
        if isinstance(value, GENERATORS):
            return {"generator": generator_state(value)}
        for name, special in self._specials.items():
            if special.handles(value):
                return {name: special.capture(value, self, path)}
        if type(value) in _MAPPINGS:
            return {
                "mapping": [[copied(k), self.node(v, f"{path}[{k!r}]")] for k, v in value.items()]
            }
        if type(value) in _SEQUENCES or hasattr(value, "_fields"):
            return {"items": [self.node(part, f"{path}[{i}]") for i, part in enumerate(value)]}
        if isinstance(value, _BUILTIN) or not hasattr(value, "__dict__"):
            self.opaque.append(f"{path} ({type(value).__name__})")
            return {"skipped": None}
        return {"object": self.attributes(value, path)}

    def attributes(self, value: Any, path: str, without: frozenset[str] = frozenset()) -> Node:
        """The class of an object, and the state of what its attributes hold.

        :param without: names that are left out
        """
        out = _SKIPPED_NAMES | without
        nodes = {
            name: self.node(part, f"{path}.{name}")
            for name, part in list(vars(value).items())
            if name not in out and (self._text or not isinstance(part, str))
        }
        return {_CLASS: {"class": type(value).__qualname__}, **nodes}


class Restore:
    """
    :param specials: as they were when the state was read
    :param text: whether attributes that are text are put back
    """

    def __init__(self, specials: Mapping[str, Special], text: bool = True) -> None:
        self._specials = specials
        self._text = text
        self._written: dict[int, Any] = {}
        self._entered: dict[int, Any] = {}
        self._at: dict[str, Any] = {}
        self.misfits: list[str] = []
        """Where the present object has no place for what was there."""

    def put(self, node: Node, current: Any, path: str) -> Any:
        """
        :param node: from :meth:`Capture.node`
        :param current: what is there now; changed in place wherever it is an object
        :return: what belongs there
        """
        ((kind, content),) = node.items()
        if kind == "value":
            return self._value(content, current)
        if kind == "skipped":
            return current
        if kind == "known":  # the object that was met there first
            return self._at.get(content, current)
        if kind == "enum":
            return self._enum(content, current, path)
        if id(current) in self._entered and not isinstance(current, tuple | types.NoneType):
            self.misfits.append(path)  # one object, where there were two
            return current
        self._entered[id(current)] = current
        self._at[path] = found = self._entry(kind, content, current, path)
        return found

    def _entry(self, kind: str, content: Any, current: Any, path: str) -> Any:
        if kind == "generator":
            return set_generator(content, current)
        if kind == "items":
            return self._items(content, current, path)
        if kind == "mapping":
            return self._mapping(content, current, path)
        if kind == "object":
            self.attributes(content, current, path)
        elif self._specials[kind].handles(current):
            self._specials[kind].restore(content, current, self, path)
        else:
            self.misfits.append(path)
        return current

    def _enum(self, name: str, current: Any, path: str) -> Any:
        if isinstance(current, Enum) and name in type(current).__members__:
            return type(current)[name]
        self.misfits.append(path)
        return current

    def attributes(self, nodes: Node, value: Any, path: str) -> None:
        """Put the attributes of an object back.

        :param nodes: from :meth:`Capture.attributes`
        """
        own = getattr(value, "__dict__", None)
        named = nodes.get(_CLASS, {}).get("class", type(value).__qualname__)
        if not isinstance(own, dict) or type(value).__qualname__ != named:
            self.misfits.append(path)
            return
        for name, node in nodes.items():
            ((kind, content),) = node.items()
            text = kind == "value" and isinstance(content, str) and not self._text
            if kind == "class" or text or (name not in own and kind in ("skipped", "known")):
                continue
            own[name] = self.put(node, own.get(name), f"{path}.{name}")

    def _value(self, new: Any, current: Any) -> Any:
        """In place where the same memory may be known under other names, such as a view of it."""
        fits = type(new) is type(current) or isinstance(new, th.Tensor)
        if not (fits and isinstance(new, np.ndarray | th.Tensor)):
            return _like(_beside(copied(new), current), current)
        fits = isinstance(current, type(new)) and new.shape == current.shape
        if not fits or new.dtype != current.dtype or id(current) in self._written:
            return _beside(copied(new), current)
        self._written[id(current)] = current
        if isinstance(new, th.Tensor):
            with th.no_grad():
                current.copy_(new)
        elif current.flags.writeable:
            current[...] = new
        else:
            return copied(new)
        return current

    def _items(self, nodes: list[Node], current: Any, path: str) -> Any:
        if not isinstance(current, _SEQUENCES) or len(current) != len(nodes):
            self.misfits.append(path)
            return current
        parts = [
            self.put(node, part, f"{path}[{i}]")
            for i, (node, part) in enumerate(zip(nodes, current, strict=True))
        ]
        if isinstance(current, list):
            current[:] = parts
            return current
        return _like(parts, current)

    def _mapping(self, pairs: list[Any], current: Any, path: str) -> Any:
        if not isinstance(current, _MAPPINGS):
            self.misfits.append(path)
            return current
        for key in set(current) - {key for key, _ in pairs}:
            del current[key]
        for key, node in pairs:
            if key in current or next(iter(node)) in ("value", "generator"):
                current[key] = self.put(node, current.get(key), f"{path}[{key!r}]")
            else:
                self.misfits.append(f"{path}[{key!r}]")
        return current


def _beside(new: Any, current: Any) -> Any:
    """Tensors on the device of those that are there now, in tuples and lists, too."""
    if isinstance(new, th.Tensor) and isinstance(current, th.Tensor):
        return new.to(current.device)
    sequences = isinstance(new, list | tuple) and isinstance(current, list | tuple)
    if sequences and len(new) == len(current):
        return type(new)(_beside(*pair) for pair in zip(new, current, strict=True))
    return new


def _like(new: Any, current: Any) -> Any:
    """Named tuples and dictionaries with an order or a default keep their class."""
    if isinstance(current, tuple) and hasattr(current, "_fields") and len(current) == len(new):
        return type(current)(*new)
    if isinstance(current, deque) and isinstance(new, list):
        return deque(new, maxlen=current.maxlen)
    if isinstance(current, tuple) and isinstance(new, list):
        return tuple(new)
    if isinstance(new, dict) and type(current) in (OrderedDict, defaultdict):
        current.clear()
        current.update(new)
        return current
    return new
