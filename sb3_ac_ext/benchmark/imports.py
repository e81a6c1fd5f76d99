"""What importing this package adds to importing Stable-Baselines3."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

BOUND = 0.2
"""Seconds that it may add."""

_CODE = """
import json, time
moments = [time.perf_counter()]
import stable_baselines3
moments.append(time.perf_counter())
from sb3_ac_ext import A2C, DDPG, DQN, PPO, REINFORCE, SAC, TD3, DiagnosticsCallback
moments.append(time.perf_counter())
print(json.dumps([later - earlier for earlier, later in zip(moments, moments[1:])]))
"""


@dataclass(frozen=True)
class Imports:
    """Seconds in new processes, one for each round.

    :param sb3: to import Stable-Baselines3
    :param ours: to import all algorithms and the monitor afterwards
    """

    sb3: tuple[float, ...]
    ours: tuple[float, ...]

    def line(self) -> str:
        """Medians, and whether the bound is kept."""
        added = median(self.ours)
        return (
            f"importing Stable-Baselines3 takes {median(self.sb3):.2f} s, this package "
            f"{added:.2f} s more ({min(self.ours):.2f} to {max(self.ours):.2f}, "
            f"{len(self.ours)} rounds); bound {BOUND} s {'kept' if added <= BOUND else 'missed'}"
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def measure(rounds: int) -> Imports:
    """
    :param rounds: at least 1
    """
    command = [sys.executable, "-c", _CODE]
    taken = [
        json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for _ in range(rounds)
    ]
    sb3, ours = zip(*taken, strict=True)
    return Imports(sb3, ours)
