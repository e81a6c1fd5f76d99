"""One of eight workers begins to pay ten times the reward: who, since when, what to do about it.

python examples/broken_worker.py                 # with the fault
python examples/broken_worker.py --healthy       # without it: silence
python examples/broken_worker.py --log-dir out   # writes history, findings and report.html there
"""

import argparse
import time
from pathlib import Path

import gymnasium as gym
import torch as th
from stable_baselines3 import PPO
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_ac_ext import DiagnosticsCallback

N_ENVS = 8


class BrokenReward(gym.Wrapper):
    """Pays ``factor`` times the reward from its own step ``begin`` on."""

    def __init__(self, env: gym.Env, begin: int, factor: float = 10.0) -> None:
        super().__init__(env)
        self.left, self.factor = begin, factor

    def step(self, action):
        obs, reward, terminated, truncated, info = self.env.step(action)
        self.left -= 1
        return obs, reward * (self.factor if self.left < 0 else 1.0), terminated, truncated, info


def make_worker(index: int, broken: int | None, begin: int):
    def make() -> gym.Env:
        env = gym.make("CartPole-v1")
        return Monitor(BrokenReward(env, begin) if index == broken else env)

    return make


def train(
    broken: int | None = 3,
    begin: int = 10_000,
    timesteps: int = 40_000,
    log_dir: Path | None = None,
    verbose: int = 1,
) -> DiagnosticsCallback:
    """Stock PPO with the callback.

    :param broken: index of the broken worker, ``None`` for a healthy run
    :param begin: environment step, over all workers, from which on its rewards are wrong
    """
    env = DummyVecEnv([make_worker(i, broken, begin // N_ENVS) for i in range(N_ENVS)])
    # the canary must not have the fault, so it gets an environment of its own
    canary_env = DummyVecEnv([make_worker(i, None, 0) for i in range(10)])
    callback = DiagnosticsCallback(canary_env=canary_env, log_dir=log_dir, verbose=verbose)
    model = PPO("MlpPolicy", env, n_steps=256, batch_size=256, n_epochs=10, seed=1, device="cpu")
    model.learn(timesteps, callback=callback)
    return callback


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--healthy", action="store_true", help="leave the fault out")
    parser.add_argument("--timesteps", type=int, default=40_000)
    parser.add_argument("--begin", type=int, default=10_000, help="first faulty step")
    parser.add_argument("--log-dir", type=Path, default=None)
    args = parser.parse_args()
    th.set_num_threads(1)
    start = time.time()
    broken = None if args.healthy else 3
    callback = train(broken, args.begin, args.timesteps, args.log_dir)
    print(f"{args.timesteps} steps in {time.time() - start:.0f} s: {callback.verdict.status}")


if __name__ == "__main__":
    main()
