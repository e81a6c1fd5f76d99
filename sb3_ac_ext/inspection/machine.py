"""Follow the opcodes of a pickle the way a load would, and write down what it would call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sb3_ac_ext.inspection.symbols import Made, Members, Name, Pairs, Skipped, Stored, called_name

MOST_CALLS_KEPT = 10_000


@dataclass
class Traced:
    """What a load of one pickle would do.

    :param value: what it would return, in symbols
    :param uses: (kind, dotted name) -> how often; the kinds are calls, creates (``__new__`` only),
        imports and changes
    :param calls: the calls in their order, the first ten thousand
    """

    value: Any = None
    uses: Counter[tuple[str, str]] = field(default_factory=Counter)
    calls: list[Made] = field(default_factory=list)


class Machine:
    """The stack machine of ``pickle``, on symbols."""

    def __init__(self) -> None:
        self.traced = Traced()
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def step(self, name: str, arg: Any, skipped: int = 0) -> None:
        """
        :param name: of an opcode
        :param arg: its argument
        :param skipped: bytes of the argument that were not read
        :raises ValueError: if the opcode is unknown or does not fit here
        """
        if skipped:
            self._stack.append(Skipped(skipped))
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name]())
        elif name in _VALUES:
            self._stack.append(bytes(arg) if isinstance(arg, bytearray) else arg)
        elif name in _STEPS:
            _STEPS[name](self, arg)
        elif name not in ("PROTO", "FRAME", "READONLY_BUFFER"):
            raise ValueError(f"the instruction {name} is not known here")

    # -- what a load would do --

    def _use(self, kind: str, name: str) -> None:
        self.traced.uses[kind, name] += 1

    def _import(self, module: Any, name: Any) -> None:
        known = isinstance(module, str) and isinstance(name, str)
        found = Name(module, name) if known else Name("(computed)", "(computed)")
        self._use("imports", found.dotted)
        self._stack.append(found)

    def _call(self, target: Any, args: Any, kind: str = "calls") -> None:
        made = Made(target, args)
        self._use(kind, made.called)
        if len(self.traced.calls) < MOST_CALLS_KEPT:
            self.traced.calls.append(made)
        self._stack.append(made)

    def _global(self, arg: str) -> None:
        module, _, name = arg.rpartition(" ")
        self._import(module, name)

    def _stack_global(self, _: Any) -> None:
        name, module = self._pop(), self._pop()
        self._import(module, name)

    def _inst(self, arg: str) -> None:
        args = tuple(self._pop_mark())
        self._global(arg)
        self._call(self._pop(), args)

    def _obj(self, _: Any) -> None:
        target, *args = self._pop_mark()
        self._call(target, tuple(args))

    def _reduce(self, _: Any) -> None:
        args, target = self._pop(), self._pop()
        self._call(target, args)

    def _newobj(self, _: Any) -> None:
        args, target = self._pop(), self._pop()
        self._call(target, args, "creates")

    def _newobj_ex(self, _: Any) -> None:
        kwargs, args, target = self._pop(), self._pop(), self._pop()
        self._call(target, (args, kwargs), "creates")

    def _extension(self, arg: int) -> None:
        self._import("(extension registry)", str(arg))

    def _build(self, _: Any) -> None:
        state, target = self._pop(), self._stack[-1]
        if isinstance(target, Made):
            target.state = state
        else:
            self._use("changes", called_name(target))

    # -- containers --

    def _pop(self) -> Any:
        return self._stack.pop()

    def _pop_mark(self) -> list[Any]:
        items, self._stack = self._stack, self._below.pop()
        return items

    def _mark(self, _: Any) -> None:
        self._below.append(self._stack)
        self._stack = []

    def _drop(self, _: Any) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._pop_mark()

    def _drop_mark(self, _: Any) -> None:
        self._pop_mark()

    def _push_marked(self, make: Callable[[list[Any]], Any]) -> None:
        items = self._pop_mark()
        self._stack.append(make(items))

    def _tuple(self, length: int) -> None:
        items = tuple(self._pop() for _ in range(length))
        self._stack.append(items[::-1])

    def _set_items(self, items: list[Any]) -> None:
        if len(items) % 2:
            raise ValueError("a key without a value")
        target, pairs = self._stack[-1], list(zip(items[::2], items[1::2], strict=True))
        if isinstance(target, Pairs | Made):
            target.pairs.extend(pairs)
        else:
            self._use("changes", called_name(target))

    def _add_items(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, list):
            target.extend(items)
        elif isinstance(target, Members | Made):
            target.items.extend(items)
        else:
            self._use("changes", called_name(target))

    def _last(self, count: int) -> list[Any]:
        items = [self._pop() for _ in range(count)]
        return items[::-1]

    def _memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _put(self, arg: Any) -> None:
        self._memo[int(arg)] = self._stack[-1]

    def _get(self, arg: Any) -> None:
        if int(arg) not in self._memo:
            raise ValueError(f"nothing was remembered under {int(arg)}")
        self._stack.append(self._memo[int(arg)])

    def _stop(self, _: Any) -> None:
        self.traced.value = self._pop()


def _pairs(items: list[Any]) -> Pairs:
    if len(items) % 2:
        raise ValueError("a key without a value")
    return Pairs(list(zip(items[::2], items[1::2], strict=True)))


_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": Pairs,
    "EMPTY_SET": Members,
    "NEXT_BUFFER": lambda: Stored("buffer"),
}
_VALUES = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE"),
    *("BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_STEPS: dict[str, Callable[[Machine, Any], None]] = {
    "GLOBAL": Machine._global,
    "STACK_GLOBAL": Machine._stack_global,
    "INST": Machine._inst,
    "OBJ": Machine._obj,
    "REDUCE": Machine._reduce,
    "NEWOBJ": Machine._newobj,
    "NEWOBJ_EX": Machine._newobj_ex,
    "EXT1": Machine._extension,
    "EXT2": Machine._extension,
    "EXT4": Machine._extension,
    "BUILD": Machine._build,
    "PERSID": lambda machine, arg: machine._stack.append(Stored(arg)),
    "BINPERSID": lambda machine, _: machine._stack.append(Stored(machine._pop())),
    "MARK": Machine._mark,
    "POP": Machine._drop,
    "POP_MARK": Machine._drop_mark,
    "DUP": lambda machine, _: machine._stack.append(machine._stack[-1]),
    "TUPLE": lambda machine, _: machine._push_marked(tuple),
    "TUPLE1": lambda machine, _: machine._tuple(1),
    "TUPLE2": lambda machine, _: machine._tuple(2),
    "TUPLE3": lambda machine, _: machine._tuple(3),
    "LIST": lambda machine, _: machine._push_marked(list),
    "DICT": lambda machine, _: machine._push_marked(_pairs),
    "FROZENSET": lambda machine, _: machine._push_marked(Members),
    "SETITEM": lambda machine, _: machine._set_items(machine._last(2)),
    "SETITEMS": lambda machine, _: machine._set_items(machine._pop_mark()),
    "APPEND": lambda machine, _: machine._add_items(machine._last(1)),
    "APPENDS": lambda machine, _: machine._add_items(machine._pop_mark()),
    "ADDITEMS": lambda machine, _: machine._add_items(machine._pop_mark()),
    "MEMOIZE": Machine._memoize,
    "PUT": Machine._put,
    "BINPUT": Machine._put,
    "LONG_BINPUT": Machine._put,
    "GET": Machine._get,
    "BINGET": Machine._get,
    "LONG_BINGET": Machine._get,
    "STOP": Machine._stop,
}
