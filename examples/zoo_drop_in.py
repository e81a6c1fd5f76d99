"""RL Zoo's own training script with the drop-in algorithms in place of Stable-Baselines3's.

python examples/zoo_drop_in.py --algo ppo --env CartPole-v1 -params ent_coef:"'lin_0.01'"
"""

from rl_zoo3.train import train
from rl_zoo3.utils import ALGOS

import sb3_ac_ext

NAMES = ("PPO", "A2C", "SAC", "TD3", "DDPG", "DQN")

if __name__ == "__main__":
    ALGOS.update({name.lower(): getattr(sb3_ac_ext, name) for name in NAMES})
    train()
