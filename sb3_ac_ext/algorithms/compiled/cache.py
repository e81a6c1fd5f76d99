"""Where compiled packages are kept, and which one a job needs."""

from __future__ import annotations

import hashlib
import inspect
import os
import platform
from pathlib import Path

import torch as th

from sb3_ac_ext.algorithms.compiled.step import Job

FOLDER = "SB3_AC_EXT_CACHE"
"""Environment variable that names another folder."""


def folder() -> Path:
    """``$SB3_AC_EXT_CACHE``, or ``sb3_ac_ext`` in the user's cache folder."""
    given = os.environ.get(FOLDER)
    if given:
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "sb3_ac_ext" / "compiled"


def package_of(job: Job) -> Path:
    """The file that the job's package has: another one for whatever could change the code."""
    about = [
        platform.machine(),
        platform.system(),
        th.__version__,
        th.backends.cpu.get_cpu_capability(),
        str(th.get_num_threads()),
        repr(job.policy),
        repr(job.policy.observation_space),
        repr(job.policy.action_space),
        repr(sorted(job.reads.items())),
        repr((job.rule, job.max_grad_norm, job.coefs, job.stops, job.inputs)),
        *_sources(job.algorithm),
        *_sources(type(job.policy)),
    ]
    key = hashlib.sha256("\n".join(about).encode()).hexdigest()[:32]
    return folder() / f"{key}.pt2"


def _sources(cls: type) -> list[str]:
    """Text of the modules that define a class and its bases, as far as there is one."""
    modules = dict.fromkeys(inspect.getmodule(base) for base in cls.__mro__ if base is not object)
    found = []
    for module in modules:
        try:
            found.append(inspect.getsource(module) if module else "")
        except (OSError, TypeError):
            found.append(repr(module))
    return found
