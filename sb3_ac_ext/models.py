"""Make the model of a run, new or continued from a saved one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from sb3_ac_ext import registry
from sb3_ac_ext.config import Config
from sb3_ac_ext.evaluation.opening import read_unit
from sb3_ac_ext.evaluation.saving import complete
from sb3_ac_ext.evaluation.unit import UnitPaths
from sb3_ac_ext.run_folder import WORKER_REWARDS, env_name
from sb3_ac_ext.wrappers.once import check_reward_normalization
from sb3_ac_ext.wrappers.vec_worker_normalize_reward import worker_rewards_wrapper


def constructor_kwargs(config: Config, env: VecEnv, env_id: str) -> dict[str, Any]:
    """The settings with what depends on the environment.

    :param config: settings of the run
    :param env: training environment
    :param env_id: its name, for errors
    :raises ValueError: for action noise on actions that are not continuous
    """
    kwargs = dict(config.hyperparameters)
    if config.action_noise is not None:
        space = env.action_space
        if not isinstance(space, spaces.Box):
            raise _misfit(config, env_id, "Box", env)
        kwargs["action_noise"] = config.action_noise.build(int(np.prod(space.shape)))
    return kwargs


def new_model(config: Config, env: VecEnv, env_id: str, **common: Any) -> BaseAlgorithm:
    """
    :param config: settings of the run
    :param env: training environment
    :param env_id: its name, for errors
    :param common: seed, device, verbose and tensorboard_log
    :raises ValueError: if the algorithm cannot act in the environment, or refuses a setting
    """
    cls = registry.algorithm(config.algo)
    try:
        model = cls(env=env, **common, **constructor_kwargs(config, env, env_id))
    except AssertionError as error:
        if "action space" in str(error):
            needed = " or ".join(re.findall(r"spaces\.\w+\.(\w+)", str(error)))
            raise _misfit(config, env_id, needed, env) from error
        raise ValueError(f"{config.algo} refuses its settings: {error}") from error
    except (TypeError, ValueError, NotImplementedError) as error:
        raise ValueError(f"{config.algo} refuses its settings: {error}") from error
    check_reward_normalization(model)
    return model


def _misfit(config: Config, env_id: str, needed: str, env: VecEnv) -> ValueError:
    return ValueError(
        f"{config.algo} does not fit {env_id}: it needs {needed} actions, "
        f"and these are {env.action_space}"
    )


def load_model(config: Config, env: VecEnv, env_id: str, path: str, **common: Any) -> BaseAlgorithm:
    """Continue from a saved model, with the settings of this run except those of its policy.

    A replay buffer beside the model is loaded too; with enough in it, learning begins at once.

    :param config: settings of the run
    :param env: training environment
    :param env_id: its name, for errors
    :param path: the model's ``.zip``
    :param common: seed, device, verbose and tensorboard_log
    :raises ValueError: if it is no model of this algorithm, or does not fit the environment
    """
    kwargs = constructor_kwargs(config, env, env_id)
    for key in ("policy", "policy_kwargs"):
        kwargs.pop(key, None)
    cls = registry.algorithm(config.algo)
    try:
        model = cls.load(path, env=env, **common, **kwargs)
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ValueError(f"trained agent {path!r} cannot be loaded: {reason}") from error
    check_reward_normalization(model)
    rewards = Path(path).parent / env_name(env_id) / WORKER_REWARDS
    if (wrapper := worker_rewards_wrapper(env)) is not None and rewards.is_file():
        wrapper.load_worker_rewards(rewards)
    buffer = Path(path).with_name("replay_buffer.pkl")
    if isinstance(model, OffPolicyAlgorithm) and buffer.is_file():
        _load_buffer(model, buffer)
    return model


def _load_buffer(model: OffPolicyAlgorithm, path: Path) -> None:
    try:
        model.load_replay_buffer(str(path))
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ValueError(f"replay buffer {str(path)!r} cannot be loaded: {reason}") from error
    # learn() counts from zero again: waiting for learning_starts would mean random actions first
    if model.replay_buffer is not None:
        filled = model.replay_buffer.size() * model.replay_buffer.n_envs
        model.learning_starts = max(0, model.learning_starts - filled)


def check_trained_agent(path: str) -> None:
    """
    :param path: as given by ``--trained-agent``
    :raises ValueError: if there is no such model file, or it is a best model whose record speaks
        of another
    """
    if not path.endswith(".zip"):
        raise ValueError(f"trained agent {path!r} must be a .zip file")
    if not Path(path).is_file():
        raise ValueError(f"trained agent {path!r} does not exist")
    unit = UnitPaths(Path(path).parent)
    if Path(path) == unit.model:
        complete(unit.folder)
        read_unit(unit.folder)


def saved_statistics(model_path: str, env_name: str) -> Path | None:
    """The normaliser that belongs to a saved model: its own where it has one, else the final one.

    :param model_path: the model's ``.zip``
    :param env_name: the environment's id as a file name
    """
    path = Path(model_path)
    own = [path.with_name(f"{path.stem}_vecnormalize.pkl")]
    if checkpoint := re.fullmatch(r"(.+)_(\d+_steps)", path.stem):
        own.append(path.with_name(f"{checkpoint[1]}_vecnormalize_{checkpoint[2]}.pkl"))
    candidates = (*own, path.parent / env_name / "vecnormalize.pkl")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def weights_are_finite(model: BaseAlgorithm) -> bool:
    """Whether no weight of the policy is NaN or infinite."""
    parameters: Mapping[str, th.Tensor] = dict(model.policy.named_parameters())
    return all(bool(th.isfinite(weight).all()) for weight in parameters.values())
