"""The live picture of a run: progress and the latest signals with their trend, drawn with rich."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sb3_ac_ext.monitoring.records import Snapshot
from sb3_ac_ext.monitoring.vocabulary import NETWORKS, metric

ROWS: tuple[tuple[str, ...], ...] = (
    ("episodes/return_mean",),
    ("canary/return_mean",),
    ("policy/kl", "train/approx_kl"),
    ("policy/entropy", "policy/entropy_relative", "actions/entropy"),
    ("value/explained_variance", "q/mean"),
    tuple(f"gradients/{net}/norm_mean" for net in NETWORKS),
    ("hyper/learning_rate",),
)
"""One row each, for the first of the names that is observed."""

SPREAD = {
    "episodes/return_mean": "episodes/return_std",
    "canary/return_mean": "canary/return_std",
}
COMPARED_WITH = 5  # snapshots ago
_KEPT = 40
_RATE_WINDOW = 60
_NARROW = 56
_BLOCKS = "▁▂▃▄▅▆▇█"
_NOTABLE = 0.02  # of the range of the kept values


class Dashboard:
    """State of the live region; rendered anew whenever it is printed.

    :param total_timesteps: environment steps that the run may take
    :param clock: seconds, monotonic
    """

    def __init__(self, total_timesteps: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.total_timesteps = max(1, total_timesteps)
        self.title = ""
        self.step = 0
        self._clock = clock
        self._begin = clock()
        self._passed: deque[tuple[float, int]] = deque(maxlen=_RATE_WINDOW)
        self._values: dict[str, deque[float]] = {}

    def advance(self, step: int) -> None:
        self.step = step
        if not self._passed or step > self._passed[-1][1]:
            self._passed.append((self._clock(), step))

    def add(self, snapshot: Snapshot) -> None:
        self.advance(max(self.step, snapshot.step))
        for name, value in snapshot.values.items():
            self._values.setdefault(name, deque(maxlen=_KEPT)).append(value)

    @property
    def elapsed(self) -> float:
        return self._clock() - self._begin

    @property
    def rate(self) -> float | None:
        """Steps per second over the last moments."""
        if len(self._passed) < 2:
            return None
        (then, first), (now, last) = self._passed[0], self._passed[-1]
        return (last - first) / (now - then) if now > then else None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Group(*self._header(options), self._table(options))

    def _header(self, options: ConsoleOptions) -> Iterable[RenderableType]:
        share = min(1.0, self.step / self.total_timesteps)
        if self.title:
            yield Text(self.title, style="bold", overflow="ellipsis", no_wrap=True)
        bar = Table.grid()  # a bar by itself does not end its line
        bar.add_row(ProgressBar(total=1.0, completed=share, width=min(options.max_width, 80)))
        yield bar
        rate = self.rate
        parts = [f"{share:.0%}", f"{self.step:,} of {self.total_timesteps:,} steps"]
        parts.append(f"{rate:,.0f} steps/s" if rate else "measuring speed")
        parts.append(f"{_duration(self.elapsed)} elapsed")
        if rate and share < 1.0:
            parts.append(f"{_duration((self.total_timesteps - self.step) / rate)} left")
        yield Text(" · ".join(parts), style="dim")

    def _table(self, options: ConsoleOptions) -> Table:
        """Titles give way first when the terminal is narrow, then spreads and sparklines."""
        wide = options.max_width >= _NARROW
        names = [next((n for n in row if n in self._values), None) for row in ROWS]
        rows = [self._row(name, wide) for name in names if name is not None]
        taken = [max((row[column].cell_len for row in rows), default=0) for column in (1, 2)]
        table = Table.grid(padding=(0, 2))
        room = max(1, options.max_width - sum(taken) - 4)
        table.add_column(no_wrap=True, overflow="ellipsis", max_width=room)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(no_wrap=True)
        for row in rows:
            table.add_row(*row)
        return table

    def _row(self, name: str, wide: bool) -> tuple[Text, Text, Text]:
        values = list(self._values[name])
        shown = Text(_number(values[-1]), style="" if math.isfinite(values[-1]) else "bold red")
        spread = self._values.get(SPREAD.get(name, ""))
        if wide and spread and math.isfinite(spread[-1]):
            shown.append(f" ± {_number(spread[-1])}", style="dim")
        trend = Text(arrow(values))
        if wide:
            trend.append(f" {sparkline(values)}", style="cyan")
        return Text(metric(name).title), shown, trend


def arrow(values: list[float]) -> str:
    """Where the last value went since five snapshots before, against the range of all of them."""
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) < 2 or not math.isfinite(values[-1]):
        return " "
    change = finite[-1] - finite[max(0, len(finite) - 1 - COMPARED_WITH)]
    if abs(change) <= _NOTABLE * (max(finite) - min(finite)):
        return "→"
    return "↑" if change > 0 else "↓"


def sparkline(values: list[float], width: int = 16) -> str:
    """The last values as blocks between their minimum and maximum; a gap where not finite."""
    shown = values[-width:]
    finite = [value for value in shown if math.isfinite(value)]
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    span = high / 2 - low / 2  # halves: the range of two finite numbers may not be finite
    return "".join(_block(value / 2 - low / 2, span) for value in shown)


def _block(height: float, span: float) -> str:
    if not math.isfinite(height):
        return " "
    share = height / span if span > 0 else 0.5  # what is constant is drawn at half height
    return _BLOCKS[round(share * (len(_BLOCKS) - 1))]


def _number(value: float) -> str:
    if not math.isfinite(value):
        return str(value)
    if value and (abs(value) < 1e-3 or abs(value) >= 1e6):
        return f"{value:.2e}"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.3g}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
