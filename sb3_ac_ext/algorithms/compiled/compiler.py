"""A compiled package: from the cache, or built while training goes on; used only if it agrees."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from sb3_ac_ext.algorithms.compiled import cache
from sb3_ac_ext.algorithms.compiled.background import Build
from sb3_ac_ext.algorithms.compiled.job import Job

TOLERANCE = 1e-4
"""Most that a step may differ from an eager one, over the length of that."""

Made = TypeVar("Made")


class Compiler(Generic[Made]):
    """Gets what a job is compiled to, as soon as there is something.

    :param job: to compile; or why it cannot be, which is said at once
    :param load: makes use of a package
    :param wait: whether the first to ask waits for the package
    :param quiet: whether it is not said that it cannot be
    """

    def __init__(
        self,
        job: Job | str,
        load: Callable[[Path], Made],
        wait: bool,
        quiet: bool = False,
    ) -> None:
        self._load, self._wait = load, wait
        self._build: Build | None = None
        self._package = Path()
        self._made: Made | None = None
        self.given_up = False
        if isinstance(job, str):
            self.given_up = True
            if not quiet:
                give_up(job)
            return
        self._package = cache.package_of(job)
        if not self._package.exists():
            self._build = Build(job, self._package)

    def get(self, off: Callable[[Made], float]) -> Made | None:
        """``None`` while there is nothing, and for ever after giving up.

        :param off: by how much of its length a compiled step differs from an eager one; asked once
        """
        if not self.given_up and self._made is None:
            self._made = self._make(off)
        return None if self.given_up else self._made

    def _make(self, off: Callable[[Made], float]) -> Made | None:
        if self._build is not None and not self._built(self._build):
            return None
        try:
            made = self._load(self._package)
        except Exception as error:  # a package that was cut short, or of another machine
            self._package.unlink(missing_ok=True)
            self.give_up(f"{self._package} cannot be loaded: {error}")
            return None
        apart = off(made)
        if not apart <= TOLERANCE:
            self.give_up(f"a compiled step differs from an eager one by {apart:.1g} of its length")
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
