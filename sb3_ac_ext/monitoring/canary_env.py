"""An evaluation environment like the training environment, built without touching it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec, WrapperSpec, load_env_creator
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    VecCheckNan,
    VecEnv,
    VecEnvWrapper,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
    VecTransposeImage,
)

from sb3_ac_ext.clip_reward import VecClipReward
from sb3_ac_ext.vec_envs.finite_guard import VecFiniteGuard
from sb3_ac_ext.wrappers import VecWorkerNormalizeReward


class CannotRebuild(ValueError):
    """The training environment holds something that its description cannot rebuild."""


def rebuild(env: VecEnv, n_envs: int) -> VecEnv:
    """A second environment with the same wrappers as the training environment, from its spec.

    A ``VecNormalize`` in it does not train and leaves rewards as they are; its statistics must be
    synchronised before each use.

    :param env: the training environment
    :param n_envs: number of evaluation workers
    :raises CannotRebuild: for environments without a registered spec, and for wrappers that cannot
    be
        built again from their arguments; the message says which
    """
    layers: list[VecEnvWrapper] = []
    base = env
    while isinstance(base, VecEnvWrapper):
        layers.append(base)
        base = base.venv
    spec, outer = _rebuildable_spec(base)
    try:
        rebuilt: VecEnv = DummyVecEnv([lambda: _make(spec, outer)] * n_envs)
    except Exception as error:
        raise CannotRebuild(f"gymnasium cannot make {spec.id} again: {error}") from None
    for layer in reversed(layers):
        rebuilt = _wrap_like(layer, rebuilt)
    if rebuilt.observation_space != env.observation_space:
        rebuilt.close()
        raise CannotRebuild("an environment rebuilt from the spec has another observation space")
    return rebuilt


def _make(spec: EnvSpec, outer: tuple[WrapperSpec, ...]) -> gym.Env[Any, Any]:
    """Monitor stands where it stands in training: below it lies what it counts."""
    env: Any = Monitor(gym.make(spec))
    for wrapper in outer:
        env = load_env_creator(wrapper.entry_point)(env=env, **(wrapper.kwargs or {}))
    return env  # type: ignore[no-any-return]


def _rebuildable_spec(base: VecEnv) -> tuple[EnvSpec, tuple[WrapperSpec, ...]]:
    """The spec up to Monitor, and the wrappers above it."""
    try:
        spec = base.get_attr("spec", 0)[0]
        inner = [type(e).__name__ for e in _chain(base)]
    except Exception as error:
        raise CannotRebuild(f"the training environment tells no spec: {error}") from None
    if spec is None:
        raise CannotRebuild("the training environment has no spec")
    known = {"Monitor", *(wrapper.name for wrapper in spec.additional_wrappers)}
    unknown = [name for name in inner if name not in known and name not in _MADE_BY_GYM]
    wrappers = [w for w in spec.additional_wrappers if w.name != "Monitor"]
    if unknown or any(wrapper.kwargs is None for wrapper in wrappers):
        names = unknown or [w.name for w in wrappers if w.kwargs is None]
        raise CannotRebuild(f"wrapper {names[0]} cannot be rebuilt from its arguments")
    learning = [w.name for w in wrappers if w.name in _NORMALISERS]
    if learning:
        raise CannotRebuild(f"{learning[0]} keeps running statistics that cannot be copied")
    names = [wrapper.name for wrapper in spec.additional_wrappers]
    below = names.index("Monitor") if "Monitor" in names else len(wrappers)
    rebuilt: EnvSpec = deepcopy(spec)
    rebuilt.additional_wrappers = tuple(wrappers[:below])
    rebuilt.kwargs.pop("render_mode", None)
    return rebuilt, tuple(wrappers[below:])


_NORMALISERS = ("NormalizeObservation", "NormalizeReward")


_MADE_BY_GYM = ("TimeLimit", "PatchedTimeLimit", "OrderEnforcing", "PassiveEnvChecker")


def _chain(base: VecEnv) -> list[gym.Env[Any, Any]]:
    """Gymnasium wrappers of the first worker, outermost first; empty for worker processes."""
    env = base.envs[0] if isinstance(base, DummyVecEnv) else None
    found: list[gym.Env[Any, Any]] = []
    while isinstance(env, gym.Wrapper):
        found.append(env)
        env = env.env
    return found


def _wrap_like(layer: VecEnvWrapper, env: VecEnv) -> VecEnv:
    if isinstance(layer, VecMonitor | VecCheckNan | VecClipReward | VecWorkerNormalizeReward):
        return env
    if isinstance(layer, VecFiniteGuard):
        return VecFiniteGuard(env, layer.on_nonfinite)
    if isinstance(layer, VecNormalize):
        return VecNormalize(
            env,
            training=False,
            norm_obs=layer.norm_obs,
            norm_reward=False,
            clip_obs=layer.clip_obs,
            gamma=layer.gamma,
            epsilon=layer.epsilon,
            norm_obs_keys=layer.norm_obs_keys,
        )
    if isinstance(layer, VecFrameStack):
        stack = layer.stacked_obs
        return VecFrameStack(env, stack.n_stack, getattr(stack, "channels_order", None))
    if isinstance(layer, VecTransposeImage):
        return VecTransposeImage(env)
    raise CannotRebuild(f"vectorised wrapper {type(layer).__name__} is not known")


def synchronise(train_env: VecEnv, canary_env: VecEnv) -> None:
    """Copy the training normaliser's statistics; the training environment is only read.

    Matches normalisers by order, whatever other wrappers stand between them."""
    sources, targets = normalisers(train_env), normalisers(canary_env)
    for source, target in zip(sources, targets, strict=False):
        target.training, target.norm_reward = False, False
        if source.norm_obs and target.norm_obs:
            target.obs_rms = _copied(source.obs_rms)


def _copied(statistics: Any) -> Any:
    if isinstance(statistics, dict):
        return {key: _copied(part) for key, part in statistics.items()}
    return statistics.copy()


def normalisers(env: VecEnv) -> list[VecNormalize]:
    """All of an environment's, the outermost first."""
    found = []
    while isinstance(env, VecEnvWrapper):
        if isinstance(env, VecNormalize):
            found.append(env)
        env = env.venv
    return found
