"""Which files of a folder tell about a run, and which folders below a log folder are runs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

HISTORY = "monitor.jsonl"
EVENTS = "tfevents"


@dataclass
class RunFiles:
    """The readable files of one run folder.

    :param history: our own file
    :param monitors: of SB3's Monitor, one per worker
    :param events: TensorBoard's event files of one run, in the folder or below it
    """

    history: Path | None = None
    progress: Path | None = None
    evaluations: Path | None = None
    monitors: list[Path] = field(default_factory=list)
    events: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(
            self.history or self.progress or self.evaluations or self.monitors or self.events
        )


def run_files(folder: Path) -> RunFiles:
    """The files directly in a folder; where it has any, also the event files below it."""
    names = {path.name: path for path in sorted(folder.iterdir(), key=_natural) if path.is_file()}
    files = RunFiles(names.get(HISTORY), names.get("progress.csv"), names.get("evaluations.npz"))
    files.monitors = [path for name, path in names.items() if is_monitor(name)]
    files.events = [path for name, path in names.items() if EVENTS in name]
    if files and not files.events:
        files.events = _events_below(folder, files.notes)
    return files


def is_monitor(name: str) -> bool:
    """Files of evaluation environments, ``eval.monitor.csv`` and the like, are none of training."""
    return name.endswith("monitor.csv") and not name.startswith("eval")


def _events_below(folder: Path, notes: list[str]) -> list[Path]:
    parents = sorted({path.parent for path in folder.rglob(f"*{EVENTS}*")}, key=_natural)
    if len(parents) > 1:
        notes.append(f"of {len(parents)} TensorBoard runs inside, {parents[-1].name} is read")
    return sorted(parents[-1].glob(f"*{EVENTS}*")) if parents else []


def run_folders(path: Path | str) -> list[Path]:
    """The run folders at or below a path, ours, the Zoo's and plain SB3's, in natural order.

    A folder that holds records of a run is one; what lies below it belongs to it.

    :param path: a folder; anything else has none
    """
    path = Path(path)
    if not path.is_dir():
        return []
    if run_files(path):
        return [path]
    below = sorted((child for child in path.iterdir() if _is_visible_folder(child)), key=_natural)
    return [run for child in below for run in run_folders(child)]


def _is_visible_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and not path.name.startswith(".")


def _natural(path: Path) -> list[tuple[int, str]]:
    """``CartPole-v1_10`` comes after ``CartPole-v1_2``."""
    parts = re.split(r"(\d+)", str(path))
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
