"""One of eight workers pays ten times the reward: what that costs, and what normalisers save."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import get_context
from statistics import mean
from typing import Any

import gymnasium as gym
import numpy as np
import torch as th
from gymnasium.wrappers import TransformReward
from scipy.stats import bootstrap
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecNormalize

from sb3_ac_ext.console import TABLES, make_console
from sb3_ac_ext.monitoring.functional import explained_variance
from sb3_ac_ext.wrappers import VecWorkerNormalizeReward

N_ENVS, BROKEN, FACTOR = 8, 3, 10.0
CLEAN, SCALED, PLAIN = "clean", "clean, per worker", "plain"
STOCK, OURS = "VecNormalize", "per worker"
SIDES = (CLEAN, SCALED, PLAIN, STOCK, OURS)
"""Without the fault, and so with our wrapper; with it; with it and a normaliser of rewards."""
TARGET = 0.05
"""Of the clean return, by which the mean with our wrapper may differ at most."""
_ENV, _EPISODES, _EVAL_SEED = "CartPole-v1", 20, 70_000


@dataclass(frozen=True)
class Work:
    """
    :param algo: class of Stable-Baselines3
    :param timesteps: with which clean runs reach the 500 that an episode returns at most
    :param settings: of the algorithm
    """

    algo: str
    timesteps: int
    settings: Mapping[str, Any]


WORKS = {
    "ppo": Work(
        "PPO",
        80_000,
        {
            "n_steps": 128,
            "batch_size": 256,
            "gamma": 0.98,
            "gae_lambda": 0.8,
            "learning_rate": 1e-3,
        },
    ),
    "a2c": Work("A2C", 80_000, {"n_steps": 32, "gamma": 0.98, "learning_rate": 2e-3}),
}


@dataclass(frozen=True)
class Learnt:
    """What one side of a work has learnt, seed by seed.

    :param returns: mean of 20 episodes of the final policy with sampled actions, in environments
        that pay as they should
    :param fits: explained variance of the critic over a rollout, as SB3 logs it, in the rewards
        that the side learns from; mean over the last quarter of the rollouts
    """

    work: str
    side: str
    timesteps: int
    returns: tuple[float, ...]
    fits: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Bootstrapped 95 % interval of the mean; NaN for less than two values."""
    return _bootstrapped((values,), np.mean)


def share(side: Learnt, clean: Learnt) -> tuple[float, float, float]:
    """Mean return over the clean one, and its bootstrapped 95 % interval."""
    low, high = _bootstrapped((side.returns, clean.returns), _ratio)
    return mean(side.returns) / mean(clean.returns), low, high


def _ratio(some: Any, others: Any, axis: int = -1) -> Any:
    return np.mean(some, axis=axis) / np.mean(others, axis=axis)


def _bootstrapped(
    samples: Sequence[Sequence[float]], statistic: Callable[..., Any]
) -> tuple[float, float]:
    if min(len(sample) for sample in samples) < 2:
        return float("nan"), float("nan")
    found = bootstrap(samples, statistic, method="percentile", random_state=0).confidence_interval
    return float(found.low), float(found.high)


def compare(
    names: Sequence[str],
    seeds: Sequence[int],
    timesteps: int | None = None,
    jobs: int = 1,
    say: Callable[[str], None] = print,
) -> list[Learnt]:
    """All sides of the works with every seed.

    :param names: of :data:`WORKS`
    :param timesteps: of a run, instead of the work's
    :param jobs: processes, with a thread each
    :param say: told what was learnt, side by side
    """
    found = []
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for name in names:
            work = WORKS[name]
            work = work if timesteps is None else replace(work, timesteps=timesteps)
            for side in SIDES:
                rows = list(pool.map(partial(_run, work, side), seeds))
                returns, fits = (tuple(column) for column in zip(*rows, strict=True))
                found.append(Learnt(name, side, work.timesteps, returns, fits))
                say(f"{name}, {side}: return {mean(returns):.1f}, critic fit {mean(fits):.2f}")
    return found


