"""What an RL-Zoo folder tells about its run: ``<Env>/args.yml`` and ``<Env>/config.yml``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sb3_ac_ext.monitoring.sources.algorithms import known_algorithm
from sb3_ac_ext.yaml_loader import load_yaml

_NOT_SHOWN = ("n_timesteps", "n_envs")


def read_yaml(path: Path) -> dict[str, Any]:
    """
    :param path: of a YAML mapping, plain or as the Zoo writes it
    :raises ValueError: when it cannot be read or is not a mapping
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not valid YAML: it is not text") from None
    data = load_yaml(text, str(path))
    if not isinstance(data, dict):
        raise ValueError(f"{path} holds {type(data).__name__}, not a mapping")
    return {str(key): value for key, value in data.items()}


def zoo_facts(folder: Path) -> dict[str, Any]:
    """Fields of the run's facts: from the two files, else from the names of the folders.

    :param folder: ``<log folder>/<algo>/<Env>_<k>``; anything else gives no facts
    :raises ValueError: when one of the files is not readable
    """
    args = _first(folder, "args.yml")
    config = _first(folder, "config.yml")
    named = re.fullmatch(r"(.+?)_\d+(_[0-9a-f-]{36})?", folder.name)
    algorithm = known_algorithm(str(args.get("algo") or folder.parent.name))
    if not (args or config or algorithm):
        return {}
    facts: dict[str, Any] = dict(algorithm or {})
    facts["env_id"] = args.get("env") or (named.group(1) if named else None)
    facts["seed"] = _integer(args.get("seed"))
    facts["n_envs"] = _integer(config.get("n_envs", 1 if config else None))
    facts["total_timesteps"] = _total_timesteps(args, config)
    facts["gamma"] = _number(config.get("gamma"))
    facts["hyperparameters"] = {
        key: value if isinstance(value, (bool, int, float)) else str(value)
        for key, value in config.items()
        if key not in _NOT_SHOWN
    }
    return facts


def _first(folder: Path, name: str) -> dict[str, Any]:
    found = sorted(folder.glob(f"*/{name}"))
    return read_yaml(found[0]) if found else {}


def _total_timesteps(args: Mapping[str, Any], config: Mapping[str, Any]) -> int | None:
    """``-n`` of the command line outranks the configuration, which keeps its own value."""
    asked = _integer(args.get("n_timesteps"))
    if asked is not None and asked > 0:
        return asked
    return _integer(config.get("n_timesteps"))


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _integer(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None and abs(number) < 1e18 else None
