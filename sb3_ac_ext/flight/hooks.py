"""Hooks on batches, module outputs, gradients and parameters while an update runs again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch as th

from sb3_ac_ext.flight.data import RolloutData
from sb3_ac_ext.flight.rows import RolloutRows
from sb3_ac_ext.flight.sightings import BEFORE, Place, Sightings
from sb3_ac_ext.flight.state import Parts
from sb3_ac_ext.flight.tracing import traced_lines
from sb3_ac_ext.flight.update import Update

_CHAINED_FIELDS = ("advantages", "returns")
_TOLD = 3
"""Rows whose origin is told."""


class Watcher:
    """Everything that looks at one update; nothing it does changes a number.

    :param model: rebuilt, right before the update
    :param update: as it was recorded
    """

    def __init__(self, model: Any, update: Update) -> None:
        self._model = model
        self._parts = Parts(model)
        self._names = {id(tensor): _short(name) for name, tensor in self._parts.weights.items()}
        self._indices: Any = None
        self._rows: RolloutRows | None = None
        if isinstance(update.data, RolloutData) and _is_flattened_in_order(model.rollout_buffer):
            self._rows = RolloutRows(update.data)
        self.sightings = Sightings(self._explain)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Hooks and the tracing of lines are in place inside."""
        self._look_before()
        with ExitStack() as stack:
            for handle in self._handles():
                stack.callback(handle.remove)
            self._hook_batches()
            stack.enter_context(traced_lines(self._model, self.sightings))
            yield
        self._look_at_targets()

    def _look_before(self) -> None:
        for tensor in self._parts.weights.values():
            self.sightings.look(BEFORE, f"weights {self._name(tensor)}", tensor)
        for name, optimizer in self._parts.optimizers.items():
            for parameter, state in optimizer.state.items():
                for key, value in state.items():
                    label = f"{key} of {self._name(parameter)} in {_short(name)}"
                    self.sightings.look(BEFORE, label, value)

    def _look_at_targets(self) -> None:
        """What changes without an optimizer: target networks, running statistics."""
        trained = {id(p) for o in self._parts.optimizers.values() for p in _parameters(o)}
        for tensor in self._parts.weights.values():
            if id(tensor) not in trained:
                self.sightings.look("target update", f"weights {self._name(tensor)}", tensor)

    def _name(self, tensor: th.Tensor) -> str:
        return self._names.get(id(tensor), f"a tensor of shape {tuple(tensor.shape)}")

    def _handles(self) -> Iterator[Any]:
        for name, module in self._model.policy.named_modules():
            if not any(True for _ in module.children()):
                label = f"{name} ({type(module).__name__})"
                yield module.register_forward_hook(self._on_forward(label))
        for optimizer in self._parts.optimizers.values():
            yield optimizer.register_step_post_hook(self._after_step)
            for parameter in _parameters(optimizer):
                hook: Any = parameter.register_post_accumulate_grad_hook
                yield hook(self._after_backward)

    def _on_forward(self, label: str) -> Any:
        def hook(_: th.nn.Module, __: Any, output: Any) -> None:
            self.sightings.look("forward", label, output)

        return hook

    def _after_backward(self, parameter: th.Tensor) -> None:
        self.sightings.look("backward", f"gradient of {self._name(parameter)}", parameter.grad)

    def _after_step(self, optimizer: th.optim.Optimizer, *_: Any) -> None:
        for parameter in _parameters(optimizer):
            self.sightings.look("optimizer step", f"weights {self._name(parameter)}", parameter)

    # where in the update

    def _hook_batches(self) -> None:
        """The model is ours alone, so what is put on it stays there."""
        buffer = getattr(self._model, "rollout_buffer", None)
        if buffer is None:
            self._model.replay_buffer.sample = self._sampling(self._model.replay_buffer.sample)
            return
        buffer.get = self._counting(buffer.get)
        if hasattr(buffer, "_get_samples"):
            buffer._get_samples = self._picking(buffer._get_samples)

    def _sampling(self, sample: Any) -> Any:
        steps = iter(range(10**9))

        def hooked(*args: Any, **kwargs: Any) -> Any:
            step = next(steps)
            if step:
                self._look_at_targets()
            batch = sample(*args, **kwargs)
            self.sightings.place = Place(gradient_step=step)
            self._look_at_batch(batch)
            return batch

        return hooked

    def _counting(self, get: Any) -> Any:
        epochs = iter(range(10**9))

        def hooked(*args: Any, **kwargs: Any) -> Any:
            epoch = next(epochs)
            for minibatch, batch in enumerate(get(*args, **kwargs)):
                self.sightings.place = Place(epoch, minibatch)
                self._look_at_batch(batch)
                yield batch

        return hooked

    def _picking(self, get_samples: Any) -> Any:
        def hooked(indices: Any, *args: Any, **kwargs: Any) -> Any:
            self._indices = np.asarray(indices)
            return get_samples(indices, *args, **kwargs)

        return hooked

    def _look_at_batch(self, batch: Any) -> None:
        fields = dict(zip(batch._fields, batch, strict=True))
        self.sightings.batch = fields
        self.sightings.batch_size = len(fields["actions"])
        for name, value in fields.items():
            self.sightings.look("data", name, value)

    # where a row came from

    def _explain(self, name: str, rows: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """Rows with an entry of their own that is bad first, and a sentence for some of them."""
        if self._rows is None or self._indices is None:
            return rows, ("",) * len(rows[:_TOLD])
        chained = name in _CHAINED_FIELDS
        places = {row: self._rows.at(self._indices[row]) for row in rows}
        first = sorted(rows, key=lambda row: self._rows.own(*places[row]) is None)  # type: ignore[union-attr]
        told = []
        for row in first[:_TOLD]:
            step, worker = places[row]
            origin = (self._rows.origin if chained else self._rows.own)(step, worker)
            told.append(f"from {origin}" if origin else f"step {step} of worker {worker}")
        return tuple(first), tuple(told)


def _is_flattened_in_order(buffer: Any) -> bool:
    """Recurrent buffers pad their sequences, so that rows no longer tell the step."""
    return hasattr(buffer, "rewards") and not hasattr(buffer, "hidden_states_pi")


def _parameters(optimizer: th.optim.Optimizer) -> list[th.Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def _short(name: str) -> str:
    return name.removeprefix("policy.")
