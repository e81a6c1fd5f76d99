"""The records of a run folder, cut back to the moment from which the run goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sb3_ac_ext.monitoring.history import History, read_history
from sb3_ac_ext.monitoring.sinks.jsonl import FINDINGS, HISTORY


def going_on_at(state: Mapping[str, Any], steps: int) -> int:
    """
    :param state: of a bundle
    :param steps: at which it was taken
    :return: step of the last snapshot that the monitor had taken then
    """
    for _, node in state["callbacks"]:
        content = node.get("callback")
        if isinstance(content, Mapping) and "history_step" in content:
            return int(content["history_step"])
    return steps


def cut_records(folder: Path, step: int) -> History | None:
    """Drop what was recorded after a step: it happens anew.

    :param folder: of the run
    :param step: of the last snapshot that stays
    :return: the history that is left, ``None`` if there is none
    :raises ValueError: if it cannot be read
    """
    path = folder / HISTORY
    if not path.exists():
        return None
    _keep(path, lambda line: line["kind"] == "run" or line["step"] <= step)
    findings = folder / FINDINGS
    if findings.exists():
        _keep(findings, lambda line: line["kind"] == "finding" and line["step"] <= step)
    return read_history(path)


def _keep(path: Path, wanted: Callable[[Mapping[str, Any]], bool]) -> None:
    """Rewrite a file with the lines that are wanted, in one step."""
    kept = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            line = json.loads(text)
            if wanted(line):
                kept.append(text)
        except (ValueError, KeyError, TypeError):
            if number == 1:
                raise ValueError(f"{path} line 1 is no record of a run") from None
            break  # torn by whatever ended the run
    aside = path.with_name(f"{path.name}.tmp")
    with aside.open("w", encoding="utf-8") as stream:
        stream.write("".join(f"{line}\n" for line in kept))
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(path)
