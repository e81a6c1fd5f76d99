"""Which actions are due after a snapshot; each is carried out, logged, and may fail."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sb3_ac_ext.checkpoints.writer import Writer
from sb3_ac_ext.monitoring.actions.base import Action, Case
from sb3_ac_ext.monitoring.actions.rules import Rule, parse_actions
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Event, Finding, Severity, Verdict
from sb3_ac_ext.monitoring.watch import Watch

_CHRONIC = 20
"""Snapshots after which an open finding no longer counts as the trouble at hand."""


@dataclass
class _Trouble:
    """A finding that is there snapshot after snapshot.

    :param since: the earliest step that it named
    :param seen: step at which it was last there
    :param snapshots: for how many
    """

    since: int
    seen: int
    snapshots: int = 1


class Actions:
    """The actions of a run.

    :param given: what :func:`parse_actions` accepts
    :param folder: for files of actions that were told no absolute one
    :raises ValueError: as :func:`parse_actions` does
    """

    def __init__(self, given: Mapping[str, Any], folder: Path | None = None) -> None:
        self._rules = parse_actions(given)
        self._actions = list({id(a): a for rule in self._rules for a in rule.actions}.values())
        self._folder = Path() if folder is None else folder
        self._step = -1
        self._troubles: dict[tuple[str, int | None], _Trouble] = {}
        self._acute: list[tuple[str, int | None]] = []
        self._warned = False
        self.stopped = False

    def start(self, model: Any, step: int, fresh: bool, bundles: Writer | None = None) -> None:
        """Training begins.

        :param fresh: whether a new history begins, too
        :param bundles: keeps those of the run
        """
        self.stopped = False
        if fresh:
            self._step = -1
            self._troubles.clear()
        for action in self._actions:
            action.bundles = bundles
            self._guarded(action, partial(action.start, model, step, fresh))

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint of the run holds of its actions."""
        troubles = [
            [key, known.since, known.seen, known.snapshots] for key, known in self._troubles.items()
        ]
        return {"troubles": troubles, "actions": [action.get_state() for action in self._actions]}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """
        :param state: from :meth:`get_state`
        """
        self._troubles = {tuple(key): _Trouble(*rest) for key, *rest in state["troubles"]}
        for action, content in zip(self._actions, state["actions"], strict=False):
            action.set_state(content)

    def continue_from(self, step: int) -> None:
        """What was found up to this step was answered before the run was interrupted."""
        self._step = step

    def act(
        self, model: Any, history: History, watch: Watch, within_step: bool = False
    ) -> Iterator[Event]:
        """Do what is due since the newest snapshot was judged; nothing when called again.

        :param model: an SB3 algorithm, between two updates
        :param within_step: in the middle of a rollout, before the newest step is stored
        """
        if history.step == self._step or not len(history):
            return
        self._step = history.step
        troubles = self._follow(watch.current)
        for action in self._actions:
            self._guarded(action, partial(action.observe, model, self._step, troubles))
        if not watch.current:
            return
        verdict = watch.verdict(history)
        for rule in self._rules:
            for finding in watch.current:
                yield from self._answer(rule, finding, verdict, model, within_step)

    def end(self) -> None:
        """Training ended; called again without harm."""
        for action in self._actions:
            action.end()

    def _follow(self, findings: list[Finding]) -> list[Finding]:
        """Those that are more than a remark and not chronic, with the times they began noted."""
        acute = []
        for finding in findings:
            if finding.severity < Severity.WARNING:
                continue
            known = self._troubles.get(finding.key)
            if known is None or finding.since > known.seen:
                known = self._troubles[finding.key] = _Trouble(finding.since, self._step)
            else:
                known.since = min(known.since, finding.since)
                known.snapshots += 1
            known.seen = self._step
            if known.snapshots <= _CHRONIC:
                acute.append(finding)
        self._acute = [finding.key for finding in acute]
        return acute

    def _answer(
        self, rule: Rule, finding: Finding, verdict: Verdict, model: Any, within_step: bool
    ) -> Iterator[Event]:
        # asked before any of them acts: they belong together
        due = [a for a in rule.actions if a.due(finding)] if rule.matches(finding, verdict) else []
        for action in due:
            since, *others = self._began(finding)
            case = Case(model, finding, self._step, since, self._folder, tuple(others), within_step)
            yield self._carried_out(action, case)
            self.stopped = self.stopped or case.stop

    def _began(self, finding: Finding) -> list[int]:
        """When this finding began, then when the other acute troubles did."""
        acute = {key: self._troubles[key].since for key in self._acute}
        return [acute.pop(finding.key, finding.since), *acute.values()]

    def _carried_out(self, action: Action, case: Case) -> Event:
        finding = case.finding
        try:
            text, failed = action.run(case), False
        except Exception as error:  # whatever it is, training goes on and the event says so
            text, failed = f"failed: {error}", True
            warnings.warn(f"action {action.name} at step {case.step:,} {text}", stacklevel=2)
        worker = "" if finding.worker is None else f" (worker {finding.worker})"
        return Event(case.step, action.name, f"{finding.detector}{worker}", text, failed)

    def _guarded(self, action: Action, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:  # such as a full disk or an algorithm of unusual build
            if not self._warned:
                self._warned = True
                text = f"action {action.name} cannot prepare: {error}"
                warnings.warn(text, stacklevel=2)
