"""SB3: where rollouts overshoot the budget, a linear schedule goes below zero in the last update.

``_current_progress_remaining`` is 1 - num_timesteps / total_timesteps and is not held at 0. With a
learning rate that decays to nothing, the last update is made with a negative one: it climbs the
loss. With a clip range that decays so, the clipping of PPO's ratio is turned inside out, and all
samples of positive advantage lose their gradient. Seen by the gradient invariant (cosine 0.27).

Way round: hold the schedule at zero, ``lambda progress: max(progress, 0.0) * 3e-4``, or let
total_timesteps be a multiple of n_steps x n_envs.
"""

from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback


class LastRate(BaseCallback):
    """Notes the learning rate and the clip range of the last update."""

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        self.rate = self.model.policy.optimizer.param_groups[0]["lr"]
        self.clip_range = self.model.clip_range(self.model._current_progress_remaining)


def main() -> None:
    last = LastRate()
    linear = {"learning_rate": lambda left: 3e-4 * left, "clip_range": lambda left: 0.2 * left}
    model = PPO("MlpPolicy", "CartPole-v1", n_steps=300, batch_size=100, device="cpu", **linear)
    model.learn(1000, callback=last)
    print(f"1,000 steps in rollouts of 300 end at step {model.num_timesteps:,}")
    print(f"learning rate of the last update: {last.rate:.2g}")
    print(f"clip range of the last update: {last.clip_range:.2g}")


if __name__ == "__main__":
    main()
