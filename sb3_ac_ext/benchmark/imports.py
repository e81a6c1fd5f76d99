"""What importing this package adds to importing Stable-Baselines3: the algorithms, whose bound is
kept or not, and then the monitor, which needs scipy.stats."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

BOUND = 0.2
"""Seconds that the algorithms may add."""

_CODE = """
import json, time
moments = [time.perf_counter()]
import stable_baselines3
moments.append(time.perf_counter())
from sb3_ac_ext import A2C, DDPG, DQN, PPO, REINFORCE, SAC, TD3
moments.append(time.perf_counter())
from sb3_ac_ext import DiagnosticsCallback
moments.append(time.perf_counter())
print(json.dumps([later - earlier for earlier, later in zip(moments, moments[1:])]))
"""


@dataclass(frozen=True)
class Imports:
    """Seconds in new processes, one for each round.

    :param sb3: to import Stable-Baselines3
    :param algorithms: to import all of this package's afterwards
    :param monitor: to import ``DiagnosticsCallback`` after these
    """

    sb3: tuple[float, ...]
    algorithms: tuple[float, ...]
    monitor: tuple[float, ...]

    def line(self) -> str:
        """Medians, and whether the bound is kept."""
        added = median(self.algorithms)
        low, high = min(self.algorithms), max(self.algorithms)
        return (
            f"importing Stable-Baselines3 takes {median(self.sb3):.2f} s, the drop-in algorithms "
            f"{added:.2f} s more ({low:.2f} to {high:.2f} in {len(self.sb3)} rounds; bound "
            f"{BOUND} s {'kept' if added <= BOUND else 'missed'}), the monitor another "
            f"{median(self.monitor):.2f} s"
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
    return Imports(*zip(*taken, strict=True))
