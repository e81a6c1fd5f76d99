"""Which stage of a custom algorithm is broken? Five probe environments with known answers tell.

python examples/custom_algorithm.py            # both versions, about 15 seconds
python examples/custom_algorithm.py --seed 3   # other weights

A class that can be imported needs no script: sb3-ac doctor --algo my_package.MyPPO
"""

import argparse

import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer

from sb3_ac_ext.doctor import Status, examine


class MyBuffer(RolloutBuffer):
    """Advantages by a recursion of one's own: gamma goes only into the trace, not into delta."""

    discount_in_delta = False

    def compute_returns_and_advantage(self, last_values, dones):
        last_values = last_values.clone().cpu().numpy().flatten()
        gamma = self.gamma if self.discount_in_delta else 1.0
        trace = np.zeros(self.n_envs)
        for step in reversed(range(self.buffer_size)):
            is_last = step == self.buffer_size - 1
            going_on = 1.0 - (dones if is_last else self.episode_starts[step + 1])
            next_values = last_values if is_last else self.values[step + 1]
            delta = self.rewards[step] + gamma * next_values * going_on - self.values[step]
            trace = delta + self.gamma * self.gae_lambda * going_on * trace
            self.advantages[step] = trace
        self.returns = self.advantages + self.values


class MendedBuffer(MyBuffer):
    discount_in_delta = True


class BrokenPPO(PPO):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, rollout_buffer_class=MyBuffer, **kwargs)


class MendedPPO(PPO):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, rollout_buffer_class=MendedBuffer, **kwargs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    for cls in (BrokenPPO, MendedPPO):
        examination = examine(algo=cls, seed=args.seed)
        print(f"{examination.subject} ({examination.seconds:.0f} s)")
        for check in examination.checks:
            if check.status is not Status.OK:
                print(f"  {check.status.value}: {check.name}: {check.message}")
        print(f"  {examination.verdict}")


if __name__ == "__main__":
    main()
