"""What the flight recorder costs: ``python -m sb3_ac_ext.flight.overhead [pairs]``.

Pairs of runs in alternating order, with ``DiagnosticsCallback`` on both sides and the recorder on
one. The recorder's own clock tells its part of the wall time without the noise between runs.
"""

from __future__ import annotations

import sys
import tempfile
import time
from statistics import median
from typing import Any

from stable_baselines3 import PPO, SAC
from stable_baselines3.common.env_util import make_vec_env

from sb3_ac_ext.monitoring.callback import DiagnosticsCallback


def _ppo() -> Any:
    env = make_vec_env("CartPole-v1", n_envs=8, seed=0)
    return PPO("MlpPolicy", env, n_steps=256, batch_size=256, n_epochs=10, seed=0, device="cpu")


def _sac() -> Any:
    return SAC("MlpPolicy", "Pendulum-v1", learning_starts=100, seed=0, device="cpu")


WORKS = {"PPO 64x64, CartPole-v1 x 8": (_ppo, 10_240), "SAC 256x256, Pendulum-v1": (_sac, 600)}


def measure(name: str, pairs: int, updates: int = 4) -> tuple[float, float]:
    """
    :param name: of one of ``WORKS``
    :param pairs: of runs
    :param updates: that the recorder keeps
    :return: median ratio of wall times with over without, median share by the recorder's own clock
    """
    make, timesteps = WORKS[name]
    ratios, shares = [], []
    for pair in range(pairs):
        seconds = {}
        for recorded in (False, True) if pair % 2 == 0 else (True, False):
            with tempfile.TemporaryDirectory() as folder:
                callback = DiagnosticsCallback(
                    canary_freq=0,
                    log_dir=folder,
                    report=False,
                    flight_recorder=updates if recorded else 0,
                    verbose=0,
                )
                model = make()
                start = time.perf_counter()
                model.learn(timesteps, callback=callback)
                seconds[recorded] = time.perf_counter() - start
            if recorded:
                shares.append(callback.flight.seconds / seconds[True])
        ratios.append(seconds[True] / seconds[False])
    return median(ratios), median(shares)


def main() -> None:
    """Print one line per work."""
    import torch as th

    th.set_num_threads(1)
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    for name in WORKS:
        ratio, share = measure(name, pairs)
        print(f"{name}: wall time x {ratio:.3f} over {pairs} pairs, own clock {share:.2%}")


if __name__ == "__main__":
    main()
