"""Sides of a work timed in turn, round by round."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from sb3_ac_ext.benchmark.speed.limit import limit
from sb3_ac_ext.benchmark.speed.worker import Worker
from sb3_ac_ext.benchmark.speed.works import OURS, Work, sides_of


@dataclass(frozen=True)
class Speed:
    """One side of one work.

    :param steps_per_second: of each round
    :param peak_memory: of its process, in MiB
    :param first: seconds of the run before these, with an empty cache of compiled code
    """

    side: str
    package: str
    steps_per_second: tuple[float, ...]
    peak_memory: float
    first: float = 0.0

    @property
    def typical(self) -> float:
        return median(self.steps_per_second)


@dataclass(frozen=True)
class Measured:
    """
    :param limits: environment steps per second of environment and arithmetic alone, of each round
    :param targets: as of :class:`Work`
    """

    work: str
    timesteps: int
    limits: tuple[float, ...]
    targets: tuple[float | None, float | None, float | None]
    sides: tuple[Speed, ...]

    @property
    def best(self) -> Speed:
        """The faster of this package's sides."""
        return max((s for s in self.sides if s.package == OURS), key=lambda s: s.typical)

    def break_even(self, side: Speed, eager: Speed) -> float | None:
        """Environment steps from which on a side's first run, with all that it waits for once, is
        shorter than an eager one.

        :return: ``None`` where it never is
        """
        build = side.first - self.timesteps / side.typical
        gain = 1.0 / eager.typical - 1.0 / side.typical
        return max(build, 0.0) / gain if gain > 0.0 else None

    def over(self, package: str, side: Speed | None = None) -> float | None:
        """Median ratio, round by round, to a package at the number of threads that was faster.

        :param side: the faster of this package's by default
        :return: ``None`` where the other did not take part
        """
        others = [s.steps_per_second for s in self.sides if s.package == package]
        if not others:
            return None
        mine = (side or self.best).steps_per_second
        return _ratio(mine, [max(round_) for round_ in zip(*others, strict=True)])

    def of_limit(self, side: Speed | None = None) -> float:
        """Median share, round by round, of what environment and arithmetic alone would allow.

        :param side: the faster of this package's by default
        """
        return _ratio((side or self.best).steps_per_second, self.limits)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def _ratio(mine: Sequence[float], others: Sequence[float]) -> float:
    return median(a / b for a, b in zip(mine, others, strict=True))


def measure(work: Work, rounds: int, timesteps: int | None = None) -> Measured:
    """Every side once untimed, which warms caches and compiled code, then in turn.

    :param rounds: at least 1
    :param timesteps: of a run, by default the work's
    """
    steps = timesteps or work.timesteps
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(work, side)) for side in sides_of(work)]
        first = [steps / worker.run(steps) for worker in workers]
        times: list[list[float]] = [[] for _ in workers]
        limits = []
        for k in range(rounds):
            order = range(len(workers)) if k % 2 == 0 else reversed(range(len(workers)))
            for i in order:
                times[i].append(workers[i].run(steps))
            limits.append(limit(work))
        memory = [worker.peak_memory() for worker in workers]
    sides = tuple(
        Speed(w.side.name, w.side.package, tuple(t), m, f)
        for w, t, m, f in zip(workers, times, memory, first, strict=True)
    )
    return Measured(work.name, steps, tuple(limits), work.targets, sides)
