"""Find and read a table of hyperparameters: environment -> settings."""

from __future__ import annotations

import runpy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sb3_ac_ext.lookup import import_module
from sb3_ac_ext.yaml_loader import load_yaml

Table = Mapping[str, Mapping[str, Any]]

_PACKAGE = Path(__file__).resolve().parents[1]
# Inside the installed wheel, then at the top of a source checkout.
_FOLDERS = (_PACKAGE / "hyperparams", _PACKAGE.parent / "hyperparams")


def config_path(algos: Iterable[str]) -> Path:
    """The file of our own hyperparameters for an algorithm.

    :param algos: names to look for, in this order
    :raises ValueError: if none of them has a file
    """
    names = tuple(algos)
    for name in names:
        for folder in _FOLDERS:
            path = folder / f"{name}.yml"
            if path.is_file():
                return path
    raise ValueError(f"no hyperparameters come with {names[0]!r}: name a file with --conf-file")


def read_table(source: str) -> Table:
    """Read YAML, or a Python file or module with a dictionary ``hyperparams``, as RL Zoo does.

    :param source: path ending in ``.yml``, ``.yaml`` or ``.py``, or the dotted name of a module
    :raises ValueError: if it is missing, cannot be read, or is not a mapping of mappings
    """
    if source.endswith((".yml", ".yaml")):
        table = load_yaml(_text(source), source)
    elif source.endswith(".py"):
        table = _python_table(source)
    elif Path(source).exists():
        raise ValueError(f"{source!r} is neither .yml, .yaml or .py nor the name of a module")
    else:
        table = _attribute(vars(import_module(source)), source)
    if not isinstance(table, Mapping):
        raise ValueError(f"{source} must map environments to settings, not {_kind(table)}")
    for name, entry in table.items():
        if not isinstance(entry, Mapping):
            raise ValueError(f"{source}: entry {name!r} must be a mapping, not {_kind(entry)}")
    return table


def select_entry(table: Table, env_id: str, is_atari: bool, source: str) -> str:
    """Which entry applies: the environment's own, ``atari`` for Atari games, or else ``default``.

    :param table: what :func:`read_table` returned
    :param env_id: gymnasium's id
    :param is_atari: whether the environment is an Atari game
    :param source: where the table came from, for the error
    :raises ValueError: if none applies
    """
    wanted = [env_id, "atari" if is_atari else env_id, "default"]
    for name in wanted:
        if name in table:
            return name
    names = ", ".join(map(str, table))
    raise ValueError(f"{source} has no entry for {env_id!r} and no 'default': it has {names}")


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ValueError(f"configuration {path!r} cannot be read: {reason}") from error


def _python_table(path: str) -> Any:
    _text(path)
    try:
        return _attribute(runpy.run_path(path), path)
    except ValueError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"configuration {path!r} cannot be run: {reason}") from error


def _attribute(names: Mapping[str, Any], source: str) -> Any:
    if "hyperparams" not in names:
        raise ValueError(f"{source} has no dictionary named 'hyperparams'")
    return names["hyperparams"]


def _kind(value: Any) -> str:
    return "empty" if value is None else type(value).__name__
