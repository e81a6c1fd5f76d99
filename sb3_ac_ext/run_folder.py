"""The folder of one run, laid out as RL Zoo's commands and TensorBoard expect it."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sb3_ac_ext.plain import dump_yaml, plain

WORKER_REWARDS = "worker_rewards.npz"


@dataclass(frozen=True)
class RunFolder:
    """``<log_folder>/<algo>/<env_name>_<id>/``.

    :param path: the folder
    :param env_name: the environment's id as a file name
    """

    path: Path
    env_name: str

    @property
    def params(self) -> Path:
        """Where settings and the normaliser of the final model lie."""
        return self.path / self.env_name

    @property
    def model(self) -> Path:
        return self.path / f"{self.env_name}.zip"

    @property
    def vecnormalize(self) -> Path:
        return self.params / "vecnormalize.pkl"

    @property
    def worker_rewards(self) -> Path:
        """Scales of ``VecWorkerNormalizeReward``, where the run has one."""
        return self.params / WORKER_REWARDS

    @property
    def replay_buffer(self) -> Path:
        return self.path / "replay_buffer.pkl"

    @property
    def bundles(self) -> Path:
        """What the run can be resumed from."""
        return self.path / "bundles"

    @property
    def run_json(self) -> Path:
        return self.path / "run.json"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    def write_settings(self, args: Mapping[str, Any], config: Mapping[str, Any]) -> None:
        """Write what ``rl_zoo3`` reads when it runs the trained model: plain YAML.

        :param args: the command line's options by name
        :param config: hyperparameters as written
        """
        self.write_args(args)
        (self.params / "config.yml").write_text(dump_yaml(config), encoding="utf-8")
        (self.params / "command.txt").write_text(command(), encoding="utf-8")

    def write_args(self, args: Mapping[str, Any]) -> None:
        """Replace ``args.yml`` in one step.

        :param args: the command line's options by name
        """
        temporary = self.params / "args.yml.tmp"
        temporary.write_text(dump_yaml(args), encoding="utf-8")
        temporary.replace(self.params / "args.yml")

    def write_run(self, facts: Mapping[str, Any]) -> None:
        """Replace ``run.json`` in one step: a reader sees the old one or the new one.

        :param facts: see :mod:`sb3_ac_ext.experiment`
        """
        temporary = self.run_json.with_suffix(".json.tmp")
        text = json.dumps(plain(facts), indent=2, allow_nan=False, default=str)
        temporary.write_text(text + "\n", encoding="utf-8")
        temporary.replace(self.run_json)

    def remove(self) -> None:
        """Undo :func:`create_run_folder`: a run that never began leaves nothing."""
        shutil.rmtree(self.path, ignore_errors=True)
        with suppress(OSError):  # other runs of the algorithm are there
            self.path.parent.rmdir()


def open_run_folder(path: Path) -> RunFolder:
    """
    :param path: of a run of ``sb3-ac train``
    :raises ValueError: if it is none
    """
    found = sorted(path.glob("*/args.yml"))
    if not found:
        what = (
            "is no run folder: no <env>/args.yml lies in it" if path.is_dir() else "does not exist"
        )
        raise ValueError(f"{str(path)!r} {what}")
    return RunFolder(path, found[0].parent.name)


def env_name(env_id: str) -> str:
    """An environment's id as a file name, by RL Zoo's rule.

    :param env_id: such as ``ALE/Pong-v5`` or ``my_module:MyEnv-v0``
    """
    return env_id.rpartition(":")[2].replace("/", "-")


def create_run_folder(log_folder: str, algo: str, env_id: str, unique: bool = False) -> RunFolder:
    """Make the next free folder; two runs that start together get two.

    :param log_folder: root of all runs, made if missing
    :param algo: name of the algorithm
    :param env_id: gymnasium's id
    :param unique: add a unique id to the name
    :raises ValueError: if it cannot be written
    """
    name = env_name(env_id)
    parent = Path(log_folder) / algo
    suffix = f"_{uuid.uuid4()}" if unique else ""
    try:
        parent.mkdir(parents=True, exist_ok=True)
        while True:
            folder = RunFolder(parent / f"{name}_{latest_run_id(parent, name) + 1}{suffix}", name)
            try:
                folder.path.mkdir()
            except FileExistsError:  # another run was faster
                continue
            folder.params.mkdir()
            return folder
    except OSError as error:
        raise ValueError(
            f"log folder {log_folder!r} cannot be written: {error.strerror or error}"
        ) from error


def latest_run_id(parent: Path, name: str) -> int:
    """
    :param parent: folder of an algorithm
    :param name: environment's id as a file name
    :return: the highest number in use, 0 for none; folders with a unique id do not count
    """
    pattern = re.compile(re.escape(name) + r"_(\d+)")
    matches = (pattern.fullmatch(path.name) for path in parent.iterdir())
    return max((int(match[1]) for match in matches if match), default=0)


def command() -> str:
    """The command of this process, as a shell would take it."""
    return shlex.join(getattr(sys, "orig_argv", sys.argv))
