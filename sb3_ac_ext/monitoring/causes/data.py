"""What can be wrong with buffers, batches, normalisers and evaluation."""

from __future__ import annotations

from sb3_ac_ext.monitoring.causes.base import DYNAMICS, Cause

DATA: dict[str, Cause] = {
    "buffer_corrupted": Cause(
        "the buffer does not hold what happened",
        "look at what changes between env.step() and buffer.add(): wrappers, subclasses, patches",
        3,
        (
            *DYNAMICS,
            "log_prob_mismatch",
            "action_path",
            "advantage_computation",
            "policy_update_sign",
            "critic_not_updated",
            "time_limit_handling",
        ),
    ),
    "sample_corrupted": Cause(
        "the update does not receive what the buffer holds",
        "look at get() or sample() of the buffer class and at what patches it",
        3,
        (*DYNAMICS, "policy_update_sign", "advantage_computation"),
    ),
    "log_prob_mismatch": Cause(
        "stored log-probabilities are not those of the stored actions",
        "store the action as it was sampled, before clipping, with its own log_prob; evaluate in "
        "the mode (dropout, batch norm) that acted",
        3,
        (*DYNAMICS, "policy_update_sign"),
    ),
    "advantage_computation": Cause(
        "advantages are not the generalised advantage estimate of the rollout",
        "compare compute_returns_and_advantage with SB3's: order of time, last values, episode "
        "starts, gamma and gae_lambda",
        3,
        (*DYNAMICS, "policy_update_sign"),
    ),
    "double_normalisation": Cause(
        "observations or rewards are normalised twice",
        "remove one of the two normalisers",
        3,
    ),
    "evaluation_normaliser": Cause(
        "the evaluation environment normalises unlike training",
        "sync_envs_normalization before each evaluation; training=False, norm_reward=False on the "
        "evaluation's VecNormalize",
        3,
        (
            "evaluation_mismatch",
            "deterministic_mode_collapse",
            "reward_constant",
            "reward_scale",
            "reward_noise",
        ),
    ),
    "evaluation_mismatch": Cause(
        "evaluation and training environments differ",
        "build both from one factory, with the same wrappers in the same order",
        2,
        ("exploration_masks_policy", "deterministic_mode_collapse"),
    ),
}