def _run(work: Work, side: str, seed: int) -> tuple[float, float]:
    """Return and critic fit."""
    th.set_num_threads(1)
    fit = _CriticFit()
    env = training_env(side, seed, work.settings["gamma"])
    cls = getattr(importlib.import_module("stable_baselines3"), work.algo)
    model: BaseAlgorithm = cls("MlpPolicy", env, seed=seed, device="cpu", **work.settings)
    model.learn(work.timesteps, callback=fit)
    clean = make_vec_env(_ENV, n_envs=5, seed=_EVAL_SEED + seed)
    found, _ = evaluate_policy(model, clean, _EPISODES, deterministic=False)
    return float(np.mean(found)), fit.late


def training_env(side: str, seed: int, gamma: float) -> VecEnv:
    """
    :param side: one of :data:`SIDES`
    :param seed: of the first worker
    :param gamma: the algorithm's
    """
    broken = None if side in (CLEAN, SCALED) else BROKEN
    env: VecEnv = DummyVecEnv([partial(_worker, index == broken) for index in range(N_ENVS)])
    env.seed(seed)
    if side == STOCK:
        env = VecNormalize(env, norm_obs=False, gamma=gamma)
    elif side in (OURS, SCALED):
        env = VecWorkerNormalizeReward(env, gamma=gamma)
    return env


def _worker(broken: bool) -> gym.Env[Any, Any]:
    """``Monitor`` is below what pays otherwise, and counts true returns."""
    env: gym.Env[Any, Any] = Monitor(gym.make(_ENV))
    return TransformReward(env, lambda reward: FACTOR * float(reward)) if broken else env


class _CriticFit(BaseCallback):
    """Explained variance of each rollout."""

    def __init__(self) -> None:
        super().__init__()
        self._fits: list[float] = []

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        buffer = self.model.rollout_buffer  # type: ignore[attr-defined]
        self._fits.append(explained_variance(buffer.values, buffer.returns))

    @property
    def late(self) -> float:
        """Mean over the last quarter."""
        return float(np.nanmean(self._fits[-max(1, len(self._fits) // 4) :]))


def print_learnt(found: Sequence[Learnt]) -> None:
    """The table that the README quotes, and whether the target was kept."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    n_seeds = len(found[0].returns)
    table = Table(
        title=f"Worker {BROKEN} of {N_ENVS} pays {FACTOR:g}x, {_ENV}: means of {n_seeds} seeds, "
        "bootstrapped 95 % intervals",
        title_justify="left",
        box=SIMPLE_HEAD,
    )
    for heading in ("algo", "steps", "side", "return", "interval", "of clean", "fit", "interval "):
        table.add_column(heading, justify="left" if heading in ("algo", "side") else "right")
    lines = []
    by_side = {(one.work, one.side): one for one in found}
    for one in found:
        clean = by_side[one.work, CLEAN]
        value, low, high = share(one, clean)
        table.add_row(
            *((one.work, f"{one.timesteps:,}") if one is clean else ("", "")),
            one.side,
            f"{mean(one.returns):.1f}",
            "{:.0f} to {:.0f}".format(*interval(one.returns)),
            f"{value:.0%} ({low:.0%} to {high:.0%})" if one is not clean else "",
            f"{mean(one.fits):.2f}",
            "{:.2f} to {:.2f}".format(*interval(one.fits)),
        )
        if one.side == OURS:
            lines += [_judged(one, by_side[one.work, side]) for side in (CLEAN, SCALED)]
    console = make_console(TABLES)
    console.print(table)
    console.print("\n".join(lines), highlight=False)


def _judged(ours: Learnt, clean: Learnt) -> str:
    value, low, high = share(ours, clean)
    kept = "kept" if abs(value - 1.0) <= TARGET else "missed"
    above = ", by a higher return" if value > 1.0 + TARGET else ""
    return (
        f"  {ours.work}: {value:.1%} ({low:.1%} to {high:.1%}) of the return of {clean.side!r}, "
        f"target within {TARGET:.0%}: {kept}{above}"
    )
