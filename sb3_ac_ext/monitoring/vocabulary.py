"""The names of all series, with the title and unit that a person reads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """How a series is shown.

    :param group: the panel it belongs to
    :param title: what a person calls it
    :param unit: of its values, empty when it has none
    """

    group: str
    title: str
    unit: str = ""


_TABLE: dict[str, dict[str, tuple[str, str] | str]] = {
    "returns": {
        "episodes/return_mean": "training return, mean",
        "episodes/return_std": "training return, standard deviation",
        "episodes/return_min": "training return, lowest",
        "episodes/return_max": "training return, highest",
        "episodes/length_mean": ("episode length, mean", "steps"),
        "episodes/length_std": ("episode length, standard deviation", "steps"),
        "episodes/length_min": ("episode length, shortest", "steps"),
        "episodes/length_max": ("episode length, longest", "steps"),
        "episodes/count": "episodes finished since the last snapshot",
        "episodes/success_rate": ("successful episodes", "share"),
        "episodes/truncated_share": ("episodes that ended by a time limit", "share"),
        "canary/return_mean": "canary return, deterministic policy",
        "canary/return_std": "canary return, standard deviation",
        "canary/stochastic_mean": "canary return, stochastic policy",
        "canary/stochastic_std": "canary return, stochastic policy, standard deviation",
        "canary/gap": "canary: deterministic minus stochastic return",
        "canary/p_value": "canary: Mann-Whitney p-value of the gap",
        "canary/effect_size": "canary: rank-biserial effect size of the gap",
        "canary/train_gap": "evaluation minus training return, acting alike",
        "canary/train_p_value": "the same: Mann-Whitney p-value",
        "canary/train_effect_size": "the same: rank-biserial effect size",
        "canary/length_mean": ("canary episode length", "steps"),
        "canary/truncated_share": ("canary episodes that a time limit ended", "share"),
    },
    "workers": {
        "rewards/mean": "reward, mean",
        "rewards/std": "reward, standard deviation",
        "rewards/max_abs": "reward, largest magnitude",
        "rewards/outlier_share": ("rewards beyond 10 robust deviations", "share"),
        "rewards/zero_share": ("rewards that are zero", "share"),
        "rewards/steps": ("steps per worker since the last snapshot", "steps"),
        "rewards/nonfinite": ("non-finite rewards", "count"),
        "workers/restarts": ("restarts of worker processes", "count"),
        "workers/nonfinite": ("non-finite numbers that a guard kept away", "count"),
        "rewards/max_ratio": "largest worker's reward scale over the median of the others",
    },
    "observations": {
        "observations/nonfinite": ("non-finite observation entries", "count"),
        "observations/p99_abs": "observations, 99th percentile of magnitude",
        "observations/constant_dims": ("constant observation dimensions", "count"),
        "observations/dims": ("observation entries", "count"),
        "observations/roughness": "von Neumann ratio of observations (2: white noise)",
        "observations/scale_ratio": "largest over smallest scale of observation dimensions",
    },
    "policy": {
        "policy/kl": ("KL(old, new) of the whole update", "nats"),
        "policy/clip_fraction": ("ratios outside the clip range after the update", "share"),
        "policy/entropy": ("policy entropy", "nats"),
        "policy/entropy_relative": ("policy entropy over its maximum", "share"),
        "policy/log_std_min": "log standard deviation, smallest",
        "policy/log_std_max": "log standard deviation, largest",
        "policy/state_dependence": ("how much the action depends on the state", "share"),
        "policy/nonfinite_log_prob": ("non-finite log-probabilities", "count"),
        "actions/entropy": ("entropy of the actions taken over its maximum", "share"),
        "actions/top_share": ("most frequent action", "share"),
        "actions/saturation": ("actions at a bound", "share"),
        "actions/std": ("spread of the actions taken", "half ranges"),
        "actions/nonfinite": ("non-finite actions", "count"),
    },
    "value": {
        "value/explained_variance": "explained variance of the buffer's returns",
        "value/mc_explained_variance": "explained variance of Monte-Carlo returns",
        "value/loss_relative": "value error over the variance of returns",
        "value/fit_ratio": "value error after over before the update",
        "value/reach": "mean value over mean return target",
        "value/nonfinite": ("non-finite values", "count"),
        "advantages/mean": "advantage, mean",
        "advantages/std": "advantage, standard deviation",
        "advantages/beyond_5std": ("advantages beyond 5 standard deviations", "share"),
        "returns/beyond_5std": ("return targets beyond 5 standard deviations", "share"),
        "returns/mean": "return target, mean",
        "returns/std": "return target, standard deviation",
        "q/mean": "Q-value, mean",
        "q/std": "Q-value, standard deviation",
        "q/min": "Q-value, smallest",
        "q/max": "Q-value, largest",
        "q/twin_gap": "disagreement of the critics",
        "q/bound": "largest Q-value that the rewards allow",
        "q/bound_ratio": "largest Q-value over its bound",
        "q/bias": "Q-value minus Monte-Carlo return",
        "q/bias_relative": "Q bias in standard deviations of the Monte-Carlo returns",
        "q/dip": "dip statistic of Q-values (bimodality)",
        "q/dip_p": "dip test p-value",
        "q/target_gap": "online minus target critic, mean magnitude",
        "q/entropy_share": "entropy bonus over the magnitude of Q",
        "q/nonfinite": ("non-finite Q-values", "count"),
        "replay/fill": ("replay buffer filled", "share"),
        "replay/age": ("mean age of stored transitions", "steps"),
    },
    "gradients": {
        "gradients/{net}/norm_mean": "gradient norm before clipping, {net}, mean",
        "gradients/{net}/norm_max": "gradient norm before clipping, {net}, largest",
        "gradients/steps_share": ("optimizer steps taken of those due", "share"),
        "gradients/clipped_share": ("optimizer steps with clipped gradients", "share"),
        "gradients/nonfinite": ("optimizer steps with non-finite gradients", "count"),
        "weights/{net}/norm": "weight norm, {net}",
        "weights/{net}/update_ratio": "relative change of the weights, {net}",
        "weights/nonfinite": ("non-finite weights", "count"),
        "weights/dormant_share": ("dormant units", "share"),
        "weights/saturated_share": ("saturated tanh or sigmoid outputs", "share"),
        "weights/effective_rank": ("effective rank of the last features", "dimensions"),
    },
    "probes": {
        "probe/log_prob_error": ("log-probability recomputed minus stored, largest", "nats"),
        "probe/log_prob_error_share": ("rows whose log-probability is not the stored one", "share"),
        "probe/log_prob_mode_error": ("log-probability in training minus acting mode", "nats"),
        "probe/action_mode_error": "greedy action in training minus acting mode",
        "probe/value_error": "value recomputed minus stored, relative, largest",
        "probe/advantage_error": "advantage minus its own computation, in deviations",
        "probe/return_error": "return minus advantage minus value, in deviations",
        "probe/stored_obs_error": "buffer: observation minus the one seen",
        "probe/stored_next_obs_error": "buffer: next observation minus the one seen",
        "probe/stored_action_error": "buffer: action minus the one taken",
        "probe/stored_clipped_error": "buffer: clipped action minus the one the policy gave",
        "probe/stored_reward_error": "buffer: reward minus the one paid",
        "probe/timeout_reward_error": "buffer: reward at time limits minus reward + gamma V",
        "probe/stored_start_error": "buffer: episode start minus the one seen",
        "probe/stored_done_error": "buffer: done minus the one seen",
        "probe/stored_timeout_error": "buffer: time-out minus the one seen",
        "probe/batch_error": "batch minus the buffer's rows, largest",
        "probe/{net}_change": "relative change since the last snapshot, {net}",
        "probe/{net}_trained_share": ("parameters that an optimizer trains, {net}", "share"),
        "probe/policy_improvement": "correlation of advantage and change of log-probability",
        "probe/policy_improvement_z": ("the same over its error", "deviations"),
        "probe/updates": "gradient updates",
        "probe/{net}_cosine": "gradient of the first step against the loss's own, cosine, {net}",
        "probe/{net}_has_gradient": "the loss depends on the {net}",
        "probe/learning_rate_ratio": "learning rate in force over the schedule's",
        "probe/stock_update": "the update is SB3's own code",
        "probe/target_error": "target networks minus their Polyak average, relative",
        "probe/target_moved": ("updates that moved the target networks", "share"),
        "probe/target_due": ("updates that should have moved them", "share"),
        "probe/target_shared": "target network is the online network",
        "probe/starts": "first steps of episodes",
        "probe/stale_starts": "first steps that returned the reset's observation",
        "probe/ends": "ends of episodes",
        "probe/old_resets": "resets that returned the terminal observation",
        "probe/distinct_old": "different terminal observations that resets returned, at most 20",
        "probe/no_terminal": "ends without terminal observation",
        "probe/resets": "resets compared across workers",
        "probe/twin_resets": "resets equal to another worker's",
        "probe/distinct_resets": "different reset observations",
        "probe/limit_ends": "episodes as long as the time limit",
        "probe/limit_terminated": "of these, flagged as terminated",
        "probe/early_truncated": "shorter episodes flagged as truncated",
        "probe/early_lengths": "different lengths of these",
        "probe/overlong": "longest episode over the time limit",
        "probe/running": ("longest running episode", "steps"),
        "probe/finished": "episodes finished",
        "probe/transition_r2": "variance of transitions that a linear model explains",
        "probe/action_gain": "what the action adds to it",
        "probe/action_freedom": "action that the observation does not explain",
        "probe/late_action_gain": "what the action before adds to it",
        "probe/action_effect": "effect of actions now and a snapshot before, cosine",
        "probe/reward_r2": "variance of rewards that the step explains",
        "probe/late_reward_r2": "variance of rewards that an earlier step explains",
        "probe/timeouts": ("steps that a time limit ended", "steps"),
        "probe/bare_timeouts": ("of these, those that were not bootstrapped", "steps"),
        "probe/reset_trend_p": ("first observations against time: p-value", ""),
        "probe/reset_shift": ("mean reset observation, newest against first", "deviations"),
        "probe/obs_normalisers": "wrappers that normalise observations",
        "probe/reward_normalisers": "wrappers that normalise rewards",
        "probe/normaliser_gamma_gap": "gamma of VecNormalize minus the algorithm's",
        "probe/eval_training": "evaluation normalisers that learn",
        "probe/eval_norm_reward": "evaluation normalisers of rewards",
        "probe/eval_unlike": "evaluation normalisers unlike training's",
        "parity/reward_scale": "reward magnitude, training over evaluation",
        "parity/reward_std": "reward deviation, training over evaluation",
        "parity/reward_max": "largest reward, training over evaluation",
        "parity/reward_level": "mean reward, training over evaluation",
        "parity/reward_median": "median reward magnitude, training over evaluation",
        "parity/bare_still_dims": ("entries that rarely change in the bare environment", "entries"),
        "parity/bare_roughness": "roughness of observations in the bare environment",
        "parity/action_effect": "effect of actions, training over the bare environment",
        "parity/action_agreement": "effects of actions, training against evaluation: cosine",
        "parity/reward_transfer": "error of rewards by actions, evaluation over training",
        "parity/return_sign": ("returns of training and evaluation away from zero", "errors"),
        "parity/reward_zeros": ("rewards that are zero, training minus evaluation", "share"),
        "parity/first_reward_zeros": ("first rewards of episodes, the same", "share"),
        "parity/start_shift": ("mean first observation against evaluation's", "deviations"),
        "parity/start_spread": "deviation of first observations, training over evaluation",
        "parity/distinct_starts": "different first observations of as many evaluation episodes",
        "parity/length_ratio": "episode length, training over evaluation",
        "parity/length_p": "episode lengths, training against evaluation: p-value",
    },
    "timing": {
        "time/steps_per_second": ("speed", "steps/s"),
        "time/episodes_per_hour": ("episodes", "1/h"),
        "time/rollout_share": ("time in rollouts", "share"),
        "time/update_share": ("time in updates", "share"),
        "time/callback_share": ("time in this monitor, canary excluded", "share"),
        "time/canary_share": ("time in canary evaluations", "share"),
    },
    "hyperparameters": {
        "hyper/learning_rate": "learning rate",
        "hyper/ent_coef": "entropy coefficient",
        "hyper/clip_range": "clip range",
        "hyper/clip_range_vf": "clip range of the value function",
    },
}

NETWORKS = ("policy", "value", "shared", "actor", "critic", "temperature")
"""Names of the networks that gradients and weights are reported for."""


def _entries() -> dict[str, Metric]:
    entries: dict[str, Metric] = {}
    for group, rows in _TABLE.items():
        for name, row in rows.items():
            title, unit = (row, "") if isinstance(row, str) else row
            for net in NETWORKS if "{net}" in name else ("",):
                entries[name.format(net=net)] = Metric(group, title.format(net=net), unit)
    return entries


METRICS: dict[str, Metric] = _entries()
"""Every series our signals write; ``train/...`` come from SB3's logger under its own names."""

GROUPS: tuple[str, ...] = tuple(_TABLE)


def metric(name: str) -> Metric:
    """The entry of a series; one that is not in the table is shown under its own name."""
    return METRICS.get(name, Metric("logged", name))
