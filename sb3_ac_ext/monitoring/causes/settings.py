"""What can be wrong with settings."""

from __future__ import annotations

from sb3_ac_ext.monitoring.causes.base import Cause

SETTINGS: dict[str, Cause] = {
    "learning_rate_too_high": Cause(
        "updates are too large",
        "lower learning_rate (a third to a tenth) or let it decay ('lin_3e-4'); set target_kl=0.02",
        2,
        (
            "policy_collapse",
            "critic_not_learning",
            "q_overestimation",
            "entropy_bonus_too_low",
            "exploration_too_low",
            "hard_task",
            "network_saturated",
        ),
        ("kl_small",),
    ),
    "learning_rate_too_low": Cause(
        "updates are too small to change the policy within the budget",
        "raise learning_rate (SB3's defaults: 3e-4, A2C 7e-4, TD3 and DDPG 1e-3)",
        2,
        ("hard_task", "no_learning_signal", "critic_not_learning", "entropy_bonus_too_high"),
        ("kl_large",),
    ),
    "too_many_epochs": Cause(
        "each rollout is used for too many epochs",
        "lower n_epochs (10) or set target_kl=0.02",
        2,
        (
            "learning_rate_too_high",
            "policy_collapse",
            "critic_not_learning",
            "hard_task",
            "entropy_bonus_too_low",
        ),
        ("kl_small",),
    ),
    "batch_too_small": Cause(
        "batches are so small that updates are mostly noise",
        "raise batch_size (64 on-policy, 256 off-policy)",
        2,
        ("learning_rate_too_high", "policy_collapse", "critic_not_learning", "hard_task"),
    ),
    "rollout_too_short": Cause(
        "rollouts are too short for the advantage estimate",
        "raise n_steps, or n_envs",
        1,
        ("hard_task", "critic_not_learning", "learning_rate_too_high", "too_many_epochs"),
    ),
    "clip_range": Cause(
        "clip_range stops every update, or none",
        "set clip_range=0.2 (0.1 to 0.4)",
        2,
        ("learning_rate_too_low", "hard_task", "learning_rate_too_high", "policy_collapse"),
    ),
    "gradient_clipping": Cause(
        "gradients are clipped to almost nothing",
        "set max_grad_norm=0.5",
        2,
        ("learning_rate_too_low", "hard_task", "critic_not_learning", "no_learning_signal"),
    ),
    "value_clipping": Cause(
        "clip_range_vf stops the critic from learning",
        "set clip_range_vf=None, or to the scale of the returns",
        2,
        ("critic_not_learning", "hard_task"),
    ),
    "value_coefficient": Cause(
        "vf_coef is so far from 1 that critic or policy hardly learns",
        "set vf_coef=0.5",
        2,
        ("critic_not_learning", "hard_task", "learning_rate_too_low", "critic_not_updated"),
    ),
    "optimizer": Cause(
        "the optimizer makes steps far too small for the learning rate",
        "use Adam (RMSpropTFLike for A2C), SB3's default optimizer_class",
        2,
        ("learning_rate_too_low", "hard_task", "no_learning_signal", "critic_not_learning"),
    ),
    "gamma_too_low": Cause(
        "gamma looks ahead too few steps",
        "set gamma=0.99: 1/(1-gamma) steps should reach what the action decides",
        1,
        ("hard_task", "rollout_too_short"),
    ),
    "gamma_too_high": Cause(
        "gamma discounts nothing: values have no bound",
        "set gamma=0.99, or 0.999 for long episodes",
        2,
        ("hard_task", "q_overestimation", "critic_not_learning"),
    ),
    "gae_lambda": Cause(
        "gae_lambda is at an extreme: advantages are all bias or all noise",
        "set gae_lambda=0.95 (0.9 to 0.99)",
        1,
        ("hard_task", "critic_not_learning"),
    ),
    "entropy_bonus_too_low": Cause(
        "the policy became deterministic before it learnt",
        "raise ent_coef to 0.001 to 0.01 (SAC: ent_coef='auto'); never below 0",
        1,
        ("policy_collapse", "hard_task", "exploration_too_low"),
    ),
    "entropy_bonus_negative": Cause(
        "ent_coef is negative: the policy is paid for certainty",
        "set ent_coef to 0 or more",
        3,
        (
            "entropy_bonus_too_low",
            "learning_rate_too_high",
            "policy_collapse",
            "exploration_too_low",
            "hard_task",
        ),
    ),
    "entropy_bonus_too_high": Cause(
        "the entropy bonus outweighs the reward",
        "lower ent_coef or let it decay ('lin_0.01'); SAC: ent_coef='auto'",
        2,
        (
            "hard_task",
            "no_learning_signal",
            "exploration_masks_policy",
            "exploration_too_high",
        ),
    ),
    "exploration_too_low": Cause(
        "the policy explores too little",
        "raise ent_coef, log_std_init or action_noise, or use_sde=True",
        1,
        ("hard_task", "policy_collapse", "no_learning_signal"),
    ),
    "exploration_too_high": Cause(
        "exploration noise drowns the policy",
        "lower action_noise (0.1 of the range), log_std_init (0) or ent_coef",
        2,
        ("hard_task", "exploration_masks_policy", "action_bounds", "deterministic_mode_collapse"),
    ),
    "replay_too_small": Cause(
        "the replay buffer is too small: the critic forgets",
        "raise buffer_size to 1e5 or more",
        2,
        ("hard_task", "q_overestimation", "critic_not_learning", "policy_collapse"),
    ),
    "learning_starts": Cause(
        "learning starts too late, or without any data",
        "set learning_starts between 100 and a tenth of the budget",
        2,
        ("hard_task", "no_learning_signal"),
    ),
    "update_frequency": Cause(
        "too few updates for the steps taken",
        "set gradient_steps=1 with train_freq=1, policy_delay=2 for TD3 (1 for DDPG); PPO: "
        "target_kl=0.02 or None",
        2,
        (
            "hard_task",
            "learning_rate_too_low",
            "policy_not_updated",
            "no_learning_signal",
            "critic_not_learning",
            "entropy_bonus_too_high",
            "reward_scale",
        ),
    ),
    "q_overestimation": Cause(
        "the critic overestimates and feeds on itself",
        "use twin critics (TD3 or SAC), tau=0.005, a lower learning_rate",
        2,
        ("hard_task", "policy_collapse"),
    ),
}
