"""What ``best_model.json`` says: which files belong together, and what they were chosen for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sb3_ac_ext.evaluation.statistics import Estimate

FORMAT = 1
MODES = ("deterministic", "stochastic")


@dataclass(frozen=True)
class UnitPaths:
    """The files of a unit; ``best_model.zip`` is what SB3 and RL Zoo call the best model, too.

    :param folder: where they lie
    """

    folder: Path

    @property
    def model(self) -> Path:
        return self.folder / "best_model.zip"

    @property
    def vecnormalize(self) -> Path:
        return self.folder / "best_model_vecnormalize.pkl"

    @property
    def record(self) -> Path:
        return self.folder / "best_model.json"


def aside(path: Path) -> Path:
    """Where a file is written before it takes the place of the old one.

    :param path: its name
    """
    return path.with_name(f"{path.stem}.new{path.suffix}")


@dataclass(frozen=True)
class Unit:
    """One saved policy with its normaliser and the evaluation that it was saved for.

    :param files: SHA-256 by file name
    :param algorithm: dotted path of the algorithm's class
    :param env: id of the environment, as far as it is known
    :param num_timesteps: of training, when it was evaluated
    :param deterministic: whether the greedy action was taken
    :param seeds: of the workers
    :param n_envs: how many of them played side by side
    :param episodes: of each: ``seed``, ``return``, ``length`` and ``is_success``
    :param mean: return, with its interval
    :param evaluation: the how manieth evaluation it was: the best of many is lucky, too
    :param versions: of what decides the outcome
    :param saved: when, ISO 8601
    """

    files: Mapping[str, str]
    algorithm: str
    env: str | None
    num_timesteps: int
    deterministic: bool
    seeds: tuple[int, ...]
    n_envs: int
    episodes: tuple[Mapping[str, Any], ...]
    mean: Estimate
    evaluation: int
    versions: Mapping[str, str] = field(default_factory=dict)
    saved: str = ""

    @property
    def mode(self) -> str:
        return MODES[0] if self.deterministic else MODES[1]

    def to_json(self) -> str:
        """As ``best_model.json`` keeps it."""
        fields = {**vars(self), "mean": self.mean.value, "mode": self.mode, "format": FORMAT}
        del fields["deterministic"]
        has_interval = self.mean.low == self.mean.low
        fields["interval_95"] = [self.mean.low, self.mean.high] if has_interval else None
        fields["interval_method"] = self.mean.method
        return json.dumps(fields, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Unit:
        """
        :param text: what :meth:`to_json` gave
        :raises ValueError: for anything else
        """
        try:
            told = json.loads(text)
            if told["format"] != FORMAT or told["mode"] not in MODES:
                raise ValueError(f"format {told['format']!r}, mode {told['mode']!r}")
            low, high = told["interval_95"] or (float("nan"), float("nan"))
            return cls(
                files={str(name): str(digest) for name, digest in told["files"].items()},
                algorithm=str(told["algorithm"]),
                env=told["env"],
                num_timesteps=int(told["num_timesteps"]),
                deterministic=told["mode"] == MODES[0],
                seeds=tuple(int(seed) for seed in told["seeds"]),
                n_envs=int(told["n_envs"]),
                episodes=tuple(dict(episode) for episode in told["episodes"]),
                mean=Estimate(
                    float(told["mean"]), float(low), float(high), str(told["interval_method"])
                ),
                evaluation=int(told["evaluation"]),
                versions=dict(told["versions"]),
                saved=str(told["saved"]),
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise ValueError(f"it is no record of an evaluation ({reason})") from error


def sha256(path: Path) -> str:
    """
    :param path: a file
    """
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
