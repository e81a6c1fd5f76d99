"""On-policy updates by a compiled package, and which models have one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer

from sb3_ac_ext.algorithms.compiled.agreement import disagreement
from sb3_ac_ext.algorithms.compiled.compiler import Compilers
from sb3_ac_ext.algorithms.compiled.job import twin
from sb3_ac_ext.algorithms.compiled.observations import parts
from sb3_ac_ext.algorithms.compiled.optimizers import pure
from sb3_ac_ext.algorithms.compiled.package import load
from sb3_ac_ext.algorithms.compiled.products import products
from sb3_ac_ext.algorithms.compiled.rollout_step import FIELDS, RolloutJob
from sb3_ac_ext.algorithms.flat import FlatParameters, trained, trains_all
from sb3_ac_ext.algorithms.on_policy import Told, steps_otherwise


class RolloutUpdate:
    """Takes a model's optimizer steps by a package.

    :param model: that it steps
    :param job: that the package was made of
    :param package: file
    """

    def __init__(self, model: Any, job: RolloutJob, package: Path) -> None:
        self._model, self._job = model, job
        self._run = load(package)
        self._flat = self._gathered()
        self._names: tuple[str, ...] = ()
        self._taken = 0.0
        self._rate = 0.0
        self._coefs: tuple[float, ...] = ()
        self._rollout: list[th.Tensor] = []

    def _gathered(self) -> FlatParameters:
        return FlatParameters(self._model.policy.optimizer, self._job.rule.state)

    def begin(self, coefs: Mapping[str, Any]) -> None:
        """Take over where the model's parameters and its optimizer stand, with its next rollout.

        :param coefs: of the objective, for this update
        """
        self._take_over()
        given = {**coefs, "target_kl": self._model.target_kl}
        self._rate = float(self._model.policy.optimizer.param_groups[0]["lr"])
        self._coefs = tuple(float(given[name]) for name in self._job.coefs)
        self._rollout = self._flattened_rollout()

    def _take_over(self) -> None:
        if not self._flat.whole:
            self._flat = self._gathered()
        self._taken = self._flat.step

    def _hand_back(self) -> None:
        """Tell the optimizer how many steps it has taken."""
        self._flat.step = self._taken

    def finish(self) -> None:
        """The update is done; its rollout is kept no longer than the buffer keeps it."""
        self._hand_back()
        self._rollout = []

    def minibatches(self) -> Iterator[th.Tensor]:
        """Rows of each minibatch of an epoch, as ``RolloutBuffer.get`` draws them."""
        n = self._model.rollout_buffer.buffer_size * self._model.rollout_buffer.n_envs
        rows = th.from_numpy(np.random.permutation(n))  # noqa: NPY002
        yield from th.split(rows, self._model.batch_size or n)

    def learn_from(self, rows: th.Tensor, coefs: Mapping[str, Any]) -> tuple[Told, bool]:
        """As the model's ``learn_from``; a last, smaller minibatch is left to that.

        :param coefs: those that the update was begun with
        """
        if tuple(rows.shape) != self._job.inputs[-1][0]:
            self._hand_back()
            with self._model.fast_steps(self._model.policy.optimizer):
                eager: tuple[Told, bool] = self._model.learn_from(self._samples(rows), coefs)
            self._take_over()
            return eager
        told = Told(self._names, self._step(self._flat.vector, self._flat.state, rows))
        near = bool(self._model.near_enough(told))
        self._taken += near
        return told, near

    def error(self, coefs: Mapping[str, Any]) -> float:
        """How far a compiled step and an eager one lead from each other, see
        :func:`~.agreement.disagreement`. The model is as it was afterwards."""
        self.begin(coefs)
        rows = th.arange(self._job.inputs[-1][0][0])
        theirs = [self._flat.vector, *self._flat.state]
        before = [part.clone() for part in theirs]
        vector, *state = (part.clone() for part in theirs)
        try:
            self._step(vector, state, rows)
            with products(self._job.bf16):
                told, _ = self._model.learn_from(self._samples(rows), coefs)
            self._names = told.names
            parameters, *moments = zip((vector, *state), theirs, before, strict=True)
            return disagreement([parameters], moments)
        finally:
            for part, value in zip(theirs, before, strict=True):
                part.copy_(value)
            self._hand_back()

    def _samples(self, rows: th.Tensor) -> Any:
        return self._model.rollout_buffer._get_samples(rows.numpy())

    def _flattened_rollout(self) -> list[th.Tensor]:
        """Observations, actions and the other columns, a row per step of a worker."""
        buffer: Any = self._model.rollout_buffer
        if not buffer.generator_ready:
            flatten_rollout(buffer)
        columns = [getattr(buffer, name) for name in ("actions", *FIELDS)]
        observed = parts(self._model.observation_space, buffer.observations)
        return [th.from_numpy(array) for array in (*observed, *columns)]

    def _step(self, vector: th.Tensor, state: list[th.Tensor], rows: th.Tensor) -> th.Tensor:
        factors = self._job.rule.factors(self._taken + 1.0, self._rate)
        numbers = th.tensor((*factors, *self._coefs))
        return self._run([vector, *state, numbers, *self._rollout, rows])


def flatten_rollout(buffer: Any) -> None:
    """As the buffer's ``get()`` does before it draws the first batch."""
    flatten = buffer.swap_and_flatten
    if isinstance(buffer.observations, dict):
        buffer.observations = {key: flatten(part) for key, part in buffer.observations.items()}
    else:
        buffer.observations = flatten(buffer.observations)
    for name in ("actions", *FIELDS):
        setattr(buffer, name, flatten(getattr(buffer, name)))
    buffer.generator_ready = True


