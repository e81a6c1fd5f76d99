"""One of eight workers pays ten times the reward: with rewards normalised per worker, and without.

python examples/worker_rewards.py            # PPO and A2C, five seeds each: some minutes
python examples/worker_rewards.py --quick    # two seeds of A2C that learn little: seconds

Compared are a clean run, the broken one, the broken one under VecNormalize, and the broken one
under VecWorkerNormalizeReward, which is one line around the training environment:

    env = VecWorkerNormalizeReward(env, gamma=0.98)
    model = PPO("MlpPolicy", env, gamma=0.98).learn(80_000)
"""

import argparse

from sb3_ac_ext.benchmark.workers import OURS, WORKS, compare, print_learnt, training_env


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="show that it runs, not what it gains")
    parser.add_argument("--algo", nargs="+", choices=WORKS, default=list(WORKS))
    args = parser.parse_args()
    if args.quick:
        print_learnt(compare(["a2c"], seeds=range(2), timesteps=2_000))
    else:
        print_learnt(compare(args.algo, seeds=range(5)))
    show_scales()


def show_scales(n_steps: int = 500) -> None:
    """What the wrapper has learned from random actions: the scale of each worker."""
    env = training_env(OURS, seed=0, gamma=0.98)
    env.action_space.seed(0)
    env.reset()
    for _ in range(n_steps):
        env.step([env.action_space.sample() for _ in range(env.num_envs)])
    scales = ", ".join(f"{scale:.1f}" for scale in env.worker_rewards.scales)
    print(f"rewards are divided, worker by worker, by {scales}")


if __name__ == "__main__":
    main()
