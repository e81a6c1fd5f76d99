"""The facts about a run that no series holds, read from the model."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from sb3_ac_ext.constructors import settings_of
from sb3_ac_ext.monitoring.records import RunInfo

_NO_HYPERPARAMETER = ("policy", "env", "tensorboard_log", "verbose", "seed", "device")


def describe(model: BaseAlgorithm, not_observed: Mapping[str, str]) -> RunInfo:
    """
    :param not_observed: signal name -> why it does not apply
    """
    space = model.action_space
    env_id, max_steps, threshold = environment_facts(model)
    return RunInfo(
        algo=type(model).__name__,
        family=_family(model),
        env_id=env_id,
        n_envs=model.n_envs,
        seed=model.seed,
        total_timesteps=int(model._total_timesteps),
        gamma=getattr(model, "gamma", None),
        action_kind="continuous" if isinstance(space, spaces.Box) else "discrete",
        n_actions=int(space.n) if isinstance(space, spaces.Discrete) else None,
        action_size=int(np.prod(space.shape)) if isinstance(space, spaces.Box) else None,
        max_episode_steps=max_steps,
        reward_threshold=threshold,
        hyperparameters=hyperparameters(model),
        versions=versions(),
        not_observed=dict(not_observed),
    )


def _family(model: BaseAlgorithm) -> str | None:
    if isinstance(model, OnPolicyAlgorithm):
        return "on-policy"
    return "off-policy" if isinstance(model, OffPolicyAlgorithm) else None


def environment_facts(model: BaseAlgorithm) -> tuple[str | None, int | None, float | None]:
    """Id, maximal steps per episode and reward threshold, as far as the spec tells."""
    env = model.get_env()
    try:
        spec = env.get_attr("spec", 0)[0] if env is not None else None
    except Exception:  # a custom VecEnv may know no attributes, a worker's spec may not pickle
        return None, None, None
    if spec is None:
        return None, None, None
    return spec.id, spec.max_episode_steps, spec.reward_threshold


def hyperparameters(model: BaseAlgorithm) -> dict[str, Any]:
    """The constructor arguments that the model kept, as scalars or short strings."""
    found: dict[str, Any] = {}
    for name in settings_of(type(model)):
        if name in _NO_HYPERPARAMETER or not hasattr(model, name):
            continue
        found[name] = _plain(getattr(model, name))
    sigma = getattr(getattr(model, "action_noise", None), "_sigma", None)
    if sigma is not None:
        found["action_noise_sigma"] = float(np.mean(sigma))
    found["optimizer_class"] = getattr(model.policy, "optimizer_class", type(None)).__name__
    return found


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return value.__name__ if isinstance(value, type) else str(value)[:200]


def versions() -> dict[str, str]:
    """Versions of what decides the outcome of a run."""
    from importlib.metadata import PackageNotFoundError, version

    found = {
        "python": platform.python_version(),
        "platform": f"{platform.system()}-{platform.machine()}",
    }
    for name in ("sb3-ac-ext", "stable-baselines3", "sb3-contrib", "torch", "gymnasium", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
