"""A scheduler that needs its machine back sends SIGTERM: the run ends with a last bundle."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sb3_ac_ext.checkpoints.callback import BundleCallback

GRACE = 8.0
"""Seconds for the present rollout; without its end, the run goes on from the bundle before."""


@contextmanager
def preemptible(keeper: BundleCallback | None) -> Iterator[None]:
    """Inside, SIGTERM lets training end by itself, with everything kept.

    :param keeper: of the run's bundles; without one, the signal does what it always does
    """
    if keeper is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(signum: int, frame: Any) -> None:
        keeper.end_soon(GRACE)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
