"""Back to how the model was before a finding began."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sb3_ac_ext.monitoring.actions.base import Action, Case
from sb3_ac_ext.monitoring.actions.shelf import Shelf
from sb3_ac_ext.monitoring.actions.state import capture, restore
from sb3_ac_ext.monitoring.detectors.base import require
from sb3_ac_ext.monitoring.records import Finding

_SNAPSHOTS = 2


class RollBack(Action):
    """Put the last checkpoint from before the finding, or another one open with it, began back.

    Restored are weights, target networks, optimizers, a learnt entropy coefficient and the
    statistics of a ``VecNormalize``; the environment, the replay buffer, counters and settings stay
    as they are. What made the model go wrong is still there: add an action that changes it.

    The action keeps its own checkpoints: one when training begins, then a rolling window, and takes
    none while a warning or a critical finding is open.

    :param every: least environment steps between checkpoints; by default every second snapshot
    :param keep: how many to keep, each three times the size of the weights with Adam
    :param folder: where to keep them as files, created when missing; in memory when not given
    :param times: how often at most for findings of one detector and worker
    :raises ValueError: for numbers that are not positive
    """

    name = "roll_back"

    def __init__(
        self,
        every: int | None = None,
        keep: int = 6,
        folder: str | Path | None = None,
        times: int = 1,
    ) -> None:
        super().__init__(times)
        require(every is None or _positive(every), "every", every, "a positive number of steps")
        require(_positive(keep), "keep", keep, "a whole number of at least 1")
        self.every = every
        self.shelf = Shelf(keep, None if folder is None else Path(folder))
        self._since_last = 0

    def start(self, model: Any, step: int, fresh: bool) -> None:
        super().start(model, step, fresh)
        if fresh or not self.shelf.steps:
            self.shelf.clear()
            self._keep(model, step)

    def observe(self, model: Any, step: int, troubles: Sequence[Finding]) -> None:
        self._since_last += 1
        last = self.shelf.steps[-1] if self.shelf.steps else -1
        by_count = self.every is None and self._since_last >= _SNAPSHOTS
        by_steps = self.every is not None and step - last >= self.every
        if not troubles and step > last and (by_count or by_steps):
            self._keep(model, step)

    def _keep(self, model: Any, step: int) -> None:
        self._since_last = 0
        self.shelf.put(step, capture(model))

    def apply(self, case: Case) -> str:
        # what was wrong before the first checkpoint cannot be undone by any
        reached = [since for since in case.others if since > min(self.shelf.steps, default=since)]
        began = min(case.since, *reached) if reached else case.since
        step, state = self.shelf.take_before(began)
        restore(case.model, state)
        return f"back to the model of step {step:,}: the trouble began at step {began:,}"


def _positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
