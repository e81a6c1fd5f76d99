"""The table of causes: what each is called, what mends it, and which others it explains away."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cause:
    """One thing that can be wrong with a run.

    :param certainty: how directly its evidence shows it, from 1 (a trend of returns) to 3 (exact)
    :param explains: causes that this one, when found, makes a mere consequence
    """

    title: str
    remedy: str
    certainty: int = 1
    explains: tuple[str, ...] = ()


_INSTABILITY = (
    "reward_scale",
    "learning_rate_too_high",
    "critic_not_learning",
    "policy_collapse",
    "reward_outliers",
    "q_overestimation",
    "too_many_epochs",
)

CAUSES: dict[str, Cause] = {
    "nonfinite_environment": Cause(
        "the environment delivers NaN or infinite numbers",
        "find the step with VecCheckNan(env, raise_exception=True) and mend the environment",
        3,
        (*_INSTABILITY, "policy_distribution_broken"),
    ),
    "worker_reward_scale": Cause(
        "one worker pays rewards on another scale",
        "mend that worker's environment (units, wrappers, version) or leave it out; a per-worker "
        "normalisation of rewards bridges the time until then",
        3,
        (*_INSTABILITY, "environment_drift"),
    ),
    "worker_reward_sign": Cause(
        "one worker pays rewards of the opposite sign",
        "mend the sign in that worker's environment or wrapper",
        3,
        _INSTABILITY,
    ),
    "policy_distribution_broken": Cause(
        "the policy's distribution is not finite",
        "bound log_std (lower learning_rate and ent_coef, or use_expln=True with gSDE)",
        2,
    ),
    "q_overestimation": Cause(
        "the critic overestimates and feeds on itself",
        "use twin critics (TD3 or SAC), tau=0.005, a lower learning_rate",
        2,
    ),
    "target_network": Cause(
        "the target network follows too fast or not at all",
        "set tau=0.005 (Polyak), or target_update_interval for DQN",
    ),
    "time_limit_handling": Cause(
        "ends by time limit and by termination are mixed up",
        "return truncated=True only at the time limit, terminated=True only at a real end",
    ),
    "learning_rate_too_high": Cause(
        "updates are too large",
        "lower learning_rate (a third to a tenth) or let it decay ('lin_3e-4'); set target_kl=0.02",
    ),
    "learning_rate_too_low": Cause(
        "updates are too small to change the policy within the budget",
        "raise learning_rate, n_epochs or gradient_steps",
    ),
    "too_many_epochs": Cause(
        "each rollout is used for too many epochs", "lower n_epochs or set target_kl=0.02"
    ),
    "entropy_bonus_too_low": Cause(
        "the policy became deterministic before it learnt",
        "raise ent_coef to 0.001 to 0.01 (SAC: ent_coef='auto')",
    ),
    "entropy_bonus_too_high": Cause(
        "the entropy bonus outweighs the reward", "lower ent_coef or let it decay ('lin_0.01')"
    ),
    "policy_collapse": Cause(
        "the policy collapsed",
        "restart from a checkpoint before it, with a lower learning_rate or target_kl=0.02",
    ),
    "critic_not_learning": Cause(
        "the critic does not learn the returns",
        "raise vf_coef or the critic's learning rate, normalise rewards, clip_range_vf=None",
    ),
    "reward_scale": Cause(
        "rewards are on a scale that the networks do not cope with",
        "VecNormalize(norm_obs=True, norm_reward=True), or divide the reward",
    ),
    "reward_outliers": Cause(
        "single rewards are far larger than all others",
        "clip rewards (VecNormalize(clip_reward=10.0)) and find where they come from",
    ),
    "observation_scale": Cause("observations saturate the networks", "VecNormalize(norm_obs=True)"),
    "evaluation_mismatch": Cause(
        "evaluation and training environments differ",
        "build both from one factory, with sync_envs_normalization before each evaluation",
    ),
    "deterministic_mode_collapse": Cause(
        "the policy needs its noise: its greedy action is poor",
        "train longer with decaying entropy, or deploy with deterministic=False",
    ),
    "exploration_masks_policy": Cause(
        "exploration noise hides how good the policy is",
        "judge by the canary; lower the action noise or entropy towards the end",
    ),
    "exploration_too_low": Cause(
        "the policy explores too little", "raise ent_coef or action_noise, or use_sde=True"
    ),
    "environment_drift": Cause(
        "the environment changed during training",
        "compare transitions before and after; retrain, or randomise what changes",
    ),
    "no_learning_signal": Cause(
        "rewards do not tell good from bad behaviour",
        "check that the reward varies between episodes; shape it, or explore more",
    ),
    "hard_task": Cause(
        "under-trained or a hard task; nothing looks broken",
        "a larger n_timesteps, or hyperparameters tuned for the task",
    ),
}
"""Every cause that a detector may name."""
