"""Values of a pickle as numbers and short text, for people and for JSON."""

from __future__ import annotations

from typing import Any

from sb3_ac_ext.inspection.arrays import array_info, old_bytes, plain_dtype, scalar
from sb3_ac_ext.inspection.code import CODE_TYPE, carried_code
from sb3_ac_ext.inspection.spaces import space_text
from sb3_ac_ext.inspection.symbols import Made, Members, Name, Pairs, Skipped, Stored
from sb3_ac_ext.inspection.trust import CALLS

_DEPTH = 3
_ITEMS = 16
_TEXT = 300
_SMALL = 8
_BITS = 64
_WRAPPED = {"stable_baselines3.common.utils.FloatSchedule": "value_schedule"}
_ENUMERATIONS = ("TrainFrequencyUnit", "GoalSelectionStrategy")
_NO_ATTRIBUTES = {"_np_random"}


def readable(value: Any, depth: int = _DEPTH) -> Any:
    """
    :param value: from a pickle or from JSON
    :param depth: levels of containers that are followed
    :return: numbers, text, lists and dicts, cut to a size that can be shown
    """
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        bits = value.bit_length()
        return value if bits <= _BITS else f"a number of {bits:,} bits"
    if isinstance(value, str):
        return value if len(value) <= _TEXT else f"{value[:_TEXT]}..."
    if isinstance(value, Name):
        return value.dotted[:_TEXT]
    value = old_bytes(value)
    if isinstance(value, bytes | Skipped):
        size = value.size if isinstance(value, Skipped) else len(value)
        return f"{size:,} bytes"
    if isinstance(value, Made):
        return _made(value, depth)
    return _container(value, depth)


def _container(value: Any, depth: int) -> Any:
    if isinstance(value, Pairs | dict):
        pairs = value.pairs if isinstance(value, Pairs) else list(value.items())
        return _dict(pairs, depth)
    if isinstance(value, Members):
        value = value.items
    if isinstance(value, list | tuple):
        if depth <= 0:
            return f"{len(value):,} items"
        found = [readable(item, depth - 1) for item in value[:_ITEMS]]
        return [*found, f"... {len(value) - _ITEMS:,} more"] if len(value) > _ITEMS else found
    return "stored outside" if isinstance(value, Stored) else type(value).__name__


def _dict(pairs: list[tuple[Any, Any]], depth: int) -> Any:
    if depth <= 0:
        return f"{len(pairs):,} items"
    found = {_key(key): readable(value, depth - 1) for key, value in pairs[:_ITEMS]}
    if len(pairs) > _ITEMS:
        found["..."] = f"{len(pairs) - _ITEMS:,} more"
    return found


def _key(key: Any) -> str:
    return str(readable(key, 1))[:_TEXT]


def _made(value: Made, depth: int) -> Any:
    number = scalar(value)
    if number is not None:
        return number
    text = space_text(value)
    if text is not None:
        return text
    array = array_info(value)
    if array is not None:
        small = array.values is not None and 0 < array.values.size <= _SMALL
        shape = f"{array.dtype}{list(array.shape)}"
        return f"{array.values.tolist()} {array.dtype}" if small else f"array {shape}"
    dtype = plain_dtype(value)
    return str(dtype) if dtype is not None else _object(value, depth)


def _object(value: Made, depth: int) -> Any:
    name = value.called.rpartition(".")[2]
    if name.startswith("_rebuild_"):
        return "a tensor"
    if name in ("OrderedDict", "dict"):
        return _dict(value.pairs, depth)
    if name in ("set", "frozenset") and isinstance(value.args, tuple) and value.args:
        return readable(value.args[0], depth)
    if name in ("deque", "list") and not value.pairs:
        return readable(value.items, depth)
    if name == "_make_function":
        return _function(value)
    if value.called in _WRAPPED:
        return readable(value.attribute(_WRAPPED[value.called]), depth)
    if value.called in CALLS and name.endswith(_ENUMERATIONS):
        return readable(value.args[0] if isinstance(value.args, tuple) and value.args else None)
    if depth <= 0:
        return name[:_TEXT]
    args = value.args if isinstance(value.args, tuple) else ()
    parts = [_text(arg, depth) for arg in args[:_ITEMS]]
    parts += [f"{key}={_text(part, depth)}" for key, part in _attributes(value)[:_ITEMS]]
    return f"{name}({', '.join(parts)})"[:_TEXT]


def _text(value: Any, depth: int) -> str:
    found = readable(value, depth - 1)
    return found if isinstance(found, str) and not isinstance(value, str) else repr(found)


def _attributes(value: Made) -> list[tuple[str, Any]]:
    state = value.state
    if isinstance(state, tuple) and len(state) == 2 and isinstance(state[0], Pairs):
        state = state[0]
    pairs = state.pairs if isinstance(state, Pairs) else []
    return [(_key(key), part) for key, part in pairs if _key(key) not in _NO_ATTRIBUTES]


def _function(value: Made) -> str:
    code = value.args[0] if isinstance(value.args, tuple) and value.args else None
    if isinstance(code, Made) and code.called == CODE_TYPE:
        return carried_code([code])[0].partition("), ")[0] + ")"
    return "a function"
