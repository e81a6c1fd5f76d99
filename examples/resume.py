"""A run that stops halfway and goes on is the run that did not stop, to the last bit.

SAC on a normalised Pendulum trains for 1,000 steps: once without a break, and once in two halves
with everything built anew in between. Both end with the same weights.

    python examples/resume.py [--steps 1000] [--folder bundles]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch as th
from stable_baselines3 import SAC
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from sb3_ac_ext import BundleCallback, resume


def build() -> SAC:
    """As at the beginning, whenever it is called."""
    env = VecNormalize(make_vec_env("Pendulum-v1", 2, seed=1))
    return SAC("MlpPolicy", env, learning_starts=100, batch_size=64, use_sde=True, seed=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--folder", type=Path, default=None, help="for bundles; a temporary one")
    args = parser.parse_args()
    folder = args.folder or Path(tempfile.mkdtemp())
    th.set_num_threads(1)

    whole = build().learn(args.steps)

    build().learn(args.steps, BundleCallback(folder, stop_at=args.steps // 2))
    callback = BundleCallback(folder)
    model = resume(folder, build(), callback)
    print(f"goes on at step {model.num_timesteps} of {args.steps}")
    model.learn(args.steps - model.num_timesteps, callback, reset_num_timesteps=False)

    pairs = zip(whole.policy.state_dict().items(), model.policy.state_dict().values(), strict=True)
    different = [name for (name, a), b in pairs if not th.equal(a, b)]
    print("weights differ: " + ", ".join(different) if different else "weights are the same")
    raise SystemExit(bool(different))


if __name__ == "__main__":
    main()
