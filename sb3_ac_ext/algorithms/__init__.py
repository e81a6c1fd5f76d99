"""Drop-in algorithms: those of Stable-Baselines3 with their update in named parts."""

from __future__ import annotations

from sb3_ac_ext.algorithms.a2c import A2C
from sb3_ac_ext.algorithms.ddpg import DDPG
from sb3_ac_ext.algorithms.dqn import DQN
from sb3_ac_ext.algorithms.ppo import PPO
from sb3_ac_ext.algorithms.reinforce import REINFORCE
from sb3_ac_ext.algorithms.sac import SAC
from sb3_ac_ext.algorithms.td3 import TD3

__all__ = ["A2C", "DDPG", "DQN", "PPO", "REINFORCE", "SAC", "TD3"]
