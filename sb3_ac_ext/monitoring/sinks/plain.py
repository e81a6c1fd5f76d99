"""Findings and the verdict as plain lines: for logs, pipes and ``--verbose`` without a terminal."""

from __future__ import annotations

import sys
import warnings
from typing import IO

from sb3_ac_ext.monitoring.records import Event, Finding, RunInfo, Verdict
from sb3_ac_ext.monitoring.sinks.base import Sink
from sb3_ac_ext.monitoring.sinks.verdict_view import Line, event_line, finding_line, verdict_lines


class PlainConsole(Sink):
    """One line per finding and action as it appears, the verdict with the top causes at the end.

    A healthy run costs one line. When the stream is closed, one warning is all that is left.

    :param stream: where to print, standard output unless it is given
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        self.stream = stream
        self._closed = False
        self._last_verdict: Verdict | None = None

    def start(self, info: RunInfo) -> None:
        self._last_verdict = None

    def finding(self, finding: Finding) -> None:
        self._print(finding_line(finding))

    def event(self, event: Event) -> None:
        self._print(event_line(event))

    def finish(self, verdict: Verdict) -> None:
        """Prints the verdict, unless it is the one just printed."""
        if verdict != self._last_verdict:
            self._last_verdict = verdict
            self._print(*verdict_lines(verdict))

    def _print(self, *lines: Line) -> None:
        if self._closed:
            return
        stream = sys.stdout if self.stream is None else self.stream
        text = "\n".join(line.plain for line in lines)
        encoding = getattr(stream, "encoding", None) or "utf-8"
        try:
            # a log in a narrow encoding gets question marks rather than no line
            print(text.encode(encoding, "replace").decode(encoding), file=stream, flush=True)
        except (OSError, ValueError) as error:  # a broken pipe, a closed file
            self._closed = True
            warnings.warn(f"the monitor stops printing: {error}", stacklevel=2)
