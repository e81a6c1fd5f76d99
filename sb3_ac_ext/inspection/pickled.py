"""A ``vecnormalize.pkl``, a replay buffer, any other pickle, or a bare file of torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sb3_ac_ext.inspection.arrays import array_info
from sb3_ac_ext.inspection.readable import readable
from sb3_ac_ext.inspection.reader import Reader
from sb3_ac_ext.inspection.records import Report, Tensor
from sb3_ac_ext.inspection.scan import merged
from sb3_ac_ext.inspection.symbols import Made, Pairs
from sb3_ac_ext.inspection.torch_file import named_tensors, read_torch

_NO_DATA = {"observation_space", "action_space", "_np_random"}
_FACTS = ("observation_space", "action_space", "pos", "full", "buffer_size", "n_envs", "num_envs")
_LONG = 500


def inspect_pickled(reader: Reader, path: str) -> Report:
    """
    :param reader: of the file, which is closed afterwards
    :param path: what was inspected
    :raises ValueError: when it is no readable pickle
    """
    size = reader.size
    found = read_torch(reader, "the pickle")
    attributes = _attributes(found.value)
    arrays = dict(_arrays(attributes))
    facts = {name: readable(attributes[name]) for name in _FACTS if name in attributes}
    settings = {
        name: readable(value)
        for name, value in attributes.items()
        if name not in facts and not name.startswith("_") and not _is_data(value)
    }
    name = found.value.called if isinstance(found.value, Made) else ""
    parameters = {"tensors": found.tensors} if found.tensors else {}
    return Report(
        path,
        _kind(name, found.tensors),
        _title(name, facts, found.tensors),
        size,
        facts={"class": name or None, **facts},
        hyperparameters=settings,
        parameters={**parameters, **({"arrays": arrays} if arrays else {})},
        uses=merged(found.uses),
        problems=found.problems,
    )


def _is_data(value: Any) -> bool:
    """An array, or a dict of arrays or tensors: shown with their shapes."""
    parts = [part for _, part in value.pairs[:1]] if isinstance(value, Pairs | Made) else []
    return any(array_info(part) or dict(named_tensors(part)) for part in [value, *parts])


def _kind(name: str, tensors: dict[str, Tensor]) -> str:
    last = name.rpartition(".")[2]
    if last.endswith("Buffer"):
        return "SB3 replay buffer"
    if last == "VecNormalize":
        return "SB3 VecNormalize"
    return "file of torch" if tensors else "pickle"


def _title(name: str, facts: dict[str, Any], tensors: dict[str, Tensor]) -> str:
    last = name.rpartition(".")[2] or ("tensors" if tensors else "a pickle")
    if isinstance(facts.get("pos"), int) and isinstance(facts.get("buffer_size"), int):
        rows = facts["buffer_size"] if facts.get("full") is True else facts["pos"]
        return f"{last}, {rows:,} of {facts['buffer_size']:,} rows, n_envs {facts.get('n_envs')}"
    return last


def _attributes(value: Any) -> dict[str, Any]:
    if isinstance(value, Made):
        state = value.state
        if isinstance(state, tuple) and len(state) == 2:
            state = state[0]
        value = state
    if not isinstance(value, Pairs):
        return {}
    return {key[:200]: part for key, part in value.pairs if isinstance(key, str)}


def _arrays(attributes: dict[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """Name and shape of each array in the attributes, and in dicts and objects among them."""
    waiting, seen = list(attributes.items())[::-1], set()
    while waiting:
        name, value = waiting.pop()
        skipped = name.rpartition(".")[2] in _NO_DATA or len(name) > _LONG
        if skipped or id(value) in seen:
            continue
        info = array_info(value)
        if info is not None:
            yield name, Tensor(info.shape, info.dtype)
        elif isinstance(value, Made | Pairs):
            seen.add(id(value))
            inside = _attributes(value).items()
            waiting.extend([(f"{name}.{key}", part) for key, part in inside][::-1])
