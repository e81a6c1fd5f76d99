"""What monitor and bundles cost: wall time of ``learn()`` with over without, pair by pair."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback


@dataclass(frozen=True)
class Work:
    """One training run that is timed with and without a callback.

    :param target: ratio that it should stay below
    :param callback: makes the callback, whose files go to a folder
    """

    name: str
    timesteps: int
    target: float
    make: Callable[[], BaseAlgorithm]
    callback: Callable[[Path], BaseCallback]


@dataclass(frozen=True)
class Overhead:
    """Result for one work, canary excluded.

    :param ratio: median over pairs of the wall time with over without the callback
    :param cpu_ratio: the same of the process's CPU time, which other jobs on the machine move less
    :param low: smallest ratio of a pair
    :param high: largest ratio of a pair
    :param plain_seconds: median wall time without
    :param callback_share: median share of the wall time that the callback measured for itself
    """

    name: str
    target: float
    pairs: int
    ratio: float
    cpu_ratio: float
    low: float
    high: float
    plain_seconds: float
    callback_share: float

    def line(self) -> str:
        """What was measured, for whoever does not wait for the table."""
        return (
            f"{self.ratio:.3f} ({self.low:.3f} to {self.high:.3f}), CPU {self.cpu_ratio:.3f}, "
            f"own clock {self.callback_share:.1%}"
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def works() -> list[Work]:
    """SB3's own classes in runs of usual length: PPO and A2C where steps cost next to nothing,
    PPO's defaults, SAC; the exact invariants alone, which weigh most in A2C; and bundles as often
    as they are taken by default, with a replay buffer of a million rows."""
    from stable_baselines3 import A2C, PPO, SAC
    from stable_baselines3.common.env_util import make_vec_env

    from sb3_ac_ext.checkpoints.callback import BundleCallback
    from sb3_ac_ext.monitoring.callback import DiagnosticsCallback
    from sb3_ac_ext.monitoring.signals import invariant_signals

    def monitor(folder: Path) -> BaseCallback:
        return DiagnosticsCallback(canary_freq=0, verbose=0)

    def invariants(folder: Path) -> BaseCallback:
        return DiagnosticsCallback(canary_freq=0, verbose=0, signals=invariant_signals())

    def ppo() -> BaseAlgorithm:
        env = make_vec_env("CartPole-v1", n_envs=8, seed=0)
        return PPO("MlpPolicy", env, n_steps=256, batch_size=256, n_epochs=10, seed=0, device="cpu")

    def ppo_defaults() -> BaseAlgorithm:
        env = make_vec_env("CartPole-v1", n_envs=8, seed=0)
        return PPO("MlpPolicy", env, seed=0, device="cpu")

    def a2c() -> BaseAlgorithm:
        env = make_vec_env("CartPole-v1", n_envs=8, seed=0)
        return A2C("MlpPolicy", env, seed=0, device="cpu")

    def sac() -> BaseAlgorithm:
        return SAC("MlpPolicy", "Pendulum-v1", learning_starts=100, seed=0, device="cpu")

    return [
        Work("ppo CartPole-v1 x 8, defaults", 200_000, 1.03, ppo_defaults, monitor),
        Work("ppo CartPole-v1 x 8, n_steps 256, batch_size 256", 200_000, 1.03, ppo, monitor),
        Work("a2c CartPole-v1 x 8", 200_000, 1.03, a2c, monitor),
        Work("sac Pendulum-v1", 10_000, 1.01, sac, monitor),
        Work("a2c CartPole-v1 x 8, invariants alone", 200_000, 1.01, a2c, invariants),
        Work(
            "ppo CartPole-v1 x 8, defaults, invariants alone",
            200_000,
            1.01,
            ppo_defaults,
            invariants,
        ),
        Work("sac Pendulum-v1, invariants alone", 10_000, 1.01, sac, invariants),
        Work("ppo CartPole-v1 x 8, bundles", 200_000, 1.02, ppo, BundleCallback),
        Work("a2c CartPole-v1 x 8, bundles", 200_000, 1.02, a2c, BundleCallback),
        Work("sac Pendulum-v1, bundles", 10_000, 1.02, sac, BundleCallback),
    ]


def measure(work: Work, pairs: int) -> Overhead:
    """Time ``pairs`` pairs in alternating order, after one unmeasured warm-up of either side.

    :param pairs: at least 1
    """
    for side in (False, True):
        _run(work, side, work.timesteps // 10)
    ratios, cpu_ratios, plains, shares = [], [], [], []
    for pair in range(pairs):
        order = (False, True) if pair % 2 == 0 else (True, False)
        taken = {side: _run(work, side, work.timesteps) for side in order}
        plain, watched = taken[False], taken[True]
        ratios.append(watched.wall / plain.wall)
        cpu_ratios.append(watched.cpu / plain.cpu)
        plains.append(plain.wall)
        shares.append(watched.callback_share)
    return Overhead(
        name=work.name,
        target=work.target,
        pairs=pairs,
        ratio=median(ratios),
        cpu_ratio=median(cpu_ratios),
        low=min(ratios),
        high=max(ratios),
        plain_seconds=median(plains),
        callback_share=median(shares),
    )


@dataclass(frozen=True)
class _Taken:
    """Seconds of one ``learn()``, and the callback's share of them by its own clock."""

    wall: float
    cpu: float
    callback_share: float


def _run(work: Work, watched: bool, timesteps: int) -> _Taken:
    model = work.make()
    with TemporaryDirectory() as folder:
        callback = work.callback(Path(folder)) if watched else None
        wall, cpu = time.perf_counter(), time.process_time()
        model.learn(timesteps, callback=callback)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return _Taken(wall, cpu, _share(callback, wall))


def _share(callback: Any, wall: float) -> float:
    """Of the wall time, by the callback's own clock."""
    stalled = getattr(callback, "stalled", None)
    if stalled is not None:
        return float(stalled / wall)
    shares = () if callback is None else callback.history.series("time/callback_share").values[1:]
    return mean(shares) if len(shares) else 0.0
