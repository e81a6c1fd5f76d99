"""Bundles of one run: written beside training, the superseded ones removed."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sb3_ac_ext.checkpoints.bundle import (
    Bundle,
    Content,
    bundles,
    read_manifest,
    row_range,
    write_bundle,
)
from sb3_ac_ext.checkpoints.codec import encode
from sb3_ac_ext.checkpoints.merging import merge
from sb3_ac_ext.checkpoints.rows import Segment
from sb3_ac_ext.checkpoints.window import Kept, superseded


@dataclass(frozen=True)
class Captured:
    """
    :param facts: for the manifest
    :param state: plain, see :mod:`.state`
    :param segment: rows of the replay buffer that are new
    :param oldest: number of the oldest row that is still needed
    """

    facts: dict[str, Any]
    state: Any
    segment: Segment | None
    oldest: int


class Writer:
    """
    :param folder: where bundles are kept
    :param keep_last: how many of the newest stay
    :param keep_best: how many of the best stay
    """

    def __init__(self, folder: Path, keep_last: int, keep_best: int) -> None:
        self.folder = folder
        self._keep = (keep_last, keep_best)
        self._pool: ThreadPoolExecutor | None = None
        self._pending: Future[Bundle] | None = None
        self._newest: Bundle | None = None
        self._own: set[int] = set()
        self._kept: dict[int, Kept] = {}
        self.spent = 0.0
        """Processor seconds that the last bundle took to be written."""

    def begin(self, steps: int) -> None:
        """Training begins, or goes on, at this step: what lies beyond is of another run.

        :param steps: environment steps taken so far
        """
        self._own = {own for own in self._own if own <= steps}
        self._kept.clear()
        for left_over in self.folder.glob(".bundle-*"):  # of runs that were killed
            shutil.rmtree(left_over, ignore_errors=True)

    def start_from(self, bundle: Bundle | None) -> None:
        """What has been written already of the replay buffer lies in this bundle."""
        self._newest = bundle
        if bundle is not None and bundle.path.parent.resolve() == self.folder.resolve():
            steps = {_steps(path) for path in bundles(self.folder)}
            self._own.update(own for own in steps if own <= bundle.steps)

    def good(self) -> list[Bundle]:
        """This run's bundles that tell of nothing wrong, from the newest on.

        One that is being written is waited for; nothing is removed before the next is submitted.
        """
        if self._pending is not None:
            wait([self._pending])
        found = []
        for path in bundles(self.folder):
            with suppress(ValueError):
                bundle = read_manifest(path)
                if bundle.steps in self._own and bundle.manifest.get("good", True):
                    found.append(bundle)
        return found

    @property
    def busy(self) -> bool:
        return self._pending is not None and not self._pending.done()

    def submit(self, captured: Captured) -> None:
        """Write in a thread of its own; only one at a time, see :attr:`busy`."""
        assert not self.busy
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="bundle")
        self._pending = self._pool.submit(self._write, captured)

    def result(self) -> Bundle | None:
        """What the last :meth:`submit` came to; waits for it.

        :return: the bundle, ``None`` if nothing was submitted since the last call
        :raises OSError: if it could not be written
        """
        pending, self._pending = self._pending, None
        return None if pending is None else pending.result()

    def close(self) -> None:
        """End the thread; what was submitted is written first."""
        if self._pool is not None:
            self._pool.shutdown(wait=True)
            self._pool = None

    def _write(self, captured: Captured) -> Bundle:
        began = time.thread_time()
        arrays: dict[str, Any] = {}
        content = Content(captured.facts, encode(captured.state, arrays), arrays)
        if self._newest is not None and captured.oldest >= 0:
            content.linked = _still_needed(self._newest, captured)
        if captured.segment is not None:
            content.linked, segment = merge(content.linked, captured.segment)
            content.new[segment.name] = segment.arrays()
        steps = int(captured.facts["num_timesteps"])
        self._newest = write_bundle(self.folder, content, replace=steps not in self._own)
        self._own.add(steps)
        self._prune()
        self.spent = time.thread_time() - began
        return self._newest

    def _prune(self) -> None:
        known = {
            steps: path for path in bundles(self.folder) if (steps := _steps(path)) in self._own
        }
        self._kept = {n: self._kept.get(n) or _kept(path) for n, path in known.items()}
        for steps in superseded(list(self._kept.values()), *self._keep):
            path = known[steps]
            hidden = path.with_name(f".{path.name}.old")  # not half a bundle if this is killed
            path.rename(hidden)
            shutil.rmtree(hidden, ignore_errors=True)


def _still_needed(newest: Bundle, captured: Captured) -> dict[Path, dict[str, Any]]:
    """Files of rows that are older than the new segment and not yet overwritten."""
    end = math.inf if captured.segment is None else captured.segment.start
    files: Mapping[str, Any] = newest.manifest["files"]
    found = {}
    for name in newest.row_files():
        start, stop = row_range(name)
        if stop > captured.oldest and start < end and stop <= end:
            found[newest.path / name] = files[name]
    return found


def _steps(path: Path) -> int:
    return int(path.name.split("-")[1])


def _kept(path: Path) -> Kept:
    steps = _steps(path)
    try:
        manifest = read_manifest(path).manifest
    except ValueError:
        return Kept(steps, good=False)
    score = manifest.get("score")
    return Kept(
        steps, math.nan if score is None else float(score), bool(manifest.get("good", True))
    )
