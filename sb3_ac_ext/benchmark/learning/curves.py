"""What is learnt within a budget: final returns over seeds, compared by a rank test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from statistics import mean
from typing import Any

import numpy as np
from scipy.stats import t as student

from sb3_ac_ext.benchmark.faults.cases import Scenario
from sb3_ac_ext.benchmark.faults.run_case import evaluation_env, play, read_config
from sb3_ac_ext.benchmark.learning.sides import SB3, learners, make
from sb3_ac_ext.benchmark.speed.works import Side
from sb3_ac_ext.monitoring.functional import compare_samples

_FINAL_SEED = 50_000


def _tuned(algo: str, env_id: str, budget: int, n_envs: int, continuous: bool) -> Scenario:
    return Scenario(algo, env_id, "tuned", budget, n_envs, continuous)


TASKS = (
    _tuned("ppo", "CartPole-v1", 100_000, 8, continuous=False),
    _tuned("a2c", "CartPole-v1", 60_000, 8, continuous=False),
    _tuned("ppo", "Acrobot-v1", 100_000, 16, continuous=False),
    _tuned("ppo", "Pendulum-v1", 100_000, 4, continuous=True),
    _tuned("sac", "Pendulum-v1", 5_000, 1, continuous=True),
    _tuned("td3", "Pendulum-v1", 15_000, 1, continuous=True),
    _tuned("ppo", "MountainCarContinuous-v0", 20_000, 1, continuous=True),
    _tuned("ppo", "LunarLander-v3", 200_000, 16, continuous=False),
    _tuned("ppo", "Hopper-v5", 60_000, 1, continuous=True),
)
"""The file's settings at budgets that are a part of theirs."""


@dataclass(frozen=True)
class Learnt:
    """
    :param returns: of each side, one per seed: mean of 20 episodes of the final policy
    """

    task: str
    budget: int
    returns: dict[str, tuple[float, ...]]

    def interval(self, side: str) -> tuple[float, float]:
        """Student's 95 % interval of the mean over seeds; NaN for a single one."""
        values = np.array(self.returns[side])
        if len(values) < 2:
            return float("nan"), float("nan")
        reach = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
        return float(values.mean() - reach), float(values.mean() + reach)

    def against(self, side: str, reference: str = SB3.name) -> tuple[float, float]:
        """Mann-Whitney p-value and rank-biserial effect, positive where the side does better."""
        return compare_samples(np.array(self.returns[side]), np.array(self.returns[reference]))

    def line(self) -> str:
        """All of it, for whoever does not wait for the table."""
        parts = []
        for side, row in self.returns.items():
            (low, high), (p_value, effect) = self.interval(side), self.against(side)
            compared = "" if side == SB3.name else f", p {p_value:.2f}, effect {effect:+.2f}"
            parts.append(f"{side} {mean(row):.1f} ({low:.1f} to {high:.1f}{compared})")
        return f"{self.task}, {self.budget:,} steps: " + "; ".join(parts)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def learn(
    tasks: Sequence[Scenario],
    seeds: Sequence[int],
    jobs: int = 1,
    sides: Callable[[Scenario], Sequence[Side]] = learners,
    say: Callable[[str], None] = lambda text: None,
) -> list[Learnt]:
    """Every side of every task with every seed.

    :param sides: of a task
    :param jobs: processes, with a thread each
    :param say: told what was learnt, task by task
    """
    found = []
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for task in tasks:
            learning = sides(task)
            pairs = [(side, seed) for side in learning for seed in seeds]
            values = list(pool.map(partial(_final_return, task), *zip(*pairs, strict=True)))
            parts = (values[k : k + len(seeds)] for k in range(0, len(values), len(seeds)))
            returns = {side.name: tuple(part) for side, part in zip(learning, parts, strict=True)}
            found.append(Learnt(task.name, task.budget, returns))
            say(found[-1].line())
    return found


def _final_return(scenario: Scenario, side: Side, seed: int) -> float:
    side.set_threads()
    model = make(side, scenario, seed)
    model.learn(scenario.budget)
    return mean(play(model, evaluation_env(scenario, read_config(scenario), _FINAL_SEED, 10)))
