"""Back to how the run was before a finding began."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sb3_ac_ext.checkpoints.forgetting import Forgetting, RowNumbers, Rows
from sb3_ac_ext.checkpoints.learnt import normalise_anew, restore_learnt
from sb3_ac_ext.checkpoints.state import State
from sb3_ac_ext.monitoring.actions.base import Action, Case
from sb3_ac_ext.monitoring.actions.shelf import (
    BundleShelf,
    MemoryShelf,
    Point,
    Shelf,
    bundle_points,
)
from sb3_ac_ext.monitoring.detectors.base import require
from sb3_ac_ext.monitoring.records import Finding

_SNAPSHOTS = 2


class RollBack(Action):
    """Put the last checkpoint from before the finding, or another one open with it, began back.

    Restored are weights, target networks, optimizers, a learnt entropy coefficient, the statistics
    of a ``VecNormalize`` or ``VecWorkerNormalizeReward``, schedules that have a state, and the
    position of a replay buffer: transitions that were added since are forgotten, and what they have
    overwritten is read from the checkpoint if that is a bundle, else the rest does without it.

    Environments go on where they are, settings that actions changed stay, and ``num_timesteps``
    counts on: the budget and the history are in environment steps. Schedules of progress follow
    it. Back before ``learning_starts``, the buffer is filled at random again as at first. What made
    the model go wrong is still there: add an action that changes it.

    Where the run has a ``BundleCallback``, the newest of its bundles that has nothing wrong is
    taken; which there are depends on the time that they take, so that two runs may differ. Else the
    action keeps its own checkpoints: one when training begins, then a rolling
    window, and takes none while a warning or a critical finding is open.

    A run does not go back to the same checkpoint twice: that would loop. The event says so,
    with a warning, and training ends.

    :param every: least environment steps between checkpoints; by default every second snapshot
    :param keep: how many to keep, each three times the size of the weights with Adam
    :param folder: where to keep them as bundles, made when missing; in memory when not given
    :param times: how often at most for findings of one detector and worker
    :param most: how often at most in a run; a further finding is answered once, by a failure
    :raises ValueError: for numbers that are not positive
    """

    name = "roll_back"

    def __init__(
        self,
        every: int | None = None,
        keep: int = 6,
        folder: str | Path | None = None,
        times: int = 1,
        most: int = 3,
    ) -> None:
        super().__init__(times)
        require(every is None or _positive(every), "every", every, "a positive number of steps")
        require(_positive(keep), "keep", keep, "a whole number of at least 1")
        require(_positive(most), "most", most, "a whole number of at least 1")
        self.every = every
        self.most = most
        self.shelf: Shelf = MemoryShelf(keep)
        if folder is not None:
            self.shelf = BundleShelf(keep, Path(folder))
        self._rows: RowNumbers | None = None
        self._since_last, self._kept = 0, -1

    def _forget(self) -> None:
        super()._forget()
        self._went: list[tuple[int, int]] = []  # to which step, and from which
        self._told = False

    def get_state(self) -> dict[str, Any]:
        rows = None if self._rows is None else self._rows.get_state()
        return {**super().get_state(), "went": list(self._went), "told": self._told, "rows": rows}

    def set_state(self, state: Mapping[str, Any]) -> None:
        super().set_state(state)
        self._went, self._told = list(state["went"]), state["told"]
        if self._rows is not None and state["rows"] is not None:
            self._rows.set_state(state["rows"])

    # checkpoints

    def start(self, model: Any, step: int, fresh: bool) -> None:
        super().start(model, step, fresh)
        buffer = getattr(model, "replay_buffer", None)
        if fresh:
            self.shelf.clear()
        if fresh or self._rows is None:
            self._rows = None if buffer is None else RowNumbers(buffer, step)
        else:
            self._rows.settle(step)
        self.shelf.begin(model, step)
        if fresh or not self.shelf.points():
            self._keep(model, step)

    def observe(self, model: Any, step: int, troubles: Sequence[Finding]) -> None:
        self._since_last += 1
        by_count = self.every is None and self._since_last >= _SNAPSHOTS
        by_steps = self.every is not None and step - self._kept >= self.every
        wanted = self.bundles is None and not troubles
        if wanted and step > self._kept and (by_count or by_steps):
            self._keep(model, step)

    def _keep(self, model: Any, step: int) -> None:
        self._since_last, self._kept = 0, step
        self.shelf.put(model, step)

    def points(self) -> list[Point]:
        """Checkpoints of stretches that were not forgotten, from the newest on."""
        found = self.shelf.points()
        if self.bundles is not None:
            found = sorted([*bundle_points(self.bundles), *found], key=lambda p: -p.step)
        return [p for p in found if not any(to < p.step <= at for to, at in self._went)]

    # going back

    def due(self, finding: Finding) -> bool:
        return not self._told and super().due(finding)

    def apply(self, case: Case) -> str:
        if len(self._went) >= self.most:
            self._told = True
            raise ValueError(
                f"the run went back {len(self._went)} times already, and most={self.most}: "
                "training goes on as it is"
            )
        points = self.points()
        began = self._began(case, points)
        point = next((p for p in points if p.step < began), None)
        if point is None:
            oldest = f"the oldest is of step {points[-1].step:,}" if points else "there is none"
            raise ValueError(f"no checkpoint from before step {began:,} is kept: {oldest}")
        before = next((at for to, at in self._went if to == point.step), None)
        if before is not None:
            case.stop = True
            raise ValueError(
                f"what began at step {began:,} leads back to step {point.step:,}, where training "
                f"went at step {before:,} already: going there again would loop, and training ends"
            )
        told = self._go_back(case, point)
        return (
            f"back to the model of step {point.step:,}: the trouble began at step {began:,}{told}"
        )

    def _began(self, case: Case, points: Sequence[Point]) -> int:
        """When the first of the open troubles began that going back can undo: none from before the
        first checkpoint, nor one that was left behind by going back.
        """
        first = points[-1].step if points else case.since
        left = max((at for _, at in self._went), default=-1)
        reached = [since for since in case.others if since > max(first, left)]
        return min(case.since, *reached) if reached else case.since

    def _go_back(self, case: Case, point: Point) -> str:
        model = case.model
        state, rows = point.read()
        # asked before anything changes
        forget = self._forgetting(case, point.step, state, rows)
        restore_learnt(model, state)
        if not case.within_step:
            normalise_anew(model)
        self._went.append((point.step, case.step))
        name = "" if point.name is None else f" ({point.name})"
        return name if forget is None else f"{name}; {forget()}"

    def _forgetting(
        self, case: Case, step: int, state: State, rows: Rows | None
    ) -> Callable[[], str] | None:
        model, numbers = case.model, self._rows
        buffer = getattr(model, "replay_buffer", None)
        if buffer is None or numbers is None:
            return None
        now = model.num_timesteps - case.within_step * model.n_envs
        number = numbers.at(step)
        added = numbers.at(now) - number
        forgetting = Forgetting(buffer, state["model"]["replay_buffer"]["replay"], added, rows)

        def forget() -> str:
            forgetting.apply()
            numbers.go_back(now, number)
            if step < model.learning_starts:  # so many are to be there before learning
                model.learning_starts += model.num_timesteps - step
            return f"{added * buffer.n_envs:,} transitions are forgotten"

        return forget

    def end(self) -> None:
        self.shelf.close()


def _positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
