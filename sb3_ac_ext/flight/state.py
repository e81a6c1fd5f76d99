"""Weights and optimizer states of a model: copied, compared, written down and put back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt
import torch as th

from sb3_ac_ext.flight.arrays import Arrays

Tensors = dict[str, th.Tensor]


class Parts:
    """Where a model keeps what an update changes: the same objects that ``save()`` looks at.

    :param model: an SB3 algorithm
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        modules, self._variables = model._get_torch_save_params()
        found = {name: attrgetter(name)(model) for name in modules}
        self._modules = {k: v for k, v in found.items() if isinstance(v, th.nn.Module)}
        self._optimizers = [k for k, v in found.items() if isinstance(v, th.optim.Optimizer)]
        self._fixed = _once(
            {
                f"{name}.{key}": tensor
                for name, module in self._modules.items()
                for key, tensor in module.state_dict(keep_vars=True).items()
            }
        )

    @property
    def complete(self) -> bool:
        """Whether the modules are still those that were looked at."""
        return all(attrgetter(name)(self._model) is m for name, m in self._modules.items())

    @property
    def weights(self) -> Tensors:
        """The live parameters, buffers and variables by name."""
        return {**self._fixed, **{name: attrgetter(name)(self._model) for name in self._variables}}

    @property
    def optimizers(self) -> dict[str, th.optim.Optimizer]:
        return {name: attrgetter(name)(self._model) for name in self._optimizers}


@dataclass
class State:
    """A copy of everything that an update changes, on the model's device.

    :param weights: by name
    :param moments: tensors of the optimizers' states, by optimizer, parameter and key
    :param scalars: the optimizers' states that are no tensors, and their groups' settings
    """

    weights: Tensors
    moments: Tensors
    scalars: dict[str, Any]

    @classmethod
    def take(cls, parts: Parts, reuse: State | None = None) -> State:
        """
        :param reuse: an old copy of the same shape, whose memory is used again
        """
        moments: Tensors = {}
        scalars: dict[str, Any] = {}
        for name, optimizer in parts.optimizers.items():
            for index, values in enumerate(_parameter_states(optimizer)):
                for key, value in values.items():
                    kept = moments if isinstance(value, th.Tensor) else scalars
                    kept[f"{name}|{index}|{key}"] = value
            for index, group in enumerate(optimizer.param_groups):
                scalars[f"{name}|group|{index}"] = {k: v for k, v in group.items() if k != "params"}
        with th.no_grad():
            return cls(
                _copied(parts.weights, None if reuse is None else reuse.weights),
                _copied(moments, None if reuse is None else reuse.moments),
                scalars,
            )

    def apply(self, parts: Parts) -> None:
        """Write everything back into a model of the same make.

        :raises ValueError: if it is of another make
        """
        live = parts.weights
        if {k: v.shape for k, v in live.items()} != {k: v.shape for k, v in self.weights.items()}:
            raise ValueError("the recorded weights do not fit the rebuilt networks")
        with th.no_grad():
            for name, tensor in live.items():
                tensor.copy_(self.weights[name])
        for name, optimizer in parts.optimizers.items():
            self._apply_optimizer(name, optimizer)

    def _apply_optimizer(self, name: str, optimizer: th.optim.Optimizer) -> None:
        for index, group in enumerate(optimizer.param_groups):
            group.update(self.scalars[f"{name}|group|{index}"])
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        optimizer.state.clear()
        for key, value in {**self.moments, **self.scalars}.items():
            owner, at, entry = key.split("|")
            if owner == name and at != "group":
                parameter = parameters[int(at)]
                optimizer.state[parameter][entry] = _moved(value, parameter.device)

    def to_json(self, arrays: Arrays) -> dict[str, Any]:
        from sb3_ac_ext.flight.values import encode_value

        return {
            "weights": {name: arrays.put(tensor) for name, tensor in self.weights.items()},
            "moments": {name: arrays.put(tensor) for name, tensor in self.moments.items()},
            "scalars": encode_value(self.scalars),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], arrays: Arrays) -> State:
        from sb3_ac_ext.flight.values import decode_value

        def tensors(indices: Mapping[str, int]) -> Tensors:
            return {name: th.from_numpy(arrays[i].copy()) for name, i in indices.items()}

        return cls(
            tensors(data["weights"]), tensors(data["moments"]), decode_value(data["scalars"])
        )


def _once(tensors: Tensors) -> Tensors:
    """Networks that share a part name its tensors several times."""
    seen: set[int] = set()
    return {
        name: tensor
        for name, tensor in tensors.items()
        if not (id(tensor) in seen or seen.add(id(tensor)))  # type: ignore[func-returns-value]
    }


def _parameter_states(optimizer: th.optim.Optimizer) -> list[Mapping[str, Any]]:
    state = optimizer.state
    return [state.get(p, {}) for group in optimizer.param_groups for p in group["params"]]


def _moved(value: Any, device: th.device) -> Any:
    """A copy beside the weights; Adam's step count stays on the CPU wherever these are."""
    if not isinstance(value, th.Tensor):
        return value
    return value.to(device, copy=True) if value.dim() else value.clone()


def _copied(live: Tensors, old: Tensors | None) -> Tensors:
    if old is not None and list(old) == list(live):
        th._foreach_copy_(list(old.values()), list(live.values()))
        return old
    return {name: tensor.detach().clone() for name, tensor in live.items()}


def norms(tensors: Tensors) -> npt.NDArray[np.float64]:
    """Euclidean norm of each floating-point tensor, in order."""
    floating = [tensor for tensor in tensors.values() if tensor.is_floating_point()]
    if not floating:
        return np.zeros(0)
    with th.no_grad():
        return th.stack(th._foreach_norm(floating)).cpu().double().numpy()


def weights_hash(weights: Tensors) -> str:
    """SHA-256 over names and values; every NaN counts as the same."""
    digest = hashlib.sha256()
    for name, tensor in weights.items():
        array = tensor.detach().cpu().numpy()
        if array.dtype.kind == "f" and np.isnan(array).any():
            array = np.where(np.isnan(array), array.dtype.type(np.nan), array)
        digest.update(name.encode() + b"\0" + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
