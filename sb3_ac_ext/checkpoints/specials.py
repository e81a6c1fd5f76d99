"""Classes whose state is not what their attributes hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch as th
from gymnasium import Space, spaces
from stable_baselines3.common.buffers import BaseBuffer, RolloutBuffer
from stable_baselines3.common.logger import Logger

from sb3_ac_ext.checkpoints.codec import copied
from sb3_ac_ext.checkpoints.generators import generator_state, set_generator
from sb3_ac_ext.checkpoints.graph import Capture, Restore, Special


class SpaceGenerator:
    """A space draws from a generator of its own, which exists once it was seeded or asked."""

    def handles(self, value: Any) -> bool:
        return isinstance(value, Space)

    def capture(self, value: Space[Any], capture: Capture, path: str) -> Any:
        return [
            None if part._np_random is None else generator_state(part._np_random)
            for part in _parts(value)
        ]

    def restore(self, content: Any, value: Space[Any], restore: Restore, path: str) -> None:
        parts = _parts(value)
        if len(parts) != len(content):
            restore.misfits.append(path)
            return
        for part, state in zip(parts, content, strict=True):
            part._np_random = None if state is None else set_generator(state, part._np_random)  # type: ignore[assignment]


def _parts(space: Space[Any]) -> list[Space[Any]]:
    inner: list[Space[Any]] = []
    if isinstance(space, spaces.Dict):
        inner = list(space.spaces.values())
    elif isinstance(space, spaces.Tuple):
        inner = list(space.spaces)
    return [space, *(part for child in inner for part in _parts(child))]


class Network:
    """Weights and buffers by name, modes, and what else a policy holds, such as gSDE's noise."""

    # weights, which are read by name, and hooks, which belong to whoever attached them
    _INNER = frozenset(vars(th.nn.Module()))

    def handles(self, value: Any) -> bool:
        return isinstance(value, th.nn.Module)

    def capture(self, value: th.nn.Module, capture: Capture, path: str) -> Any:
        for module in value.modules():  # SAC holds its actor as such, too
            capture.leave_out(module)
        return {
            "weights": copied(dict(value.state_dict())),
            "training": {name: module.training for name, module in value.named_modules()},
            "rest": {
                name: capture.attributes(module, f"{path}.{name}", self._INNER)
                for name, module in value.named_modules()
            },
        }

    def restore(self, content: Any, value: th.nn.Module, restore: Restore, path: str) -> None:
        present = value.state_dict()
        for name in sorted(set(present) ^ set(content["weights"])):
            raise ValueError(f"the weights {path}.{name} are in only one of bundle and model")
        with th.no_grad():
            for name, tensor in content["weights"].items():
                if tensor.shape != present[name].shape:
                    raise ValueError(
                        f"the weights {path}.{name} are {tuple(tensor.shape)} in the bundle "
                        f"and {tuple(present[name].shape)} in the model"
                    )
                present[name].copy_(tensor)
        modules = dict(value.named_modules())
        for name, training in content["training"].items():
            modules[name].training = training
            restore.attributes(content["rest"][name], modules[name], f"{path}.{name}")


class OptimizerState:
    """Moments and settings, as ``state_dict()`` tells them."""

    def handles(self, value: Any) -> bool:
        return isinstance(value, th.optim.Optimizer)

    def capture(self, value: th.optim.Optimizer, capture: Capture, path: str) -> Any:
        return copied(value.state_dict())

    def restore(self, content: Any, value: th.optim.Optimizer, restore: Restore, path: str) -> None:
        owners = [(p, group) for group in value.param_groups for p in group["params"]]
        parameters = [parameter for parameter, _ in owners]
        for index, saved in content["state"].items():
            state = value.state[parameters[index]]
            for key, new in saved.items():
                old = state.get(key)
                if isinstance(old, th.Tensor) and old.shape == new.shape:
                    old.copy_(new)  # whoever holds it, such as a compiled update, keeps it
                else:
                    state[key] = _placed(new, *owners[int(index)])
        for index in set(range(len(parameters))) - set(content["state"]):
            value.state.pop(parameters[index], None)
        for group, saved in zip(value.param_groups, content["param_groups"], strict=True):
            group.update({k: copied(v) for k, v in saved.items() if k != "params"})


