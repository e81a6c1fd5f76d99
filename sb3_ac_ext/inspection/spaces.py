"""Gymnasium's spaces in a pickle, written the way Gymnasium prints them."""

from __future__ import annotations

from typing import Any

from sb3_ac_ext.inspection.arrays import array_info, plain_dtype, scalar
from sb3_ac_ext.inspection.symbols import Made, Pairs

_MODULES = ("gymnasium.spaces.", "gym.spaces.")
_DEPTH = 4
_PARTS = 32
_SHOWN = 6


def space_text(value: Any, depth: int = _DEPTH) -> str | None:
    """
    :param value: from a pickle
    :param depth: spaces in spaces that are followed
    :return: such as ``Box(-1.0, 1.0, (3,), float32)``, ``None`` if it is no space of Gymnasium
    """
    if not isinstance(value, Made) or not value.called.startswith(_MODULES):
        return None
    kind = value.called.rpartition(".")[2]
    if depth <= 0 or kind not in _TEXTS:
        return f"{kind}(...)"
    return f"{kind}({_TEXTS[kind](value, depth)})"


def _box(value: Made, _: int) -> str:
    low, high = (_bound(value.attribute(name)) for name in ("low", "high"))
    dtype = plain_dtype(value.attribute("dtype"))
    shape = value.attribute("_shape") or value.attribute("shape")
    return f"{low}, {high}, {_shape(shape)}, {dtype}"


def _bound(value: Any) -> str:
    array = array_info(value)
    if array is None or array.values is None or not array.values.size:
        return "?"
    flat = array.values.ravel()
    if (flat == flat[0]).all():
        return str(flat[0].item())
    shown = ", ".join(f"{number:.6g}" for number in flat[:_SHOWN].tolist())
    return f"[{shown}{', ...' if flat.size > _SHOWN else ''}]"


def _shape(value: Any) -> str:
    if not isinstance(value, tuple) or not all(type(part) is int for part in value[:_PARTS]):
        return "?"
    return str(value[:_PARTS])


def _discrete(value: Made, _: int) -> str:
    n, start = (_whole(value.attribute(name)) for name in ("n", "start"))
    return n if start in ("0", "?") else f"{n}, start={start}"


def _whole(value: Any) -> str:
    number = scalar(value) if isinstance(value, Made) else value
    return str(number) if isinstance(number, int) and number.bit_length() <= 64 else "?"


def _multi_discrete(value: Made, _: int) -> str:
    array = array_info(value.attribute("nvec"))
    if array is None or array.values is None:
        return "?"
    flat = array.values.ravel().tolist()
    return f"[{' '.join(map(str, flat[:_PARTS]))}{' ...' if len(flat) > _PARTS else ''}]"


def _multi_binary(value: Made, _: int) -> str:
    n = value.attribute("n")
    return _shape(n) if isinstance(n, tuple) else _whole(n)


def _dict(value: Made, depth: int) -> str:
    spaces = value.attribute("spaces")
    pairs = spaces.pairs if isinstance(spaces, Pairs | Made) else []
    parts = [f"{key!s:.60}: {_part(space, depth)}" for key, space in pairs[:_PARTS]]
    return ", ".join(parts)


def _tuple(value: Made, depth: int) -> str:
    spaces = value.attribute("spaces")
    parts = spaces if isinstance(spaces, tuple | list) else ()
    return ", ".join(_part(space, depth) for space in parts[:_PARTS])


def _part(space: Any, depth: int) -> str:
    return space_text(space, depth - 1) or "?"


_TEXTS = {
    "Box": _box,
    "Discrete": _discrete,
    "MultiDiscrete": _multi_discrete,
    "MultiBinary": _multi_binary,
    "Dict": _dict,
    "Tuple": _tuple,
}
