"""A compiled package: from the cache, or built while training goes on; used only if it agrees."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, Generic, TypeVar

from sb3_ac_ext.algorithms.compiled import cache, observations
from sb3_ac_ext.algorithms.compiled.background import Build
from sb3_ac_ext.algorithms.compiled.job import Job
from sb3_ac_ext.algorithms.structure import Structure
from sb3_ac_ext.monitoring.neutral import has_modes

TOLERANCE, TOLERANCE_BF16 = 1e-4, 0.05
"""Most that a step may disagree with an eager one (:mod:`.agreement`): in float32, and where sums
in another order are rounded to the eight bits of bfloat16."""

Made = TypeVar("Made")


class Compiler(Generic[Made]):
    """Gets what a job is compiled to, as soon as there is something.

    :param job: to compile
    :param load: makes use of a package
    :param wait: whether the first to ask waits for the package
    """

    def __init__(self, job: Job, load: Callable[[Path], Made], wait: bool) -> None:
        self._load, self._wait = load, wait
        self._tolerance = TOLERANCE_BF16 if job.bf16 else TOLERANCE
        self._build: Build | None = None
        self._made: Made | None = None
        self.given_up = False
        self._package = cache.package_of(job)
        if not self._package.exists():
            self._build = Build(job, self._package)

    def get(self, off: Callable[[Made], float]) -> Made | None:
        """``None`` while there is nothing, and for ever after giving up.

        :param off: by how much a compiled step disagrees with an eager one; asked once
        """
        if not self.given_up and self._made is None:
            self._made = self._make(off)
        return None if self.given_up else self._made

    def _make(self, off: Callable[[Made], float]) -> Made | None:
        if self._build is not None and not self._built(self._build):
            return None
        try:
            made = self._load(self._package)
            apart = off(made)
        except Exception as error:  # a package that was cut short, or of another machine
            self._package.unlink(missing_ok=True)
            self.give_up(f"{self._package} cannot be used: {error}")
            return None
        if not apart <= self._tolerance:
            self.give_up(f"a compiled step differs from an eager one by {apart:.1g}")
            return None
        return made

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
        give_up(reason)


def give_up(reason: str) -> None:
    """Say that updates stay eager."""
    warnings.warn(f"updates are not compiled: {reason}", stacklevel=3)


def refuses(model: Any) -> str | None:
    """Why no step of a model can be compiled, whatever its algorithm, ``None`` if it can."""
    if model.device.type != "cpu":
        return f"there is no compiled update for {model.device} yet"
    strange = observations.refuses(model.observation_space)
    if strange is not None:
        return strange
    if Structure(model.policy).forward:
        return "the policy has forward hooks, as log_std_bounds of SAC is one"
    if has_modes(model.policy):
        return "the policy has dropout or batch norm"
    return None


class Compilers(Generic[Made]):
    """One compiler for each kind of step that a model takes.

    :param model: with ``compile``: whether it waits for packages, and hears why there are none
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self._begin()

    def _begin(self) -> None:
        self._policy = self.model.policy
        self._structure = Structure(self._policy)
        self._known: dict[Hashable, Compiler[Made] | None] = {}

    def get(
        self,
        kind: Hashable,
        refused: Callable[[], str | None],
        make: Callable[[], tuple[Job, Callable[[Path], Made]]],
        off: Callable[[Made], float],
    ) -> Made | None:
        """What a kind of step is compiled to, ``None`` while, or if, it is not.

        :param kind: all that the step was compiled for
        :param refused: why this algorithm's cannot be, asked once
        :param make: job and use of its package, asked once
        :param off: see :meth:`Compiler.get`
        """
        if self.model.policy is not self._policy:
            self._begin()
        kind = (kind, self._structure.forward)
        if kind not in self._known:
            reason = refuses(self.model) or refused()
            if reason is None:
                self._known[kind] = Compiler(*make(), wait=self.model.compile == "wait")
            else:
                self._known[kind] = None
                if self.model.compile != "auto":
                    give_up(reason)
        compiler = self._known[kind]
        return None if compiler is None else compiler.get(off)
