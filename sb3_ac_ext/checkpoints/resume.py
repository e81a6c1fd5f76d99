"""Go on from a bundle as if nothing had happened."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.noise import VectorizedActionNoise

from sb3_ac_ext.checkpoints.bundle import MANIFEST, Bundle, newest_complete, verified
from sb3_ac_ext.checkpoints.callback import BundleCallback
from sb3_ac_ext.checkpoints.codec import decode
from sb3_ac_ext.checkpoints.rows import put_rows
from sb3_ac_ext.checkpoints.settings import check
from sb3_ac_ext.checkpoints.state import State, flat, restore_env, restore_model

Algorithm = TypeVar("Algorithm", bound=BaseAlgorithm)


def resume(
    path: str | Path, model: Algorithm, callback: BaseCallback | Sequence[BaseCallback]
) -> Algorithm:
    """Put a run back to where a bundle was taken.

    Build environment, model and callbacks as at the beginning, then::

        callbacks = [EvalCallback(...), BundleCallback("bundles")]
        model = resume("bundles", PPO("MlpPolicy", env, seed=0), callbacks)
        model.learn(total - model.num_timesteps, callbacks, reset_num_timesteps=False)

    Everything after is what it would have been without the interruption, to the bit, where the
    environment can be put back; where it cannot, it is reset, and a warning says why.

    :param path: a bundle, or a folder of bundles, of which the newest complete one is taken
    :param model: new, with its environment, of the same class, spaces and hyperparameters
    :param callback: those that ``learn()`` will be given, a :class:`BundleCallback` among them,
        which puts everything in its place once more when the first rollout begins
    :return: the model
    :raises ValueError: if there is no complete bundle, or it does not fit the model; the model is
        to be thrown away then
    """
    given = [callback] if isinstance(callback, BaseCallback) else list(callback)
    keeper = next((c for c in flat(CallbackList(given)) if isinstance(c, BundleCallback)), None)
    if keeper is None:
        raise ValueError("there is no BundleCallback among the callbacks: it goes on with the run")
    bundle = find_bundle(Path(path))
    check(bundle.manifest, model)
    tree, arrays = bundle.state()
    state: State = decode(tree, arrays)
    env = model.get_env()
    if env is None:
        raise ValueError("the model has no environment: give it the one of the run")
    _vectorise_noise(model)
    env.reset()
    restore_model(model, state)
    buffer = getattr(model, "replay_buffer", None)
    if buffer is not None:
        put_rows(buffer, bundle.rows())
    reasons = restore_env(model, state)  # last: it cuts files, which a misfit must not
    if reasons:
        warnings.warn(
            f"{bundle.path} cannot be continued exactly, the environment is reset: {reasons[0]}",
            stacklevel=2,
        )
        _begin_episodes(model, state)
    keeper.continue_from(bundle, state)
    return model


def find_bundle(path: Path) -> Bundle:
    """
    :param path: a bundle, or a folder of bundles
    :raises ValueError: if nothing complete is there
    """
    if (path / MANIFEST).exists():
        return verified(path)
    bundle, problems = newest_complete(path)
    for problem in problems:
        warnings.warn(f"{problem}; {bundle.path.name} is taken instead", stacklevel=3)
    return bundle


def _vectorise_noise(model: Any) -> None:
    """As ``learn()`` does, so that the noise of each worker has its place."""
    noise: Any = getattr(model, "action_noise", None)
    several = noise is not None and model.n_envs > 1
    if several and not isinstance(noise, VectorizedActionNoise):
        model.action_noise = VectorizedActionNoise(noise, model.n_envs)


def _begin_episodes(model: Any, state: State) -> None:
    """Reset, and let nothing bring back what belongs to the episodes that are lost."""
    model._last_obs = model.env.reset()
    model._last_episode_starts = np.ones(model.n_envs, dtype=bool)
    if model._vec_normalize_env is not None:
        model._last_original_obs = model._vec_normalize_env.get_original_obs()
    for name in ("_last_obs", "_last_episode_starts", "_last_original_obs"):
        state["model"].pop(name, None)
