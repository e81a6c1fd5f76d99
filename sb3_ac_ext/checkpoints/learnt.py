"""What learning changes of a model, read and put back while training goes on."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch as th
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecEnvWrapper, VecNormalize

from sb3_ac_ext.checkpoints.graph import Capture, Node, Restore, Special
from sb3_ac_ext.checkpoints.specials import SPECIALS
from sb3_ac_ext.checkpoints.state import State
from sb3_ac_ext.wrappers.worker_rewards import WorkerRewards

_NETWORKS = (th.nn.Module, th.optim.Optimizer)


class Untouched:
    """Generators of spaces go on where they are."""

    def handles(self, value: Any) -> bool:
        return True

    def capture(self, value: Any, capture: Capture, path: str) -> Any:
        return None

    def restore(self, content: Any, value: Any, restore: Restore, path: str) -> None:
        pass


RESTORED: dict[str, Special] = {**SPECIALS, "space": Untouched()}


def capture_learnt(model: Any) -> State:
    """The part of :func:`~sb3_ac_ext.checkpoints.state.capture` that :func:`restore_learnt` reads.

    :param model: an SB3 algorithm between two updates
    :return: plain and independent of the model; the rows of a replay buffer are not part of it
    """
    reader = Capture(SPECIALS, text=False)
    env = model.get_env()
    for known in (model, env):
        reader.leave_out(known)
    named = {name: inspect.unwrap(value) for name, value in _learnt(model).items()}
    return {
        "env": _wrappers(env, reader),
        "model": {name: reader.node(value, f"model.{name}") for name, value in named.items()},
    }


def restore_learnt(model: Any, state: State) -> None:
    """Weights, target networks, optimizers, what else is learnt, the state of schedules, and the
    statistics of normalisers, whose running returns go back with them.

    Environments, counters, random generators and settings stay; so does the replay buffer, see
    :mod:`.forgetting`. All is written in place, so that whoever holds a network keeps it.

    :param model: from which the state was captured, or an equal one
    :param state: from :func:`capture_learnt`, or a bundle's
    :raises ValueError: if it is of another make
    """
    restore = Restore(RESTORED)
    for name, value in _learnt(model).items():
        node = state["model"].get(name, {"skipped": None})
        if _is_schedule(value):
            # what an action put around it meanwhile, it keeps
            Restore(RESTORED).put(node, inspect.unwrap(value), name)
        elif not isinstance(value, ReplayBuffer):
            restore.put(node, value, f"model.{name}")
    env, node = model.get_env(), state["env"]
    while isinstance(env, VecEnvWrapper):
        content = (node or {}).get("object", {})
        _put_statistics(env, content, restore)
        env, node = env.venv, content.get("venv")
    if restore.misfits:
        raise ValueError(f"the checkpoint does not fit the model: {', '.join(restore.misfits)}")


def normalise_anew(model: Any) -> None:
    """Let the policy act next on what the present statistics make of the newest observation."""
    env = model.get_env()
    if isinstance(env, VecNormalize) and env.norm_obs and model._last_obs is not None:
        model._last_obs = env.normalize_obs(env.get_original_obs())


def _learnt(model: Any) -> dict[str, Any]:
    """Attributes that change with learning, by name."""
    tensors = set(model._get_torch_save_params()[1])
    return {
        name: value
        for name, value in vars(model).items()
        if isinstance(value, (*_NETWORKS, ReplayBuffer))
        # a fixed ent_coef is a setting, which an action may have changed on purpose
        or (name in tensors and isinstance(value, th.Tensor) and value.requires_grad)
        or _is_schedule(value)
    }


def _is_schedule(value: Any) -> bool:
    return callable(value) and not isinstance(value, (*_NETWORKS, type))


def _wrappers(env: Any, reader: Capture) -> Node:
    if not isinstance(env, VecEnvWrapper):
        return {"skipped": None}
    nodes = {name: reader.node(vars(env)[name], name) for name in _statistics(env)}
    return {"object": {**nodes, "venv": _wrappers(env.venv, reader)}}


def _put_statistics(holder: Any, nodes: Mapping[str, Any], restore: Restore) -> None:
    own = vars(holder)
    for name in _statistics(holder):
        if name not in nodes:
            continue
        if isinstance(own[name], WorkerRewards):  # whose settings stay
            _put_statistics(own[name], nodes[name]["object"], restore)
        else:
            own[name] = restore.put(nodes[name], own[name], f"env.{name}")


def _statistics(holder: Any) -> list[str]:
    """Attributes that hold running statistics, and the returns that these are of."""
    own = vars(holder)
    found = [name for name, value in own.items() if _is_running(value)]
    return [*found, *(name for name in ("returns", "_count") if found and name in own)]


def _is_running(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value) and all(isinstance(part, RunningMeanStd) for part in value.values())
    return isinstance(value, RunningMeanStd | WorkerRewards)