def _placed(new: Any, parameter: th.Tensor, group: dict[str, Any]) -> Any:
    """Beside the weights; Adam's count of steps is there only where a GPU reads it itself."""
    if not isinstance(new, th.Tensor):
        return new
    beside = new.dim() or group.get("fused") or group.get("capturable")
    return new.to(parameter.device, copy=True) if beside else new.clone()


class LoggedValues:
    """What was recorded and not yet written."""

    _NAMES = ("name_to_value", "name_to_count", "name_to_excluded")

    def handles(self, value: Any) -> bool:
        return isinstance(value, Logger)

    def capture(self, value: Logger, capture: Capture, path: str) -> Any:
        return {name: capture.node(getattr(value, name), f"{path}.{name}") for name in self._NAMES}

    def restore(self, content: Any, value: Logger, restore: Restore, path: str) -> None:
        restore.attributes(content, value, path)


class EmptyRollout:
    """Between an update and the next rollout, nothing in a rollout buffer is needed."""

    def handles(self, value: Any) -> bool:
        return isinstance(value, RolloutBuffer)

    def capture(self, value: RolloutBuffer, capture: Capture, path: str) -> Any:
        return None

    def restore(self, content: Any, value: Any, restore: Restore, path: str) -> None:
        pass


ROWS = (
    "observations",
    "next_observations",
    "actions",
    "rewards",
    "dones",
    "timeouts",
    "infos",
)
"""What a replay buffer writes once per step, and kept apart: see :mod:`.rows`."""


class ReplayPosition:
    """All of a replay buffer except its rows."""

    def handles(self, value: Any) -> bool:
        return isinstance(value, BaseBuffer)

    def capture(self, value: BaseBuffer, capture: Capture, path: str) -> Any:
        return capture.attributes(value, path, frozenset(ROWS))

    def restore(self, content: Any, value: BaseBuffer, restore: Restore, path: str) -> None:
        restore.attributes(content, value, path)


class MujocoData:
    """Every array of MuJoCo's ``mjData`` and its time.

    Arrays whose size follows the contacts are left out: a step computes them anew.
    """

    def handles(self, value: Any) -> bool:
        return type(value).__name__ == "MjData" and type(value).__module__.startswith("mujoco")

    def capture(self, value: Any, capture: Capture, path: str) -> Any:
        return {"time": value.time, "arrays": {k: np.array(v) for k, v in _arrays(value).items()}}

    def restore(self, content: Any, value: Any, restore: Restore, path: str) -> None:
        value.time = content["time"]
        present = _arrays(value)
        for name, array in content["arrays"].items():
            if name in present and present[name].shape == array.shape:
                present[name][...] = array


def _arrays(data: Any) -> dict[str, Any]:
    names = (name for name in dir(data) if not name.startswith(("_", "efc_", "iefc_")))
    found = {name: getattr(data, name) for name in names}
    return {name: part for name, part in found.items() if isinstance(part, np.ndarray)}


class MujocoModel:
    """What an environment may have changed in MuJoCo's ``mjModel`` is not followed."""

    def handles(self, value: Any) -> bool:
        return type(value).__name__ == "MjModel" and type(value).__module__.startswith("mujoco")

    def capture(self, value: Any, capture: Capture, path: str) -> Any:
        return None

    def restore(self, content: Any, value: Any, restore: Restore, path: str) -> None:
        pass


SPECIALS: dict[str, Special] = {
    "space": SpaceGenerator(),
    "network": Network(),
    "optimizer": OptimizerState(),
    "logged": LoggedValues(),
    "rollout": EmptyRollout(),
    "replay": ReplayPosition(),
    "mujoco_data": MujocoData(),
    "mujoco_model": MujocoModel(),
}