def refuses(model: Any) -> str | None:
    """Why an on-policy model's update cannot be compiled, ``None`` if it can."""
    policy, optimizer = model.policy, model.policy.optimizer
    if steps_otherwise(model):
        return f"{type(model).__name__} has an optimizer step of its own"
    if type(model.rollout_buffer) not in (RolloutBuffer, DictRolloutBuffer):
        return f"{type(model.rollout_buffer).__name__} is not one of SB3's"
    if pure(optimizer) is None:
        return f"{type(optimizer).__name__} with these settings has no compiled form"
    if not trains_all(policy, optimizer):
        return "the optimizer does not train the policy's parameters, all of them, alike"
    return None


def make_job(model: Any, coefs: Mapping[str, Any]) -> RolloutJob:
    """The step of a model, with inputs of the shapes that its rollouts have."""
    policy, buffer = model.policy, model.rollout_buffer
    rule = pure(policy.optimizer)
    assert rule is not None
    stops = model.target_kl is not None
    names = tuple(sorted([*coefs, *(["target_kl"] if stops else [])]))
    n = buffer.buffer_size * buffer.n_envs
    vector = ((sum(p.numel() for p in policy.parameters()),), th.float32)
    column = ((n, 1), th.float32)
    space = model.observation_space
    observed = [
        ((n, *leaf.shape), th.from_numpy(part[:0]).dtype)
        for leaf, part in zip(parts(space, space), parts(space, buffer.observations), strict=True)
    ]
    return RolloutJob(
        algorithm=type(model),
        reads={name: getattr(model, name) for name in model.objective_reads},
        bf16=model.bf16,
        policy=twin(policy),
        rule=rule,
        max_grad_norm=float(model.max_grad_norm),
        coefs=names,
        stops=stops,
        inputs=(
            *[vector] * (1 + len(rule.state)),
            ((len(rule.factors(1.0, 0.0)) + len(names),), th.float32),
            *observed,
            ((n, buffer.action_dim), th.from_numpy(buffer.actions[:0]).dtype),
            *[column] * len(FIELDS),
            ((min(n, model.batch_size or n),), th.int64),
        ),
    )


class RolloutCompiler:
    """Compiled updates of a model, for the settings that it has.

    :param model: PPO, A2C or another with an objective
    """

    def __init__(self, model: Any) -> None:
        self._compilers: Compilers[RolloutUpdate] = Compilers(model)

    def update(self, coefs: Mapping[str, Any]) -> RolloutUpdate | None:
        """What takes the steps of the next update, ``None`` while there is nothing.

        :param coefs: of the objective, now
        """
        model = self._compilers.model
        buffer = model.rollout_buffer
        reads = (getattr(model, name) for name in model.objective_reads)
        sizes = (buffer.buffer_size, buffer.n_envs, model.batch_size, model.max_grad_norm)
        optimizer = model.policy.optimizer
        kind = (
            *(tuple(coefs), model.target_kl is None, model.bf16, *sizes, *reads),
            *(id(optimizer), pure(optimizer), trained(optimizer)),
        )

        def make() -> tuple[RolloutJob, Callable[[Path], RolloutUpdate]]:
            job = make_job(model, coefs)
            return job, partial(RolloutUpdate, model, job)

        update = self._compilers.get(
            kind, lambda: refuses(model), make, lambda made: made.error(coefs)
        )
        if update is not None:
            update.begin(coefs)
        return update
