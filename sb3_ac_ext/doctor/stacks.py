"""Checks of the training and evaluation environments that the settings make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.wrappers import NormalizeObservation, NormalizeReward
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    VecEnv,
    VecEnvWrapper,
    VecNormalize,
    sync_envs_normalization,
)

from sb3_ac_ext.doctor.records import Check, Status
from sb3_ac_ext.wrappers import VecWorkerNormalizeReward

_SETTINGS = ("_max_episode_steps", "norm_obs", "clip_obs", "epsilon", "norm_obs_keys")
_STEPS = 64


@dataclass(frozen=True)
class Layer:
    """
    :param name: of the wrapper's class
    :param settings: those that must be the same in training and evaluation
    :param wrapper: itself
    """

    name: str
    settings: tuple[str, ...]
    wrapper: Any


def layers(env: VecEnv) -> list[Layer]:
    """All wrappers, the outermost first: of the vectorised environment, then of its first worker.

    :param env: with its workers in this process; of others the vectorised ones only
    """
    found: list[Layer] = []
    while isinstance(env, VecEnvWrapper):
        found.append(_layer(env))
        env = env.venv
    worker: Any = env.envs[0] if isinstance(env, DummyVecEnv) else None
    while isinstance(worker, gym.Wrapper):
        found.append(_layer(worker))
        worker = worker.env
    return found


def normalizers(env: VecEnv, what: str) -> list[str]:
    """The names of what normalises ``obs`` or ``reward`` on the way to the agent.

    :param env: training environment
    :param what: ``obs`` or ``reward``
    """
    own = NormalizeObservation if what == "obs" else NormalizeReward
    return [
        layer.name
        for layer in layers(env)
        if isinstance(layer.wrapper, own)
        or (isinstance(layer.wrapper, VecNormalize) and getattr(layer.wrapper, f"norm_{what}"))
        or (what == "reward" and _scales_workers(layer))
    ]


def normalized_once(env: VecEnv) -> Check:
    """The second of two normalisers learns what the first is still changing.

    :param env: training environment
    """
    name = "normalised once"
    found = {what: normalizers(env, what) for what in ("obs", "reward")}
    twice = [f"{what} by {' and '.join(names)}" for what, names in found.items() if len(names) > 1]
    if twice:
        remedy = "keep VecNormalize and leave the other out"
        return Check(name, Status.WARNING, f"normalised twice: {'; '.join(twice)}", remedy)
    single = [f"{what} by {names[0]}" for what, names in found.items() if names]
    return Check(name, Status.OK, "; ".join(single) or "nothing is normalised")


def normalizer_gamma(env: VecEnv, gamma: float) -> Check:
    """Rewards are divided by the deviation of returns discounted with the normaliser's gamma.

    :param env: training environment
    :param gamma: of the algorithm
    """
    name = "normaliser's gamma"
    found = [
        (layer.name, float(getattr(layer.wrapper, "worker_rewards", layer.wrapper).gamma))
        for layer in layers(env)
        if isinstance(layer.wrapper, NormalizeReward)
        or (isinstance(layer.wrapper, VecNormalize) and layer.wrapper.norm_reward)
        or _scales_workers(layer)
    ]
    if not found:
        return Check(name, Status.OK, "rewards are not normalised")
    unlike = [(one, value) for one, value in found if not np.isclose(value, gamma)]
    if not unlike:
        return Check(name, Status.OK, f"{gamma:g}, as the algorithm's")
    message = f"{unlike[0][0]} has gamma {unlike[0][1]:g}, the algorithm has {gamma:g}"
    remedy = "leave gamma out of normalize, it is then the algorithm's; or give both the same"
    return Check(name, Status.WARNING, message, remedy)


def _scales_workers(layer: Layer) -> bool:
    return (
        isinstance(layer.wrapper, VecWorkerNormalizeReward)
        and layer.wrapper.worker_rewards.norm_reward
    )


def evaluation_normalizer(training: VecEnv, evaluation: VecEnv) -> Check:
    """Evaluation must use the statistics of training, not learn others, and report true rewards.

    :param training: environment, stepped by this check
    :param evaluation: environment
    """
    name = "evaluation normaliser"
    own = [la.name for la in layers(evaluation) if isinstance(la.wrapper, NormalizeObservation)]
    if own:
        message = f"{own[0]} keeps statistics in each worker: evaluation sees other observations"
        return Check(
            name, Status.WARNING, message, "normalise by VecNormalize, which is synchronised"
        )
    sources, targets = _vec_normalizers(training), _vec_normalizers(evaluation)
    if not sources and not targets:
        return Check(name, Status.OK, "nothing is normalised")
    for flag in ("training", "norm_reward"):
        if any(getattr(target, flag) for target in targets):
            message = f"the evaluation environment's VecNormalize has {flag}=True"
            return Check(name, Status.FAIL, message, f"set {flag}=False in evaluation")
    _step(training)
    try:
        sync_envs_normalization(training, evaluation)
    except (AssertionError, AttributeError) as error:
        message = f"statistics cannot be synchronised: {' '.join(str(error).split())}"
        return Check(name, Status.FAIL, message, "wrap evaluation like training, in the same order")
    apart = [_apart(source, target) for source, target in zip(sources, targets, strict=True)]
    if any(apart):
        return Check(name, Status.FAIL, "statistics differ after synchronising", "wrap both alike")
    return Check(name, Status.OK, f"{len(targets)} synchronised, frozen, with true rewards")


def parity(training: VecEnv, evaluation: VecEnv) -> Check:
    """Layer by layer, what is evaluated must be what is trained.

    :param training: environment
    :param evaluation: environment
    """
    name = "evaluation wrappers"
    for what in ("observation_space", "action_space"):
        spaces = getattr(training, what), getattr(evaluation, what)
        if spaces[0] != spaces[1]:
            message = f"{what} is {spaces[0]} in training, {spaces[1]} in evaluation"
            return Check(name, Status.FAIL, message, "wrap evaluation like training")
    one, other = layers(training), layers(evaluation)
    names = [layer.name for layer in one], [layer.name for layer in other]
    if names[0] != names[1]:
        message = f"training has {' > '.join(names[0])}, evaluation has {' > '.join(names[1])}"
        return Check(name, Status.FAIL, message, "wrap evaluation like training, in the same order")
    unlike = [
        f"{a.name} with {x} in training, {y} in evaluation"
        for a, b in zip(one, other, strict=True)
        for x, y in zip(a.settings, b.settings, strict=False)
        if x != y
    ]
    if unlike:
        remedy = "unless it is meant, give both the same arguments"
        return Check(name, Status.NOTE, "; ".join(unlike), remedy)
    return Check(name, Status.OK, f"{len(one)} layers alike: {' > '.join(names[0])}")


def arguments(train_kwargs: dict[str, Any], eval_kwargs: dict[str, Any]) -> Check:
    """Arguments of the environments themselves.

    :param train_kwargs: of the training environments
    :param eval_kwargs: of the evaluation environments
    """
    name = "evaluation arguments"
    if train_kwargs == eval_kwargs:
        return Check(name, Status.OK, "as in training")
    message = f"{eval_kwargs} in evaluation, {train_kwargs} in training"
    return Check(name, Status.NOTE, message, "unless it is meant, leave eval_env_kwargs out")


def _layer(wrapper: Any) -> Layer:
    values = {name: vars(wrapper)[name] for name in _SETTINGS if name in vars(wrapper)}
    if hasattr(wrapper, "stacked_obs"):
        values["n_stack"] = wrapper.stacked_obs.n_stack
    saved = vars(wrapper).get("_saved_kwargs", {})
    values.update(
        {key: value for key, value in saved.items() if key != "disable_render_order_enforcing"}
    )
    settings = tuple(f"{key}={value!r}" for key, value in sorted(values.items()))
    return Layer(type(wrapper).__name__, settings, wrapper)


def _vec_normalizers(env: VecEnv) -> list[VecNormalize]:
    return [la.wrapper for la in layers(env) if isinstance(la.wrapper, VecNormalize)]


def _step(env: VecEnv) -> None:
    env.reset()
    for _ in range(max(1, _STEPS // env.num_envs)):
        env.step(np.array([env.action_space.sample() for _ in range(env.num_envs)]))


def _apart(source: VecNormalize, target: VecNormalize) -> bool:
    return source.norm_obs and any(
        not np.array_equal(one, other)
        for one, other in zip(_means(source), _means(target), strict=True)
    )


def _means(normalizer: VecNormalize) -> list[np.ndarray]:
    statistics = normalizer.obs_rms
    parts = statistics.values() if isinstance(statistics, dict) else [statistics]
    return [part.mean for part in parts]
