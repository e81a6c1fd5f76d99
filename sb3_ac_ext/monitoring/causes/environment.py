"""What can be wrong with the environment and its workers."""

from __future__ import annotations

from sb3_ac_ext.monitoring.causes.base import DYNAMICS, Cause

ENVIRONMENT: dict[str, Cause] = {
    "nonfinite_environment": Cause(
        "the environment delivers NaN or infinite numbers",
        "find worker, step and entry with VecFiniteGuard(env) and mend the environment",
        3,
        (*DYNAMICS, "policy_distribution_broken", "environment_drift"),
    ),
    "worker_reward_scale": Cause(
        "one worker pays rewards on another scale",
        "mend that worker's environment (units, wrappers, version) or leave it out; a per-worker "
        "normalisation of rewards bridges the time until then",
        3,
        (*DYNAMICS, "environment_drift", "reward_noise", "evaluation_mismatch"),
    ),
    "worker_reward_sign": Cause(
        "one worker pays rewards of the opposite sign",
        "mend the sign in that worker's environment or wrapper",
        3,
        (*DYNAMICS, "evaluation_mismatch"),
    ),
    "worker_stuck": Cause(
        "one worker is stuck: its observations or rewards do not change",
        "restart that worker; see whether its simulator hangs or its connection is lost",
        3,
        (
            *DYNAMICS,
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
        (*DYNAMICS, "observation_scale", "worker_dynamics", "worker_reward_scale"),
    ),
    "worker_dynamics": Cause(
        "one worker answers to actions unlike the others",
        "compare that worker's environment (version, action wrapper, sign) with the others'",
        2,
        (*DYNAMICS, "worker_reward_scale"),
    ),
    "worker_restarts": Cause(
        "a worker process raised, died or hung, and was restarted",
        "read its traceback in worker_restarts of the environment or of run.json, and mend it; out "
        "of memory: fewer workers; hung: look at the simulator, or raise step_timeout",
        3,
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
        (*DYNAMICS, "evaluation_mismatch"),
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
        (*DYNAMICS, "evaluation_mismatch", "advantage_computation"),
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
        against=("observations_scaled",),
    ),
    "observation_dead": Cause(
        "entries of the observation never change: the policy misses what they should tell",
        "check the sensors or wrappers behind these entries; drop entries that are constant by "
        "design",
        2,
        (*DYNAMICS, "observation_noise", "reward_delay", "action_path", "environment_drift"),
    ),
    "observation_stale": Cause(
        "observations are one step old",
        "return the observation after the action was applied, not the one before it",
        3,
        (*DYNAMICS, "action_path"),
    ),
    "observation_noise": Cause(
        "observations are mostly noise",
        "filter or stack observations (VecFrameStack), or use RecurrentPPO",
        1,
        (
            "critic_not_learning",
            "hard_task",
            "evaluation_mismatch",
            "observation_scale",
            "learning_rate_too_high",
        ),
    ),
    "time_limit_handling": Cause(
        "ends by time limit and by termination are mixed up",
        "return truncated=True only at the time limit, terminated=True only at a real end, and "
        "bootstrap the value of the last state at the first",
        3,
        ("critic_not_learning", "hard_task", "q_overestimation", "episode_ends"),
    ),
    "episode_ends": Cause(
        "episodes end too early, too late or never",
        "check what terminated and truncated mean in step(), and that TimeLimit wraps the "
        "environment",
        2,
        (*DYNAMICS, "evaluation_mismatch", "reward_noise", "reward_constant", "action_path"),
    ),
    "reset_broken": Cause(
        "reset() does not begin a new episode: it returns the old state",
        "reset the simulator in reset() and return its first observation",
        3,
        (*DYNAMICS, "episode_ends", "observation_stale"),
    ),
    "action_path": Cause(
        "the environment does not execute the action that the policy chose at that step",
        "follow the action through the wrappers: order, delay, scaling; RescaleAction for bounds",
        2,
        (*DYNAMICS, "observation_noise"),
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
    ),
}
