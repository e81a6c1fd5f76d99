"""Put the report on disk so that a reader sees the old one or the new one, never half of one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Verdict
from sb3_ac_ext.report.page import render_report


def write_report(
    path: Path | str, history: History, verdict: Verdict, run: Mapping[str, Any] | None = None
) -> Path:
    """Write one self-contained HTML file; when anything fails, a report that was there stays.

    :param path: of the file; missing folders are made
    :param history: what the run recorded; may be empty
    :param verdict: the judgement of that history
    :param run: content of ``run.json``: versions, command, wall time, outcome, error, ...
    :return: the path written
    :raises OSError: when the place cannot be written
    """
    path = Path(path)
    page = render_report(history, verdict, run)
    path.parent.mkdir(parents=True, exist_ok=True)
    # same folder, so that the replacement is one rename on one file system
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8", errors="replace") as stream:
            stream.write(page)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
