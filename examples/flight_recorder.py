"""A simulator returns one NaN reward; the flight recorder keeps what the update was made of.

python examples/flight_recorder.py                  # a NaN
python examples/flight_recorder.py --reward inf     # an infinity

Afterwards, in a shell: sb3-ac replay flight_demo/flight_STEP
"""

import argparse
from pathlib import Path

import gymnasium as gym
import torch as th
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_ac_ext import DiagnosticsCallback
from sb3_ac_ext.flight import replay


class Glitch(gym.Wrapper):
    """Pays ``reward`` once, in its step number ``at``."""

    def __init__(self, env: gym.Env, at: int, reward: float) -> None:
        super().__init__(env)
        self.left, self.bad = at, reward

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        self.left -= 1
        return observation, self.bad if self.left == 0 else reward, terminated, truncated, info


def make_worker(index: int, reward: float):
    def make() -> gym.Env:
        env = gym.make("CartPole-v1")
        return Glitch(env, at=600, reward=reward) if index == 2 else env

    return make


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reward", type=float, default=float("nan"))
    parser.add_argument("--log-dir", type=Path, default=Path("flight_demo"))
    args = parser.parse_args()
    th.set_num_threads(1)

    env = DummyVecEnv([make_worker(index, args.reward) for index in range(4)])
    callback = DiagnosticsCallback(
        flight_recorder=4, log_dir=args.log_dir, canary_freq=0, report=False, verbose=0
    )
    model = PPO("MlpPolicy", env, n_steps=256, batch_size=128, seed=1, device="cpu")
    try:
        model.learn(10_000, callback=callback)
    except ValueError as error:
        print(f"training died: {str(error)[:60]}...")

    dump = callback.flight.dumps[0]
    result = replay(dump)
    print(f"dump: {dump}, {result.n_updates} updates, because: {result.reasons[0]}")
    print(f"first wrong tensor: {result.first}")
    for sentence in result.first.told:
        print(f"  {sentence}")
    print(f"reproduced bit for bit: {result.reproduced}")


if __name__ == "__main__":
    main()
