"""What this processor can do."""

from __future__ import annotations

import platform
from pathlib import Path


def features() -> str:
    """Its features as the system lists them, or its name where it lists none."""
    listed = Path("/proc/cpuinfo")
    known = listed.read_text(errors="replace") if listed.exists() else platform.processor()
    lines = [line for line in known.splitlines() if line.startswith(("flags", "Features"))]
    return lines[0] if lines else known


def has_bf16() -> bool:
    """Whether it multiplies in bfloat16 itself; what only emulates it is slower."""
    return any(name in features().split() for name in ("avx512_bf16", "amx_bf16", "bf16"))
