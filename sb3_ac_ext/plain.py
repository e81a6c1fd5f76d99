"""Any value as plain data, so that the files of a run are read by every YAML and JSON reader."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from sb3_ac_ext.lookup import dotted_name


def plain(value: Any) -> Any:
    """
    :param value: anything; classes and functions become their dotted names, sequences lists
    :return: mappings, lists, strings, numbers, booleans and ``None`` only
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, float)):  # subclasses too: enumerations, np.float64
        return int(value) if isinstance(value, int) else float(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # NumPy
        return plain(value.tolist())
    if hasattr(value, "__qualname__") and "<" not in value.__qualname__:
        return dotted_name(value)
    return str(value) if isinstance(value, Path) else repr(value)


def dump_yaml(value: Any) -> str:
    """YAML that ``yaml.safe_load`` reads, keys sorted, shared parts repeated instead of referenced.

    :param value: anything that :func:`plain` takes
    """

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    return yaml.dump(plain(value), Dumper=Dumper, sort_keys=True, allow_unicode=True)
