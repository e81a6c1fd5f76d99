"""From a path to a history: decides what the path is and reads all that tells about the run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from sb3_ac_ext.monitoring.history import History, read_history
from sb3_ac_ext.monitoring.sources.evaluations import read_evaluations
from sb3_ac_ext.monitoring.sources.events import read_events
from sb3_ac_ext.monitoring.sources.folders import EVENTS, RunFiles, run_files, run_folders
from sb3_ac_ext.monitoring.sources.monitor_files import read_monitors
from sb3_ac_ext.monitoring.sources.progress import read_progress
from sb3_ac_ext.monitoring.sources.recording import NoDataError, Recording, merge
from sb3_ac_ext.monitoring.sources.zoo import zoo_facts

ACCEPTED = "monitor.jsonl, progress.csv, *.monitor.csv, evaluations.npz and TensorBoard event files"


def load_history(path: Path | str) -> History:
    """Read a run from whatever it left behind.

    Our own ``monitor.jsonl`` wins and is read alone. Otherwise all files of the folder become one
    history, and ``info.not_observed`` says which signals they hold nothing of.

    :param path: a run folder, a folder with one run below it, or one of the files
    :return: the history; ``notes`` say what was left out while reading
    :raises ValueError: naming the file and the problem, when there is nothing that can be used
    """
    path = Path(path)
    if not path.exists():
        raise ValueError(f"no such file or folder: {path}")
    return _from_folder(path) if path.is_dir() else _from_file(path)


def _from_file(path: Path) -> History:
    if path.suffix == ".jsonl":
        return read_history(path)
    if EVENTS in path.name:
        recording = read_events([path])
    elif path.suffix == ".npz":
        recording = read_evaluations(path)
    elif path.name.endswith("monitor.csv"):
        recording = read_monitors([path])
    elif path.suffix == ".csv":
        recording = read_progress(path)
    else:
        raise ValueError(f"{path} is no record of a run; accepted are {ACCEPTED}")
    return merge([recording], {})


def _from_folder(folder: Path) -> History:
    files = run_files(folder)
    if not files:
        return load_history(_only_run_below(folder))
    if files.history:
        return read_history(files.history)
    recordings, empty = _recordings(files)
    if not recordings:
        raise ValueError("; ".join(empty))
    history = merge(recordings, zoo_facts(folder))
    history.notes[:0] = [*files.notes, *empty]
    return history


def _recordings(files: RunFiles) -> tuple[list[Recording], list[str]]:
    """What the files tell, raw episodes before means of means; and which hold nothing yet."""
    readers: list[Callable[[], Recording]] = []
    if files.monitors:
        readers.append(partial(read_monitors, files.monitors))
    if files.evaluations:
        readers.append(partial(read_evaluations, files.evaluations))
    if files.progress:
        readers.append(partial(read_progress, files.progress))
    if files.events:
        readers.append(partial(read_events, files.events))
    recordings, empty = [], []
    for read in readers:
        try:
            recordings.append(read())
        except NoDataError as error:
            empty.append(str(error))
    return recordings, empty


def _only_run_below(folder: Path) -> Path:
    runs = run_folders(folder)
    if not runs:
        raise ValueError(f"no run in {folder}: it holds none of {ACCEPTED}")
    if len(runs) > 1:
        raise ValueError(f"{folder} holds {len(runs)} runs: name one of them, such as {runs[0]}")
    return runs[0]
