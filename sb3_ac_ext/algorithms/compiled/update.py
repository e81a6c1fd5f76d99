"""On-policy updates by a compiled package: as soon as there is one, and only if it agrees."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch as th

from sb3_ac_ext.algorithms.compiled import cache
from sb3_ac_ext.algorithms.compiled.background import Build
from sb3_ac_ext.algorithms.compiled.flat import FlatParameters
from sb3_ac_ext.algorithms.compiled.job import make_job, refuses
from sb3_ac_ext.algorithms.compiled.step import FIELDS, Job

TOLERANCE = 1e-4
"""Most that a step may differ from an eager one, over the length of that."""

Terms = dict[str, th.Tensor]


class CompiledUpdate:
    """Takes a model's optimizer steps by a package.

    :param model: that it steps
    :param job: that the package was made of
    :param package: file
    """

    def __init__(self, model: Any, job: Job, package: Path) -> None:
        self._model, self._job = model, job
        self._run = th._inductor.aoti_load_package(str(package))
        self._flat = FlatParameters(model.policy.optimizer, job.rule.state)
        self._names: list[str] = []
        self._taken = 0.0

    def begin(self) -> bool:
        """Whether the model's parameters are still those that the package changes."""
        self._taken = self._flat.step
        return self._flat.whole

    def finish(self) -> None:
        """Tell the optimizer how many steps it has taken."""
        self._flat.step = self._taken

    def minibatches(self) -> Iterator[th.Tensor]:
        """Rows of each minibatch of an epoch, as ``RolloutBuffer.get`` draws them."""
        self._flatten_rollout()
        n = self._model.rollout_buffer.buffer_size * self._model.rollout_buffer.n_envs
        rows = th.from_numpy(np.random.permutation(n))  # noqa: NPY002
        yield from th.split(rows, self._model.batch_size or n)

    def learn_from(self, rows: th.Tensor, coefs: Mapping[str, Any]) -> tuple[Terms, bool]:
        """As the model's ``learn_from``; a last, smaller minibatch is left to that."""
        if tuple(rows.shape) != self._job.inputs[-1][0]:
            self.finish()
            eager: tuple[Terms, bool] = self._model.learn_from(self._samples(rows), coefs)
            self.begin()
            return eager
        values = self._step(self._flat.vector, self._flat.state, rows, coefs)
        terms = dict(zip(self._names, values, strict=True))
        near = self._model.near_enough(terms)
        self._taken += near
        return terms, near

    def error(self, coefs: Mapping[str, Any]) -> float:
        """Distance between where a compiled step and an eager one lead from the same state, over
        the length of the eager one. The model is as it was afterwards."""
        self._flatten_rollout()
        rows = th.arange(self._job.inputs[-1][0][0])
        kept = [part.clone() for part in (self._flat.vector, *self._flat.state)]
        vector, *state = (part.clone() for part in kept)
        self.begin()
        self._step(vector, state, rows, coefs)
        terms, _ = self._model.learn_from(self._samples(rows), coefs)
        self._names = list(terms)
        length = float((self._flat.vector - kept[0]).norm())
        off = float((self._flat.vector - vector).norm())
        for part, before in zip((self._flat.vector, *self._flat.state), kept, strict=True):
            part.copy_(before)
        self.finish()
        return off / max(length, 1e-12)

    def _samples(self, rows: th.Tensor) -> Any:
        return self._model.rollout_buffer._get_samples(rows.numpy())

    def _flatten_rollout(self) -> None:
        buffer = self._model.rollout_buffer
        if not buffer.generator_ready:
            for name in ("observations", "actions", *FIELDS):
                setattr(buffer, name, buffer.swap_and_flatten(getattr(buffer, name)))
            buffer.generator_ready = True

    def _step(
        self, vector: th.Tensor, state: list[th.Tensor], rows: th.Tensor, coefs: Mapping[str, Any]
    ) -> th.Tensor:
        model = self._model
        buffer = model.rollout_buffer
        given = {**coefs, "target_kl": model.target_kl}
        rate = model.policy.optimizer.param_groups[0]["lr"]
        scalars = (self._taken + 1.0, rate, *(given[name] for name in self._job.coefs))
        arrays = (buffer.observations, buffer.actions, *(getattr(buffer, n) for n in FIELDS))
        terms: th.Tensor = self._run(
            vector,
            *state,
            *(th.tensor(float(value)) for value in scalars),
            *map(th.from_numpy, arrays),
            rows,
        )
        return terms


class Compiler:
    """Gets a model's package from the cache, or has it built while training goes on.

    :param model: that is to be compiled
    :param wait: whether the first update waits for the package
    """

    def __init__(self, model: Any, wait: bool) -> None:
        self._model, self._wait = model, wait
        self._build: Build | None = None
        self._job: Job | None = None
        self._package = Path()
        self._update: CompiledUpdate | None = None
        self.given_up = False
        reason = refuses(model)
        if reason is not None:
            self.give_up(reason)

    def update(self, coefs: Mapping[str, Any]) -> CompiledUpdate | None:
        """What steps the model's next update, ``None`` while there is nothing."""
        if self.given_up:
            return None
        if self._update is None:
            self._update = self._made(coefs)
        if self._update is None:
            return None
        if not self._update.begin():
            self.give_up("somebody has put other tensors into the policy's parameters")
            return None
        return self._update

    def _made(self, coefs: Mapping[str, Any]) -> CompiledUpdate | None:
        if self._job is None:
            self._job = make_job(self._model, coefs)
            self._package = cache.package_of(self._job)
            if not self._package.exists():
                self._build = Build(self._job, self._package)
        if self._build is not None and not self._built(self._build):
            return None
        try:
            update = CompiledUpdate(self._model, self._job, self._package)
        except Exception as error:  # a package that was cut short, or of another machine
            self._package.unlink(missing_ok=True)
            self.give_up(f"{self._package} cannot be loaded: {error}")
            return None
        off = update.error(coefs)
        if not off <= TOLERANCE:
            self.give_up(f"a compiled step differs from an eager one by {off:.1g} of its length")
            return None
        return update

    def _built(self, build: Build) -> bool:
        if self._wait:
            build.wait()
        if not build.done:
            return False
        error = build.error()
        build.close()
        if error is not None:
            self.give_up(f"compiling failed: {error}")
        return error is None

    def give_up(self, reason: str) -> None:
        """Stay eager from now on, and say so."""
        self.given_up = True
        warnings.warn(f"updates are not compiled: {reason}", stacklevel=2)
