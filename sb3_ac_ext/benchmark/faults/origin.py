"""What a recording was made with."""

from __future__ import annotations

import subprocess
from datetime import datetime, timezone
from pathlib import Path


def origin() -> dict[str, str]:
    """Date, and the commit of the checkout that this file is in, where it is in one."""
    found = {"date": datetime.now(timezone.utc).strftime("%Y-%m-%d")}
    folder = Path(__file__).resolve().parent
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=10"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return found
    return {**found, "commit": done.stdout.strip()} if done.returncode == 0 else found
