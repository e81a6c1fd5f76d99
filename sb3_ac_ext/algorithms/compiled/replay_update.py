"""Off-policy gradient steps by compiled packages, and which models have them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch as th

from sb3_ac_ext.algorithms.compiled.agreement import disagreement
from sb3_ac_ext.algorithms.compiled.compiler import Compilers
from sb3_ac_ext.algorithms.compiled.job import Shape, twin
from sb3_ac_ext.algorithms.compiled.networks import (
    Networks,
    is_soft,
    optimizers_of,
    targets_of,
)
from sb3_ac_ext.algorithms.compiled.optimizers import pure
from sb3_ac_ext.algorithms.compiled.package import load
from sb3_ac_ext.algorithms.compiled.products import products
from sb3_ac_ext.algorithms.compiled.replay_step import LOG_ENT_COEF, ReplayJob, columns
from sb3_ac_ext.algorithms.sac import SAC
from sb3_ac_ext.algorithms.td3 import DelayedActor
from sb3_ac_ext.buffers import PrioritizedSamples

Terms = dict[str, th.Tensor]
RESTATED = (
    "gradient_step",
    "temperature_step",
    "smoothing_noise",
    "update_targets",
    "descend",
    "parts_of",
)
"""Methods that the compiled step does not call: a class with others of its own is left alone."""


def _shape(tensor: th.Tensor) -> Shape:
    return tuple(tensor.shape), tensor.dtype


class ReplayUpdate:
    """Takes a model's gradient steps by a package.

    :param model: that it steps
    :param networks: tells those of the model
    :param job: that the package was made of
    :param package: file
    """

    def __init__(
        self, model: Any, networks: Callable[[], Networks], job: ReplayJob, package: Path
    ) -> None:
        self._model, self._networks, self._job = model, networks, job
        self._run = load(package)
        self._names: list[str] = []

    def gradient_step(self, data: Any) -> Terms:
        """As the model's.

        :param data: batch of the size that was compiled for
        """
        model, networks = self._model, self._networks()
        inputs: list[th.Tensor] = []
        for name, flat in networks.trained.items():
            rate = float(networks.optimizers[name].param_groups[0]["lr"])
            factors = self._job.rules[name].factors(flat.step + 1.0, rate)
            inputs += [flat.vector, *flat.state, th.tensor(factors)]
        inputs += networks.targets.values()
        inputs.append(th.tensor(float(model.tau)))
        if self._job.soft and LOG_ENT_COEF not in networks.trained:
            inputs.append(model.ent_coef_tensor)
        inputs += [th.empty_like(data.actions).normal_() for _ in range(2 if self._job.soft else 1)]
        values = self._run([*inputs, *columns(model, data)])
        for name, flat in networks.trained.items():
            if name != "actor" or "actor" in self._job.parts:
                flat.step += 1.0
        return dict(zip(self._names, values, strict=True))

    def error(self, data: Any, step: int) -> float:
        """How far a compiled step and an eager one lead from each other, see
        :func:`~.agreement.disagreement`. Model and generator are as they were afterwards."""
        networks, seed = self._networks(), th.get_rng_state()
        parameters, moments = networks.parameters(), networks.moments()
        before = _copies(parameters), _copies(moments)
        counts = {name: flat.step for name, flat in networks.trained.items()}

        def restore() -> None:
            for parts, kept in zip((parameters, moments), before, strict=True):
                for part, value in zip(parts, kept, strict=True):
                    part.copy_(value)
            for name, flat in networks.trained.items():
                flat.step = counts[name]
            th.set_rng_state(seed)

        try:
            with products(self._job.bf16):
                self._names = sorted(self._model.gradient_step(data, step))
            eager = _copies(parameters), _copies(moments)
            restore()
            self.gradient_step(data)
            return disagreement(
                zip(parameters, eager[0], before[0], strict=True),
                zip(moments, eager[1], before[1], strict=True),
            )
        finally:
            restore()


def _copies(tensors: list[th.Tensor]) -> list[th.Tensor]:
    return [tensor.clone() for tensor in tensors]


class ReplayCompiler:
    """Compiled gradient steps of a model: one package for each kind of step that it takes.

    :param model: SAC, TD3 or DDPG
    """

    def __init__(self, model: Any) -> None:
        self._compilers: Compilers[ReplayUpdate] = Compilers(model)
        self._networks: Networks | None = None

    def step(self, data: Any, step: int) -> Callable[[Any], Terms] | None:
        """What takes a gradient step, ``None`` while there is nothing.

        :param data: its batch
        :param step: of this call of ``train()``, from 0
        """
        model = self._compilers.model
        parts = model.parts_of(step)
        reads = (getattr(model, name) for name in model.losses_read)
        kind = (parts, data.rewards.shape, type(data), model.max_grad_norm, model.bf16, *reads)

        def make() -> tuple[ReplayJob, Callable[[Path], ReplayUpdate]]:
            networks = self._gathered(model)
            job = make_job(model, networks, parts, data)
            return job, lambda package: ReplayUpdate(
                model, lambda: self._gathered(model), job, package
            )

        update = self._compilers.get(
            kind, lambda: refuses(model, data), make, lambda made: made.error(data, step)
        )
        return None if update is None else update.gradient_step

    def _gathered(self, model: Any) -> Networks:
        """The networks as they are now, which somebody may have put other tensors into."""
        if self._networks is None or not self._networks.whole:
            self._networks = Networks(model)
        return self._networks


def refuses(model: Any, data: Any) -> str | None:
    """Why an off-policy model's gradient steps cannot be compiled, ``None`` if they can.

    :param data: a batch
    """
    base = next((cls for cls in (SAC, DelayedActor) if isinstance(model, cls)), None)
    own = [
        name
        for name in RESTATED
        if getattr(type(model), name, None) is not getattr(base, name, None)
    ]
    if base is None or own:
        return f"{type(model).__name__} has a gradient step of its own"
    if isinstance(data, PrioritizedSamples):
        return "batches of prioritized replay are weighted, and tell their errors"
    if model.use_sde or model.critic_subset is not None or "batch_size" in model.schedules:
        return "use_sde, critic_subset and schedules of batch_size are for eager steps"
    return _optimizers_refuse(model)


def _optimizers_refuse(model: Any) -> str | None:
    optimizers = optimizers_of(model)
    odd = [type(optimizer) for optimizer in optimizers.values() if pure(optimizer) is None]
    if odd:
        return f"{odd[0].__name__} with these settings has no compiled form"
    seen: set[int] = set()
    for name, optimizer in optimizers.items():
        trained = [id(p) for group in optimizer.param_groups for p in group["params"]]
        own = (
            trained if name == LOG_ENT_COEF else [id(p) for p in getattr(model, name).parameters()]
        )
        if trained != own or seen.intersection(own):
            return f"the optimizer of the {name} does not train exactly parameters of its own"
        seen.update(own)
    return None


def make_job(model: Any, networks: Networks, parts: tuple[str, ...], data: Any) -> ReplayJob:
    """A step of a model.

    :param networks: of the model
    :param parts: of the step
    :param data: a batch, for its shapes
    """
    soft = is_soft(model)
    scalar = ((), th.float32)
    inputs = []
    for name, flat in networks.trained.items():
        factors = networks.rules[name].factors(1.0, 0.0)
        inputs += [*[_shape(flat.vector)] * (1 + len(flat.state)), ((len(factors),), th.float32)]
    inputs += map(_shape, networks.targets.values())
    inputs.append(scalar)
    if soft and LOG_ENT_COEF not in networks.rules:
        inputs.append(_shape(model.ent_coef_tensor))
    inputs += [_shape(data.actions)] * (2 if soft else 1)
    inputs += map(_shape, columns(model, data))
    return ReplayJob(
        algorithm=type(model),
        reads={name: getattr(model, name) for name in model.losses_read},
        bf16=model.bf16,
        policy=twin(model.policy),
        inputs=tuple(inputs),
        rules=networks.rules,
        targets=targets_of(model),
        soft=soft,
        parts=parts,
        max_grad_norm=model.max_grad_norm,
    )
