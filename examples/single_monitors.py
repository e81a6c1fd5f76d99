"""Single monitors instead of the whole: KL and gradients on PPO, the range of Q on SAC."""

import sys

from stable_baselines3 import PPO, SAC

from sb3_ac_ext import GradientMonitorCallback, KLMonitorCallback, QValueMonitorCallback

timesteps = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000

kl, gradients = KLMonitorCallback(warning=0.1), GradientMonitorCallback()
# updates of this size are far too large: the KL monitor says so
PPO("MlpPolicy", "CartPole-v1", learning_rate=0.05, n_steps=512, seed=0, device="cpu").learn(
    timesteps, callback=[kl, gradients]
)
print("KL of the last updates:", kl.history.series("policy/kl", last=3).values.round(3))
print("gradient of the policy:", gradients.history.series("gradients/policy/norm_mean").values[-1])

q = QValueMonitorCallback()
SAC("MlpPolicy", "Pendulum-v1", learning_starts=200, device="cpu").learn(
    timesteps // 10, callback=q
)
print("largest |Q| over its bound:", q.history.series("q/bound_ratio", last=1).values.round(4))
