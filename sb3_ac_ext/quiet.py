"""What a run says in the terminal, what it keeps from it, and its shield against impatience."""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LIBRARIES = r"(stable_baselines3|sb3_contrib|gymnasium|torch|pygame|ale_py|wandb)(\.|$)"


@contextmanager
def quiet(verbose: int) -> Iterator[None]:
    """Hide the hints of libraries below verbose 2, and every warning at 0.

    :param verbose: as of ``sb3-ac train``
    """
    with warnings.catch_warnings():
        if verbose < 2:
            warnings.filterwarnings("ignore", module=_LIBRARIES)
        if verbose < 1:
            warnings.simplefilter("ignore")
        yield


@contextmanager
def muted_stderr(active: bool) -> Iterator[None]:
    """Hide what native libraries write past Python, as MuJoCo does for every environment made.

    Processes started inside keep the muted stream, so workers must not be.

    :param active: ``False`` changes nothing
    """
    try:
        before = os.dup(2) if active else None
    except OSError:  # there is no standard error
        before = None
    if before is None:
        yield
        return
    sys.stderr.flush()
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(before, 2)
        os.close(before)


def say(text: str) -> None:
    """Print a line; a reader that went away, as ``head`` does, ends no training.

    :param text: the line
    """
    with suppress(OSError):
        print(text, flush=True)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let a run's files be written although Ctrl-C is pressed again."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
