"""A disk that is full, and one that may not be written: a small file system in memory."""

from __future__ import annotations

import subprocess
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sb3_ac_ext.benchmark.crash.victim import in_process, train
from sb3_ac_ext.checkpoints.bundle import newest_complete

_SIZE = "1500k"


@contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """
    :param folder: where it is mounted
    :return: the folder, ``None`` where mounting is not allowed
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = _run("mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(folder))
    try:
        yield folder if made else None
    finally:
        if made:
            _run("umount", str(folder))


def full(folder: Path) -> int:
    """Fill what is left of the disk, train on, and look for a complete bundle.

    :param folder: a small disk
    :return: steps of the bundle that would be gone on with
    :raises ValueError: if there is none, or one that was there is lost
    """
    return _survived(folder, lambda: _fill(folder / "filler"))


def read_only(folder: Path) -> int:
    """Forbid writing, train on, and look for a complete bundle.

    :param folder: a small disk
    :return: steps of the bundle that would be gone on with
    :raises ValueError: if there is none, or one that was there is lost
    """
    return _survived(folder, lambda: _forbid(folder))


def _survived(folder: Path, happen: Callable[[], None]) -> int:
    """Train, let it happen, train on, and see what is left."""
    _train(folder / "bundles", 120)
    before = newest_complete(folder / "bundles")[0].steps
    happen()
    _train(folder / "bundles", 300)
    after = newest_complete(folder / "bundles")[0].steps
    if after < before:
        raise ValueError(f"the bundle of step {before} is lost, that of step {after} is left")
    return after


def _train(folder: Path, total: int) -> None:
    if in_process(_quiet, folder, total) != 0:
        raise ValueError("training did not go on")


def _quiet(folder: Path, total: int) -> None:
    warnings.simplefilter("ignore")
    train(folder, total)


def _forbid(folder: Path) -> None:
    if not _run("mount", "-o", "remount,ro", str(folder)):
        raise ValueError("the disk cannot be made read-only here")


def _fill(file: Path) -> None:
    """Until there is no room for a page more."""
    with file.open("wb", buffering=0) as stream, suppress(OSError):
        while stream.write(bytes(4096)):
            pass


def _run(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
