"""What a pickle describes, as plain records: nothing here can be called."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, eq=False)
class Name:
    """Something that a load would import.

    :param module: as written
    :param name: in the module, perhaps with dots
    """

    module: str
    name: str

    @property
    def dotted(self) -> str:
        """With a colon where the name leads through attributes, perhaps into another module."""
        return f"{self.module}{':' if '.' in self.name else '.'}{self.name}"


@dataclass(frozen=True, eq=False)
class Skipped:
    """Bytes too long to keep.

    :param size: their number
    """

    size: int


@dataclass(frozen=True, eq=False)
class Stored:
    """Something kept outside the pickle, such as the numbers of a tensor.

    :param key: what the pickle calls it
    """

    key: Any


@dataclass(frozen=True, eq=False)
class Pairs:
    """A dict, whose keys may be anything.

    :param pairs: keys and values
    """

    pairs: list[tuple[Any, Any]] = field(default_factory=list)

    def get(self, name: str) -> Any:
        """The value that a load would leave there, ``None`` without one."""
        found = [value for key, value in self.pairs if isinstance(key, str) and key == name]
        return found[-1] if found else None


@dataclass(frozen=True, eq=False)
class Members:
    """A set or frozenset.

    :param items: its members
    """

    items: list[Any] = field(default_factory=list)


@dataclass(eq=False)
class Made:
    """What a call would return.

    :param target: what is called
    :param args: with what
    :param state: what is handed to it afterwards (``__setstate__``)
    :param items: appended to it
    :param pairs: set in it
    """

    target: Any
    args: Any
    state: Any = None
    items: list[Any] = field(default_factory=list)
    pairs: list[tuple[Any, Any]] = field(default_factory=list)

    @property
    def called(self) -> str:
        """The dotted name of what is called."""
        return called_name(self.target)

    def attribute(self, name: str) -> Any:
        """From the state, ``None`` where there is no such attribute."""
        state = self.state
        if isinstance(state, tuple) and len(state) == 2 and isinstance(state[0], Pairs):
            state = state[0]
        return state.get(name) if isinstance(state, Pairs) else None


BUILTIN_TYPE = "cloudpickle.cloudpickle._builtin_type"
_PARTS = 8


def called_name(target: Any) -> str:
    """
    :param target: of a call
    :return: its dotted name, or in words where that follows from another call only
    """
    prefix = ""
    for _ in range(_PARTS):
        if isinstance(target, Name):
            return prefix + target.dotted
        if not isinstance(target, Made):
            break
        if isinstance(target.target, Name) and target.target.dotted == BUILTIN_TYPE:
            args = target.args
            if isinstance(args, tuple) and len(args) == 1 and isinstance(args[0], str):
                return f"{prefix}types.{args[0]}"
        prefix, target = f"{prefix}the result of ", target.target
    return f"{prefix}a value"
