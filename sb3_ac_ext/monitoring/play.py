"""Episodes of a policy in an evaluation environment, with what it saw and earned at every step."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecEnv, unwrap_vec_normalize

from sb3_ac_ext.monitoring.boundaries import row_bytes
from sb3_ac_ext.monitoring.exploring import exploring
from sb3_ac_ext.monitoring.transitions import (
    MAX_DIMS,
    MAX_STEPS,
    Transitions,
    encoded_actions,
    in_half_ranges,
)

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
    :param distinct_starts: how many of the starts differ
    :param transitions: the first steps as the policy saw them, Box actions in half ranges; ``None``
        for observations other than vectors
    :param truncated: share of all episodes seen that a time limit ended
    """

    returns: Floats
    lengths: Floats
    rewards: Floats
    actions: npt.NDArray[Any]
    starts: Floats | None
    distinct_starts: int
    transitions: Transitions | None
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
    seen: list[tuple[Any, Any]] = []
    limited: list[bool] = []
    newest: Any = None

    def note(step: dict[str, Any], _globals: dict[str, Any]) -> None:
        nonlocal newest
        if step["done"]:
            limited.append(bool(step["info"].get("TimeLimit.truncated", False)))
        if step["rewards"] is not newest and len(rewards) < _MOST_STEPS:
            newest = step["rewards"]  # of this step, which every worker with episodes left sees
            rewards.append(step["rewards"].copy())
            actions.append(step["actions"])
            if vectors and len(seen) < MAX_STEPS:
                seen.append((_following(step), step["dones"].copy()))

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
    taken = np.asarray(actions)
    return Play(
        returns=np.asarray(returns, dtype=np.float64),
        lengths=np.asarray(lengths, dtype=np.float64),
        rewards=np.asarray(rewards, dtype=np.float64),
        actions=taken,
        starts=np.asarray(first, dtype=np.float64) if vectors else None,
        transitions=_transitions(model, seen, taken, rewards) if len(seen) > 1 else None,
        distinct_starts=len(distinct),
        truncated=float(np.mean(limited)) if limited else 0.0,
    )


def _following(step: dict[str, Any]) -> Any:
    """What the environment has just returned; contrib has no name of its own for it."""
    return step.get("new_observations", step["observations"])


def _transitions(
    model: Any, seen: Sequence[tuple[Any, Any]], actions: npt.NDArray[Any], rewards: Any
) -> Transitions:
    """:param seen: what each step returned, and whether it ended an episode"""
    observations, dones = (np.asarray(column) for column in zip(*seen, strict=True))
    observations = observations[:, :, :MAX_DIMS].astype(np.float64)
    rows = slice(1, len(seen))
    taken = actions[rows].reshape(len(seen) - 1, observations.shape[1], -1)
    return Transitions(
        observations=observations[:-1],
        actions=encoded_actions(in_half_ranges(taken, model.action_space), model.action_space),
        next_observations=observations[1:],
        rewards=np.asarray(rewards[rows], dtype=np.float64),
        inside=~dones[1:].astype(bool),
    )


def _evaluator(model: Any) -> Any:
    """SB3's ``evaluate_policy``, or contrib's where the policy needs action masks."""
    if not hasattr(getattr(model, "rollout_buffer", None), "action_masks"):
        return evaluate_policy
    from sb3_contrib.common.maskable import evaluation

    return evaluation.evaluate_policy
