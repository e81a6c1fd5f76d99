"""Norms of the gradients before clipping, per network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_ac_ext.monitoring.signals.base import Reading, Signal
from sb3_ac_ext.monitoring.signals.networks import Group, parameter_groups
from sb3_ac_ext.monitoring.view import View

BINS = np.linspace(-6.0, 6.0, 49)
"""Edges of the histogram, in decades of the norm; norms beyond them count in the outermost bins."""

_HISTOGRAM_STEPS = 100
_PER_UPDATE = 8


class GradientSignal(Signal):
    """Euclidean norm of each network's gradient before clipping, sampled over the optimizer steps.

    Up to 8 steps of each observed update are measured: ``norm_mean`` and ``norm_max`` since the
    last snapshot, ``gradients/clipped_share``, and ``norm_histogram`` (counts over 48 bins of log10
    norm from 1e-6 to 1e6), written once at least 100 optimizer steps have passed since the
    previous one.

    Optimizer hooks see gradients after ``clip_grad_norm_``, which scales all of them by one
    factor. A witness parameter's gradient, copied when it is accumulated, tells this factor;
    dividing by it gives the norms before clipping. A step whose witness is zero is left out.
    ``gradients/steps_share``: optimizer steps over those that n_epochs and batch_size give, of all
    observed updates so far: below 1 where target_kl ends them early.
    """

    name = "gradients"

    def __init__(self) -> None:
        self._clear()
        self._histogram_steps = 0
        self._taken = self._due = 0
        self._histogram: dict[str, list[float]] = {}
        self._watches: list[_Watch] = []

    def _clear(self) -> None:
        self._norms: dict[str, list[float]] = {}
        self._clipped: list[bool] = []
        self._nonfinite = 0

    def attach(self, model: BaseAlgorithm) -> None:
        self._clear()
        self._taken = self._due = 0
        self._watches = [
            _Watch(optimizer, groups, model)
            for optimizer, groups in parameter_groups(model).items()
        ]

    def supports(self, model: BaseAlgorithm) -> str | None:
        return None if parameter_groups(model) else f"{type(model).__name__} has no optimizer"

    @contextmanager
    def around_update(self, model: BaseAlgorithm) -> Iterator[None]:
        stride = max(1, _steps_per_update(model) // _PER_UPDATE)
        try:
            for watch in self._watches:
                watch.hook(stride)
            yield
        finally:
            for watch in self._watches:
                watch.unhook()
                self._histogram_steps += watch.n_steps
                for measured in watch.drain():
                    self._add(*measured)
            self._taken += max((watch.n_steps for watch in self._watches), default=0)
            self._due += _steps_per_update(model)

    def _add(self, norms: dict[str, float], clipped: bool | None) -> None:
        if not all(np.isfinite(value) for value in norms.values()):
            self._nonfinite += 1
            return
        for net, value in norms.items():
            self._norms.setdefault(net, []).append(value)
            self._histogram.setdefault(net, []).append(value)
        if clipped is not None:
            self._clipped.append(clipped)

    def collect(self, view: View) -> Reading:
        reading = Reading()
        model: Any = view.model
        if self._due and getattr(model, "target_kl", None) and hasattr(model, "n_epochs"):
            reading.put(gradients__steps_share=self._taken / self._due)
        if not self._norms and not self._nonfinite:
            self._clear()
            return reading
        reading.put(gradients__nonfinite=self._nonfinite)
        for net, norms in self._norms.items():
            reading.values[f"gradients/{net}/norm_mean"] = float(np.mean(norms))
            reading.values[f"gradients/{net}/norm_max"] = float(np.max(norms))
        if self._clipped:
            reading.put(gradients__clipped_share=np.mean(self._clipped))
        if self._histogram_steps >= _HISTOGRAM_STEPS:
            for net, norms in self._histogram.items():
                decades = np.clip(np.log10(np.maximum(norms, 1e-12)), BINS[0], BINS[-1])
                counts, _ = np.histogram(decades, bins=BINS)
                reading.put_array(f"gradients/{net}/norm_histogram", counts)
            self._histogram_steps = 0
            self._histogram = {}
        self._clear()
        return reading

    def detach(self) -> None:
        for watch in self._watches:
            watch.unhook()
        self._watches = []


class _Watch:
    """Hooks on one optimizer, in place only while an update runs."""

    def __init__(self, optimizer: th.optim.Optimizer, groups: list[Group], model: Any) -> None:
        self._optimizer = optimizer
        self._groups = groups
        limit = getattr(model, "max_grad_norm", None)
        self._limit = float(limit) if limit else None
        parameters = [p for group in groups for p in group.parameters]
        weights = [p for p in parameters if p.dim() > 1]
        self._witness = (weights or parameters)[-1]
        self._handles: list[Any] = []
        self._copy: th.Tensor | None = None
        self._measured: list[tuple[th.Tensor, list[tuple[str, int]], bool]] = []
        self._stride = 1
        self.n_steps = 0

    def hook(self, stride: int) -> None:
        self.unhook()
        self._stride, self.n_steps = stride, 0
        self._handles = [self._optimizer.register_step_pre_hook(self._before_step)]
        if self._limit is not None:
            self._handles.append(
                self._witness.register_post_accumulate_grad_hook(self._after_backward)
            )

    def unhook(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self._copy = None

    def _sampled(self, step: int) -> bool:
        return step % self._stride == 0 and len(self._measured) < _PER_UPDATE

    def _after_backward(self, parameter: th.Tensor) -> None:
        if self._sampled(self.n_steps) and parameter.grad is not None:
            self._copy = parameter.grad.detach().clone()

    def _before_step(self, *_: Any) -> None:
        """Only device-side work here; numbers are read when the update is over."""
        self.n_steps += 1
        if not self._sampled(self.n_steps - 1):
            return
        grads, spans = [], []
        for group in self._groups:
            present = [p.grad for p in group.parameters if p.grad is not None]
            spans.append((group.net, len(present)))
            grads.extend(present)
        if not grads:
            return
        copy, clipped = self._copy, self._witness.grad
        pair = copy is not None and clipped is not None
        if copy is not None and clipped is not None:
            grads += [copy, clipped]
        self._copy = None
        self._measured.append((th.stack(th._foreach_norm(grads)), spans, pair))

    def drain(self) -> Iterator[tuple[dict[str, float], bool | None]]:
        """(norm before clipping per network, whether it was clipped) of each measured step."""
        for stacked, spans, pair in self._measured:
            each = stacked.cpu().numpy().astype(np.float64)
            squares = np.square(each)
            with np.errstate(divide="ignore", invalid="ignore"):
                factor = float(each[-1] / each[-2]) if pair else 1.0
            clipped = None if self._limit is None else factor < 0.999
            norms, start = {}, 0
            for net, n in spans:
                if n:
                    total = float(np.sqrt(squares[start : start + n].sum()))
                    norms[net] = total / factor if factor else float("nan")
                start += n
            known = pair or self._limit is None
            if known and (np.isfinite(factor) or not np.isfinite(squares).all()):
                yield norms, clipped
        self._measured = []


def _steps_per_update(model: Any) -> int:
    """Optimizer steps that one call of ``train()`` takes, as far as the constructor tells."""
    epochs, batch = getattr(model, "n_epochs", None), getattr(model, "batch_size", None)
    if epochs and batch and hasattr(model, "rollout_buffer"):
        return int(epochs * max(1, model.n_steps * model.n_envs // batch))
    return max(1, int(getattr(model, "gradient_steps", 1)))
