"""The files of a run folder: ``monitor.jsonl`` for snapshots, ``findings.jsonl`` for judgements."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import IO

from sb3_ac_ext.monitoring.history import write_event, write_header, write_snapshot
from sb3_ac_ext.monitoring.records import Event, Finding, RunInfo, Snapshot, Verdict
from sb3_ac_ext.monitoring.sinks.base import Sink

HISTORY = "monitor.jsonl"
FINDINGS = "findings.jsonl"


class JsonlSink(Sink):
    """Appends one JSON line per event, flushed, so that a killed run keeps what was seen.

    ``monitor.jsonl`` begins with a line of kind ``run`` and holds lines of kind ``snapshot`` and
    ``event``; each further start, as of a second ``learn()``, appends another ``run`` line.
    ``findings.jsonl`` holds lines of kind ``finding`` as they appear and one of kind ``verdict`` at
    the end of training. Nothing is ever cut off but the torn last line of a killed run.

    A full disk or a deleted folder ends the recording with one warning; training goes on.

    :param log_dir: folder of the run, created at the start when it is missing
    :raises ValueError: when ``log_dir`` is a file
    """

    def __init__(self, log_dir: Path | str) -> None:
        self.log_dir = Path(log_dir)
        if self.log_dir.exists() and not self.log_dir.is_dir():
            raise ValueError(f"log_dir must be a folder: {log_dir} is a file")
        self._streams: dict[str, IO[str]] = {}
        self._recording = False
        self._last_verdict: Verdict | None = None

    def start(self, info: RunInfo) -> None:
        self._close()
        self._last_verdict = None
        self._recording = True
        try:
            self.log_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self._give_up(error)
        self._write(HISTORY, lambda stream: write_header(stream, info))
        self._write(FINDINGS, lambda stream: None)

    def snapshot(self, snapshot: Snapshot) -> None:
        self._write(HISTORY, lambda stream: write_snapshot(stream, snapshot))

    def finding(self, finding: Finding) -> None:
        self._write(FINDINGS, lambda stream: _write_line(stream, "finding", finding))

    def event(self, event: Event) -> None:
        self._write(HISTORY, lambda stream: write_event(stream, event))

    def finish(self, verdict: Verdict) -> None:
        """Appends the verdict, unless it is the one just written, and closes the files."""
        if verdict != self._last_verdict:
            self._last_verdict = verdict
            self._write(FINDINGS, lambda stream: _write_line(stream, "verdict", verdict))
        self._close()

    def _write(self, name: str, write: Callable[[IO[str]], None]) -> None:
        if not self._recording:
            return
        try:
            if name not in self._streams:
                self._streams[name] = _open_to_append(self.log_dir / name)
            stream = self._streams[name]
            # writing to a deleted file succeeds and is lost
            if os.fstat(stream.fileno()).st_nlink == 0:
                raise FileNotFoundError(2, "it was deleted", str(self.log_dir / name))
            write(stream)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._recording = False
        self._close()
        warnings.warn(
            f"the monitor stops writing to {self.log_dir}: {error.strerror or error}", stacklevel=2
        )

    def _close(self) -> None:
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            try:
                stream.close()
            except OSError:  # what could not be flushed; already reported where it was written
                continue


def _open_to_append(path: Path) -> IO[str]:
    """A line that a killed run tore is dropped: whatever follows it would be torn with it."""
    if path.exists() and path.stat().st_size:
        with path.open("rb+") as stream:
            stream.seek(-1, os.SEEK_END)
            if stream.read(1) != b"\n":
                stream.seek(0)
                stream.truncate(stream.read().rfind(b"\n") + 1)
    return path.open("a", encoding="utf-8")


def _write_line(stream: IO[str], kind: str, record: Finding | Verdict) -> None:
    line = json.dumps({"kind": kind, **record.to_json()}, allow_nan=False, default=str)
    stream.write(line + "\n")
    stream.flush()
