"""Where compiled packages are kept, and which one a job needs."""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path

import torch as th

from sb3_ac_ext.algorithms.compiled import processor
from sb3_ac_ext.algorithms.compiled.job import Job

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
        processor.features(),  # packages are compiled for this one
        str(th.get_num_threads()),
        *job.about(),
    ]
    key = hashlib.sha256("\n".join(about).encode()).hexdigest()[:32]
    return folder() / f"{key}.pt2"
