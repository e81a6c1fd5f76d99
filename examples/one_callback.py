"""The shortest use: one callback on stock PPO, silent while healthy, a verdict at the end."""

import sys

from stable_baselines3 import PPO

from sb3_ac_ext import DiagnosticsCallback

timesteps = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
callback = DiagnosticsCallback()
PPO("MlpPolicy", "CartPole-v1", device="cpu").learn(timesteps, callback=callback)

print("status:", callback.verdict.status)
print("canary:", [round(value) for value in callback.history.series("canary/return_mean").values])
