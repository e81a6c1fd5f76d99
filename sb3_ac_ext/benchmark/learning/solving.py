"""Seconds of training until a task is solved, whatever they are spent on."""

from __future__ import annotations

import importlib
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from statistics import median
from typing import Any

from sb3_ac_ext.benchmark.faults.cases import Scenario
from sb3_ac_ext.benchmark.speed.works import Side

CHECK, EPISODES, SOLVED = 5_000, 100, 475.0
"""Steps between evaluations, their episodes, and the mean return from which it is solved."""
_EVAL_SEED = 60_000


@dataclass(frozen=True)
class Solved:
    """
    :param seconds: of training, evaluations and imports aside, compiling included; infinite where
        the budget did not do
    :param steps: of the environment
    :param imports: seconds until the side's package was there, and all that it imports when it
        makes a model for the first time
    """

    side: str
    seed: int
    seconds: float
    steps: int
    imports: float


@dataclass(frozen=True)
class Race:
    """
    :param runs: of all sides and seeds
    """

    task: str
    runs: tuple[Solved, ...]

    def seconds(self, side: str) -> tuple[float, ...]:
        return tuple(run.seconds for run in self.runs if run.side == side)

    def ratio(self, side: str, reference: str) -> float:
        """Of median seconds."""
        return median(self.seconds(side)) / median(self.seconds(reference))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def race(
    task: Scenario,
    seeds: Sequence[int],
    sides: Sequence[Side],
    say: Callable[[str], None] = lambda text: None,
) -> Race:
    """Every side with every seed, in turn, each in a process of its own with an empty cache of
    compiled code.

    :param task: whose budget is the most that a run may take
    :param sides: of :mod:`~sb3_ac_ext.benchmark.learning.sides`
    """
    runs = []
    for seed in seeds:
        for side in sides:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                runs.append(pool.submit(_solve, task, side, seed).result())
            say(f"{side.name}, seed {seed}: {runs[-1].seconds:.1f} s, {runs[-1].steps:,} steps")
    return Race(task.name, tuple(runs))


def _solve(task: Scenario, side: Side, seed: int) -> Solved:
    start = time.perf_counter()
    importlib.import_module(side.package)
    from sb3_ac_ext.benchmark.learning.sides import make

    env = make(side, task, seed).get_env()
    imports = time.perf_counter() - start
    assert env is not None
    env.close()
    with tempfile.TemporaryDirectory() as cache:
        os.environ["SB3_AC_EXT_CACHE"] = cache
        return _timed(task, side, seed, imports)


def _timed(task: Scenario, side: Side, seed: int, imports: float) -> Solved:
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.evaluation import evaluate_policy

    from sb3_ac_ext.benchmark.faults.run_case import evaluation_env, read_config
    from sb3_ac_ext.benchmark.learning.sides import make
    from sb3_ac_ext.monitoring.canary_env import synchronise

    side.set_threads()
    env = evaluation_env(task, read_config(task), _EVAL_SEED, 20)

    class Clock(BaseCallback):
        """Stands still while the policy is evaluated; ends training once it is good enough."""

        def __init__(self) -> None:
            super().__init__()
            self.seconds, self.due, self.done = 0.0, CHECK, False
            self.since = time.perf_counter()

        def _on_step(self) -> bool:
            if self.num_timesteps < self.due:
                return True
            self.seconds += time.perf_counter() - self.since
            self.due += CHECK
            synchronise(self.training_env, env)
            value, _ = evaluate_policy(self.model, env, EPISODES, deterministic=True, warn=False)
            self.done = float(value) >= SOLVED  # type: ignore[arg-type]
            self.since = time.perf_counter()
            return not self.done

    clock = Clock()
    model = make(side, task, seed)
    model.learn(task.budget, callback=clock)
    env.close()
    seconds = clock.seconds if clock.done else float("inf")
    return Solved(side.name, seed, seconds, model.num_timesteps, imports)
