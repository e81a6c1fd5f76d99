"""The terminal while a run trains: a live region, findings above it, the verdict at the end."""

from __future__ import annotations

import atexit
import time
import warnings
from collections.abc import Callable

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel

from sb3_ac_ext.monitoring.records import Event, Finding, RunInfo, Snapshot, Verdict
from sb3_ac_ext.monitoring.sinks.base import Sink
from sb3_ac_ext.monitoring.sinks.dashboard import Dashboard
from sb3_ac_ext.monitoring.sinks.plain import PlainConsole
from sb3_ac_ext.monitoring.sinks.verdict_view import (
    STYLES,
    event_line,
    finding_line,
    verdict_lines,
)

REFRESH_SECONDS = 0.25


class _Console(Console):
    """A console that reports a broken pipe instead of ending the process."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError("broken pipe")


class LiveConsole(Sink):
    """Progress bar, table of the latest snapshot, findings as they appear, verdict at the end.

    The region is redrawn four times per second at most, from the training thread: there is no
    thread behind it. Without a terminal that draws UTF-8 it is a :class:`PlainConsole`. The
    terminal is given back by :meth:`finish`, or at the end of the process if that never comes.

    :param total_timesteps: environment steps that the run may take
    :param force: draw the live region even where no terminal is recognised
    :param console: to print to instead of standard output
    :raises ValueError: when ``total_timesteps`` is not positive
    """

    def __init__(
        self, total_timesteps: int, force: bool = False, console: Console | None = None
    ) -> None:
        if total_timesteps <= 0:
            raise ValueError(f"total_timesteps must be positive: {total_timesteps}")
        self.total_timesteps = total_timesteps
        self.console = console or _Console(force_terminal=True if force else None, highlight=False)
        self._plain = None if _can_draw(self.console) else PlainConsole(self.console.file)
        self._dashboard = Dashboard(total_timesteps)
        self._live: Live | None = None
        self._drawn = 0.0
        self._closed = False
        self._last_verdict: Verdict | None = None

    def start(self, info: RunInfo) -> None:
        self._stop()
        self._last_verdict = None
        self._dashboard = Dashboard(self.total_timesteps)
        self._dashboard.title = " on ".join(filter(None, (info.algo, info.env_id)))
        if self._plain is None:
            self._guard(self._open)
        else:
            self._plain.start(info)

    def progress(self, step: int) -> None:
        self._dashboard.advance(step)
        if time.monotonic() - self._drawn >= REFRESH_SECONDS:
            self._draw()

    def snapshot(self, snapshot: Snapshot) -> None:
        self._dashboard.add(snapshot)
        if time.monotonic() - self._drawn >= REFRESH_SECONDS:
            self._draw()

    def finding(self, finding: Finding) -> None:
        if self._plain is None:
            self._print(finding_line(finding))
        else:
            self._plain.finding(finding)

    def event(self, event: Event) -> None:
        if self._plain is None:
            self._print(event_line(event))
        else:
            self._plain.event(event)

    def finish(self, verdict: Verdict) -> None:
        """Gives the terminal back and prints the verdict, unless it is the one just printed."""
        if self._plain is not None:
            self._plain.finish(verdict)
            return
        self._draw()
        self._stop()
        if verdict != self._last_verdict:
            self._last_verdict = verdict
            headline, *rest = verdict_lines(verdict)
            style = STYLES.get(verdict.status, "dim")
            panel = Panel(Group(headline, *rest), border_style=style, expand=False)
            self._print(panel if rest else headline)

    def _open(self) -> None:
        self._live = Live(
            console=self.console,
            auto_refresh=False,
            vertical_overflow="crop",
            get_renderable=lambda: self._dashboard,
        )
        # an exception in training skips every callback: the cursor must come back all the same
        atexit.register(self._stop)
        self._live.start()

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        if self._live is not None:
            self._guard(self._live.refresh)

    def _print(self, renderable: RenderableType) -> None:
        self._guard(lambda: self.console.print(renderable))

    def _stop(self) -> None:
        live, self._live = self._live, None
        if live is None:
            return
        atexit.unregister(self._stop)
        try:
            live.stop()
        except (OSError, ValueError):  # the terminal is gone; standard output is restored by then
            self._closed = True

    def _guard(self, action: Callable[[], object]) -> None:
        """A terminal that went away ends the display with one warning, never the training."""
        if self._closed:
            return
        try:
            action()
        except (OSError, ValueError) as error:  # a broken pipe, a closed file, an encoding
            self._closed = True
            self._stop()
            warnings.warn(f"the monitor stops printing: {error}", stacklevel=2)


def _can_draw(console: Console) -> bool:
    terminal = console.is_terminal and not console.is_dumb_terminal
    return terminal and not console.options.ascii_only
