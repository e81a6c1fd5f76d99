"""JSON of files that are not trusted: bounded, and with one sentence for everything else."""

from __future__ import annotations

import json
from typing import Any

from sb3_ac_ext.inspection.archive import Entry

MOST_JSON = 64 << 20


def read_json(entry: Entry) -> Any:
    """
    :param entry: of an archive
    :raises ValueError: when it is too long, damaged, nested too deep or no JSON
    """
    data = entry.read(MOST_JSON)
    return parse_json(data, entry.label)


def read_object(entry: Entry) -> dict[str, Any]:
    """
    :param entry: of an archive
    :raises ValueError: like :func:`read_json`, and for what is no JSON object
    """
    data = read_json(entry)
    if not isinstance(data, dict):
        raise ValueError(f"{entry.label}: is a JSON {type(data).__name__}, not an object")
    return data


def parse_json(data: bytes, label: str) -> Any:
    """
    :param data: JSON text
    :param label: how errors name it
    :raises ValueError: when it is none
    """
    try:
        return json.loads(data.decode())
    except RecursionError:
        raise ValueError(f"{label}: is nested too deep") from None
    except ValueError as error:
        raise ValueError(f"{label}: is no JSON: {str(error)[:200]}") from None
