"""What can be wrong with updates and networks."""

from __future__ import annotations

from sb3_ac_ext.monitoring.causes.base import DYNAMICS, Cause

UPDATE: dict[str, Cause] = {
    "policy_update_sign": Cause(
        "the policy update goes against the advantages",
        "check the sign of the policy loss: SB3 minimises -(advantage x ratio), and -Q for actors",
        3,
        DYNAMICS,
    ),
    "policy_not_updated": Cause(
        "the policy is not trained",
        "check requires_grad, the optimizer's parameters and that the loss depends on the policy",
        3,
        DYNAMICS,
    ),
    "critic_not_updated": Cause(
        "the critic is not trained",
        "check requires_grad, the optimizer's parameters, vf_coef, and that the loss depends on "
        "the critic",
        3,
        (*DYNAMICS, "target_network"),
    ),
    "critic_update_sign": Cause(
        "the critic moves away from its targets",
        "check the sign of the value loss",
        3,
        DYNAMICS,
    ),
    "gradients_altered": Cause(
        "gradients are changed between the loss and the optimizer",
        "look for hooks, a missing detach, or losses that are added on top of SB3's",
        3,
        DYNAMICS,
    ),
    "target_network": Cause(
        "the target network follows too fast or not at all",
        "set tau=0.005 and let train() call polyak_update; the target must be a copy",
        3,
        (*DYNAMICS, "gamma_too_high", "critic_update_sign"),
    ),
    "network_saturated": Cause(
        "most units of the networks are dead or saturated",
        "initialise anew with SB3's defaults (ortho_init), normalise observations, lower "
        "learning_rate",
        2,
        (
            "critic_not_learning",
            "hard_task",
            "policy_collapse",
            "entropy_bonus_too_low",
            "exploration_too_low",
            "no_learning_signal",
        ),
    ),
    "network_mode": Cause(
        "the networks act in one mode and learn in another (dropout, batch norm)",
        "take dropout out of the policy, or call policy.set_training_mode(False) to act",
        3,
        ("log_prob_mismatch", "critic_not_learning", "hard_task"),
    ),
    "policy_distribution_broken": Cause(
        "the policy's distribution is not finite",
        "bound log_std (lower learning_rate and ent_coef, or use_expln=True with gSDE)",
        2,
    ),
}
