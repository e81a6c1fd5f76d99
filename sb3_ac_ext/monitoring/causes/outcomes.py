"""What a run can come to, whatever the cause."""

from __future__ import annotations

from sb3_ac_ext.monitoring.causes.base import Cause

OUTCOMES: dict[str, Cause] = {
    "policy_collapse": Cause(
        "the policy collapsed",
        "restart from a checkpoint before it, with a lower learning_rate or target_kl=0.02",
        explains=("hard_task",),
        against=("returns_rise",),
    ),
    "critic_not_learning": Cause(
        "the critic does not learn the returns",
        "raise vf_coef or the critic's learning rate, normalise rewards, clip_range_vf=None",
        against=("critic_fits",),
    ),
    "deterministic_mode_collapse": Cause(
        "the policy needs its noise: its greedy action is poor",
        "train longer with decaying entropy, or deploy with deterministic=False",
    ),
    "exploration_masks_policy": Cause(
        "exploration noise hides how good the policy is",
        "judge by the canary; lower the action noise or entropy towards the end",
    ),
    "no_learning_signal": Cause(
        "rewards do not tell good from bad behaviour",
        "check that the reward varies between episodes; shape it, or explore more",
        against=("returns_rose",),
    ),
    "hard_task": Cause(
        "under-trained or a hard task; nothing looks broken",
        "a larger n_timesteps, or hyperparameters tuned for the task",
        against=("returns_rise",),
    ),
}
