"""The learning rate jumps in the middle of training: with actions the run recovers by itself.

python examples/roll_back.py
"""

import argparse

import numpy as np
import torch as th
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

from sb3_ac_ext import DiagnosticsCallback
from sb3_ac_ext.monitoring.actions import RollBack, ScaleLearningRate

N_ENVS = 8
USUAL, JUMP = 2e-3, 300.0


def schedule(progress_remaining: float) -> float:
    """Decays linearly; as a typing error would have it, from 40 % of the budget on far too high."""
    return USUAL * progress_remaining * (JUMP if progress_remaining < 0.6 else 1.0)


def train(actions: dict | None, timesteps: int, seed: int = 1) -> tuple[float, DiagnosticsCallback]:
    """Stock PPO with the callback.

    :param actions: what to do about findings; ``None`` only watches
    :return: mean return of the last twenty episodes of training, and the callback
    """
    env = make_vec_env("CartPole-v1", n_envs=N_ENVS, seed=seed)
    model = PPO(
        "MlpPolicy",
        env,
        learning_rate=schedule,
        n_steps=128,
        batch_size=256,
        n_epochs=10,
        gae_lambda=0.8,
        gamma=0.98,
        seed=seed,
        device="cpu",
    )
    callback = DiagnosticsCallback(every=N_ENVS * 128, canary_freq=0, actions=actions, verbose=0)
    model.learn(timesteps, callback=callback)
    last = [episode["r"] for episode in model.ep_info_buffer][-20:]
    return float(np.mean(last)), callback


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--timesteps", type=int, default=40_000)
    args = parser.parse_args()
    th.set_num_threads(1)
    print(f"the learning rate jumps {JUMP:.0f}-fold at step {0.4 * args.timesteps:,.0f}")
    watched, _ = train(None, args.timesteps)
    print(f"only watched:  return {watched:5.1f} at the end")
    # each of the two acts again when the trouble comes back after it acted, at most three times
    remedy = [RollBack(times=3), ScaleLearningRate(0.01, times=3)]
    actions = {"learning_rate_too_high": remedy, "critical": remedy}
    remedied, callback = train(actions, args.timesteps)
    print(f"with actions:  return {remedied:5.1f} at the end")
    if remedied > 2.0 * watched:
        print("with actions the run recovered:")
    for event in callback.history.events:
        print(f"  step {event.step:,}: {event.action}: {event.text} (for {event.finding})")


if __name__ == "__main__":
    main()
