"""The table of causes: what each is called, what mends it, and which others it explains away."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cause:
    """One thing that can be wrong with a run.

    What supports a cause stands with the detectors, each of which names causes with weights.

    :param certainty: how directly its evidence shows it: 1 a trend or a setting, 2 a comparison
        or a bound, 3 exact
    :param explains: causes that this one, when found, makes a mere consequence
    :param against: observations of :mod:`sb3_ac_ext.monitoring.contrary` that speak against it
    """

    title: str
    remedy: str
    certainty: int = 1
    explains: tuple[str, ...] = ()
    against: tuple[str, ...] = ()


_DYNAMICS = (
    "reward_scale",
    "learning_rate_too_high",
    "learning_rate_too_low",
    "critic_not_learning",
    "policy_collapse",
    "reward_outliers",
    "q_overestimation",
    "too_many_epochs",
    "entropy_bonus_too_low",
    "entropy_bonus_too_high",
    "exploration_too_low",
    "exploration_masks_policy",
    "deterministic_mode_collapse",
    "no_learning_signal",
    "hard_task",
    "network_saturated",
)
"""What goes wrong downstream of any broken part."""

_ENVIRONMENT: dict[str, Cause] = {
    "nonfinite_environment": Cause(
        "the environment delivers NaN or infinite numbers",
        "find the step with VecCheckNan(env, raise_exception=True) and mend the environment",
        3,
        (*_DYNAMICS, "policy_distribution_broken", "environment_drift"),
    ),
    "worker_reward_scale": Cause(
        "one worker pays rewards on another scale",
        "mend that worker's environment (units, wrappers, version) or leave it out; a per-worker "
        "normalisation of rewards bridges the time until then",
        3,
        (*_DYNAMICS, "environment_drift", "reward_noise", "evaluation_mismatch"),
    ),
    "worker_reward_sign": Cause(
        "one worker pays rewards of the opposite sign",
        "mend the sign in that worker's environment or wrapper",
        3,
        (*_DYNAMICS, "evaluation_mismatch"),
    ),
    "worker_stuck": Cause(
        "one worker is stuck: its observations or rewards do not change",
        "restart that worker; see whether its simulator hangs or its connection is lost",
        3,
        (
            *_DYNAMICS,
            "worker_reward_scale",
            "worker_observations",
            "worker_dynamics",
            "evaluation_mismatch",
        ),
    ),
    "worker_observations": Cause(
        "one worker's observations are on another scale",
        "give every worker the same wrappers and units; compare its observations with the others'",
        3,
        (*_DYNAMICS, "observation_scale", "worker_dynamics"),
    ),
    "worker_dynamics": Cause(
        "one worker answers to actions unlike the others",
        "compare that worker's environment (version, action wrapper, sign) with the others'",
        2,
        _DYNAMICS,
    ),
    "worker_seeding": Cause(
        "workers share one seed and play the same episodes",
        "seed worker i with seed + i, as make_vec_env(seed=...) does",
        3,
    ),
    "reward_sign": Cause(
        "training rewards have the opposite sign of the evaluation's",
        "mend the sign in the reward or in the wrapper that changes it",
        2,
        (*_DYNAMICS, "evaluation_mismatch"),
    ),
    "reward_scale": Cause(
        "rewards are on a scale that the networks do not cope with",
        "VecNormalize(norm_obs=True, norm_reward=True), or divide the reward",
        2,
        (
            "critic_not_learning",
            "learning_rate_too_high",
            "q_overestimation",
            "policy_collapse",
            "evaluation_mismatch",
            "hard_task",
            "learning_rate_too_low",
            "value_clipping",
            "entropy_bonus_too_high",
            "network_saturated",
            "exploration_too_low",
        ),
    ),
    "reward_constant": Cause(
        "every reward is the same: nothing tells good from bad behaviour",
        "check the reward function and the wrappers that change its result",
        3,
        (*_DYNAMICS, "evaluation_mismatch", "advantage_computation"),
    ),
    "reward_outliers": Cause(
        "single rewards are far larger than all others",
        "clip rewards (VecNormalize(clip_reward=10.0)) and find where they come from",
        2,
        (
            "critic_not_learning",
            "learning_rate_too_high",
            "q_overestimation",
            "policy_collapse",
            "evaluation_mismatch",
            "environment_drift",
            "reward_scale",
            "reward_noise",
            "hard_task",
        ),
    ),
    "reward_delay": Cause(
        "rewards arrive late: they belong to an earlier step",
        "return the reward of the action that was just taken; check queues and frame skips",
        2,
        (
            "critic_not_learning",
            "hard_task",
            "no_learning_signal",
            "reward_noise",
            "evaluation_mismatch",
        ),
    ),
    "reward_noise": Cause(
        "rewards are mostly noise",
        "find the source of the noise; larger n_steps and batch_size average it out",
        2,
        ("critic_not_learning", "hard_task", "evaluation_mismatch"),
        against=("critic_fits",),
    ),
    "observation_scale": Cause(
        "observations are on a scale that saturates the networks",
        "VecNormalize(norm_obs=True)",
        2,
        (
            "critic_not_learning",
            "policy_collapse",
            "network_saturated",
            "hard_task",
            "learning_rate_too_high",
            "entropy_bonus_too_low",
            "entropy_bonus_too_high",
            "no_learning_signal",
            "q_overestimation",
            "exploration_too_low",
        ),
    ),
    "observation_dead": Cause(
        "entries of the observation never change: the policy misses what they should tell",
        "check the sensors or wrappers behind these entries; drop entries that are constant by "
        "design",
        2,
        ("critic_not_learning", "hard_task", "observation_noise", "no_learning_signal"),
    ),
    "observation_stale": Cause(
        "observations are one step old",
        "return the observation after the action was applied, not the one before it",
        3,
        (*_DYNAMICS, "action_path"),
    ),
    "observation_noise": Cause(
        "observations are mostly noise",
        "filter or stack observations (VecFrameStack), or use RecurrentPPO",
        1,
        ("critic_not_learning", "hard_task"),
    ),
    "time_limit_handling": Cause(
        "ends by time limit and by termination are mixed up",
        "return truncated=True only at the time limit, terminated=True only at a real end",
        3,
        ("critic_not_learning", "hard_task", "q_overestimation", "episode_ends"),
    ),
    "episode_ends": Cause(
        "episodes end too early, too late or never",
        "check what terminated and truncated mean in step(), and that TimeLimit wraps the "
        "environment",
        2,
        (*_DYNAMICS, "evaluation_mismatch"),
    ),
    "reset_broken": Cause(
        "reset() does not begin a new episode: it returns the old state",
        "reset the simulator in reset() and return its first observation",
        3,
        (*_DYNAMICS, "episode_ends", "observation_stale"),
    ),
    "action_path": Cause(
        "the environment does not execute the action that the policy chose at that step",
        "follow the action through the wrappers: order, delay, scaling; RescaleAction for bounds",
        2,
        (*_DYNAMICS, "observation_noise"),
    ),
    "action_bounds": Cause(
        "most actions lie at or beyond the bounds of the action space",
        "rescale actions to [-1, 1] (RescaleAction) or give the true bounds in action_space",
        2,
        ("hard_task", "exploration_too_low"),
    ),
    "environment_drift": Cause(
        "the environment changed during training",
        "compare transitions before and after; retrain, or randomise what changes",
        2,
        (
            "critic_not_learning",
            "policy_collapse",
            "learning_rate_too_high",
            "hard_task",
            "evaluation_mismatch",
            "observation_scale",
            "reward_noise",
        ),
        against=("returns_rise",),
    ),
}

_DATA: dict[str, Cause] = {
    "buffer_corrupted": Cause(
        "the buffer does not hold what happened",
        "look at what changes between env.step() and buffer.add(): wrappers, subclasses, patches",
        3,
        (
            *_DYNAMICS,
            "log_prob_mismatch",
            "action_path",
            "advantage_computation",
            "policy_update_sign",
            "critic_not_updated",
        ),
    ),
    "sample_corrupted": Cause(
        "the update does not receive what the buffer holds",
        "look at get() or sample() of the buffer class and at what patches it",
        3,
        (*_DYNAMICS, "policy_update_sign", "advantage_computation"),
    ),
    "log_prob_mismatch": Cause(
        "stored log-probabilities are not those of the stored actions",
        "store the action as it was sampled, before clipping, with its own log_prob; evaluate in "
        "the mode (dropout, batch norm) that acted",
        3,
        (*_DYNAMICS, "policy_update_sign"),
    ),
    "advantage_computation": Cause(
        "advantages are not the generalised advantage estimate of the rollout",
        "compare compute_returns_and_advantage with SB3's: order of time, last values, episode "
        "starts, gamma and gae_lambda",
        3,
        (*_DYNAMICS, "policy_update_sign"),
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
        ("evaluation_mismatch", "deterministic_mode_collapse"),
    ),
    "evaluation_mismatch": Cause(
        "evaluation and training environments differ",
        "build both from one factory, with the same wrappers in the same order",
        2,
        ("exploration_masks_policy", "deterministic_mode_collapse"),
    ),
}

_UPDATE: dict[str, Cause] = {
    "policy_update_sign": Cause(
        "the policy update goes against the advantages",
        "check the sign of the policy loss: SB3 minimises -(advantage x ratio), and -Q for actors",
        3,
        _DYNAMICS,
    ),
    "policy_not_updated": Cause(
        "the policy is not trained",
        "check requires_grad, the optimizer's parameters and that the loss depends on the policy",
        3,
        _DYNAMICS,
    ),
    "critic_not_updated": Cause(
        "the critic is not trained",
        "check requires_grad, the optimizer's parameters, vf_coef, and that the loss depends on "
        "the critic",
        3,
        (*_DYNAMICS, "target_network"),
    ),
    "critic_update_sign": Cause(
        "the critic moves away from its targets",
        "check the sign of the value loss",
        3,
        (*_DYNAMICS, "target_network"),
    ),
    "gradients_altered": Cause(
        "gradients are changed between the loss and the optimizer",
        "look for hooks, a missing detach, or losses that are added on top of SB3's",
        3,
        _DYNAMICS,
    ),
    "target_network": Cause(
        "the target network follows too fast or not at all",
        "set tau=0.005 and let train() call polyak_update; the target must be a copy",
        3,
        (*_DYNAMICS, "gamma_too_high"),
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

_SETTINGS: dict[str, Cause] = {
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
        ("hard_task", "critic_not_learning"),
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
        "set gradient_steps=1 with train_freq=1, policy_delay=2 for TD3 (1 for DDPG)",
        2,
        ("hard_task", "learning_rate_too_low", "policy_not_updated", "no_learning_signal"),
    ),
    "q_overestimation": Cause(
        "the critic overestimates and feeds on itself",
        "use twin critics (TD3 or SAC), tau=0.005, a lower learning_rate",
        2,
        ("hard_task", "policy_collapse"),
    ),
}

_OUTCOMES: dict[str, Cause] = {
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

CAUSES: dict[str, Cause] = {**_ENVIRONMENT, **_DATA, **_UPDATE, **_SETTINGS, **_OUTCOMES}
"""Every cause that a detector may name."""
