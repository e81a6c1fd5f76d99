"""Episodes of a policy in an evaluation environment, with what it saw and earned at every step."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecEnv, unwrap_vec_normalize

from sb3_ac_ext.monitoring.boundaries import row_bytes
from sb3_ac_ext.monitoring.exploring import exploring

Floats = npt.NDArray[np.float64]
_MOST_STEPS = 4000


@dataclass(frozen=True)
class Play:
    """
    :param returns: shape (episodes,), as ``Monitor`` counts them where there is one
    :param lengths: shape (episodes,), in steps
    :param rewards: shape (steps, n_envs), of at most 4,000 steps
    :param actions: shape (steps, n_envs, ...), of the same steps
    :param starts: first observations of the workers, shape (n_envs, d), before normalisation;
        ``None`` for others than vectors
    :param distinct_starts: how many of them differ
    :param truncated: share of all episodes seen that a time limit ended
    """

    returns: Floats
    lengths: Floats
    rewards: Floats
    actions: npt.NDArray[Any]
    starts: Floats | None
    distinct_starts: int
    truncated: float


def play(model: Any, env: VecEnv, episodes: int, deterministic: bool, seed: int) -> Play:
    """
    :param model: whose policy acts
    :param env: seeded anew
    :param episodes: at least this many finish
    :param deterministic: the greedy action, or one with all noise of training
    :param seed: of the environment
    """
    env.seed(seed)
    first = env.reset()
    normaliser = unwrap_vec_normalize(env)
    if normaliser is not None and normaliser.norm_obs:
        first = normaliser.get_original_obs()
    distinct = {row_bytes(first, worker) for worker in range(env.num_envs)}
    vectors = isinstance(first, np.ndarray) and first.ndim == 2
    env.seed(seed)
    rewards: list[Any] = []
    actions: list[Any] = []

    limited: list[bool] = []

    def note(step: dict[str, Any], _globals: dict[str, Any]) -> None:
        if step["done"]:
            limited.append(bool(step["info"].get("TimeLimit.truncated", False)))
        if step["i"] == 0 and len(rewards) < _MOST_STEPS:
            rewards.append(step["rewards"].copy())
            actions.append(step["actions"])

    with nullcontext(model) if deterministic else exploring(model, env.num_envs) as actor:
        returns, lengths = _evaluator(model)(
            actor,
            env,
            n_eval_episodes=episodes,
            deterministic=deterministic,
            return_episode_rewards=True,
            warn=False,
            callback=note,
        )
    return Play(
        returns=np.asarray(returns, dtype=np.float64),
        lengths=np.asarray(lengths, dtype=np.float64),
        rewards=np.asarray(rewards, dtype=np.float64),
        actions=np.asarray(actions),
        starts=np.asarray(first, dtype=np.float64) if vectors else None,
        distinct_starts=len(distinct),
        truncated=float(np.mean(limited)) if limited else 0.0,
    )


def _evaluator(model: Any) -> Any:
    """SB3's ``evaluate_policy``, or contrib's where the policy needs action masks."""
    if not hasattr(getattr(model, "rollout_buffer", None), "action_masks"):
        return evaluate_policy
    from sb3_contrib.common.maskable import evaluation

    return evaluation.evaluate_policy
