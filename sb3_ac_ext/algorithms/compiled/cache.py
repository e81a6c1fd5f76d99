"""Where compiled packages are kept, and which one a job needs."""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path

import torch as th

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
        *_instructions(),
        str(th.get_num_threads()),
        *job.about(),
    ]
    key = hashlib.sha256("\n".join(about).encode()).hexdigest()[:32]
    return folder() / f"{key}.pt2"


def _instructions() -> list[str]:
    """What the processor can do: packages are compiled for this one."""
    flags = Path("/proc/cpuinfo")
    known = flags.read_text(errors="replace") if flags.exists() else platform.processor()
    lines = [line for line in known.splitlines() if line.startswith(("flags", "Features"))]
    return [th.backends.cpu.get_cpu_capability(), *(lines[:1] or [known])]
