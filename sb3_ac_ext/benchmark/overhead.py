"""What the monitor costs: wall time of ``learn()`` with it over without it, pair by pair."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm


@dataclass(frozen=True)
class Work:
    """One training run that is timed with and without the callback.

    :param target: ratio that the monitor should stay below
    """

    name: str
    timesteps: int
    target: float
    make: Callable[[], BaseAlgorithm]


@dataclass(frozen=True)
class Overhead:
    """Result for one work, canary excluded.

    :param ratio: median over pairs of the wall time with over without the callback
    :param best_ratio: shortest run with over shortest run without: a shared machine only adds time
    :param low: smallest ratio of a pair
    :param high: largest ratio of a pair
    :param plain_seconds: median wall time without
    :param callback_share: median share of the wall time that the callback measured for itself
    """

    name: str
    target: float
    pairs: int
    ratio: float
    best_ratio: float
    low: float
    high: float
    plain_seconds: float
    callback_share: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def works() -> list[Work]:
    """PPO and A2C on CartPole-v1 with eight workers, SAC on Pendulum-v1, SB3's own classes."""
    from stable_baselines3 import A2C, PPO, SAC
    from stable_baselines3.common.env_util import make_vec_env

    def ppo() -> BaseAlgorithm:
        env = make_vec_env("CartPole-v1", n_envs=8, seed=0)
        return PPO("MlpPolicy", env, n_steps=256, batch_size=256, n_epochs=10, seed=0, device="cpu")

    def a2c() -> BaseAlgorithm:
        env = make_vec_env("CartPole-v1", n_envs=8, seed=0)
        return A2C("MlpPolicy", env, seed=0, device="cpu")

    def sac() -> BaseAlgorithm:
        return SAC("MlpPolicy", "Pendulum-v1", learning_starts=100, seed=0, device="cpu")

    return [
        Work("ppo CartPole-v1 x 8", 20_480, 1.03, ppo),
        Work("a2c CartPole-v1 x 8", 100_000, 1.03, a2c),
        Work("sac Pendulum-v1", 2_000, 1.01, sac),
    ]


def measure(work: Work, pairs: int) -> Overhead:
    """Time ``pairs`` pairs in alternating order, after one unmeasured warm-up of either side.

    :param pairs: at least 1
    """
    for side in (False, True):
        _run(work, side, work.timesteps // 10)
    ratios, plains, watches, shares = [], [], [], []
    for pair in range(pairs):
        order = (False, True) if pair % 2 == 0 else (True, False)
        taken = {side: _run(work, side, work.timesteps) for side in order}
        plain, watched = taken[False], taken[True]
        ratios.append(watched.wall / plain.wall)
        plains.append(plain.wall)
        watches.append(watched.wall)
        shares.append(watched.callback_share)
    return Overhead(
        name=work.name,
        target=work.target,
        pairs=pairs,
        ratio=median(ratios),
        best_ratio=min(watches) / min(plains),
        low=min(ratios),
        high=max(ratios),
        plain_seconds=median(plains),
        callback_share=median(shares),
    )


@dataclass(frozen=True)
class _Taken:
    """Seconds of one ``learn()``, and the callback's share of them by its own clock."""

    wall: float
    callback_share: float


def _run(work: Work, watched: bool, timesteps: int) -> _Taken:
    from sb3_ac_ext.monitoring.callback import DiagnosticsCallback

    model = work.make()
    callback = DiagnosticsCallback(canary_freq=0, verbose=0) if watched else None
    start = time.perf_counter()
    model.learn(timesteps, callback=callback)
    wall = time.perf_counter() - start
    if callback is None:
        return _Taken(wall, 0.0)
    shares = callback.history.series("time/callback_share").values
    return _Taken(wall, float(shares[1:].mean()) if len(shares) > 1 else 0.0)
