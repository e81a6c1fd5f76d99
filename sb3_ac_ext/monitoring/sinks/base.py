"""What every sink is: an observer of a run that may ignore what it does not need."""

from __future__ import annotations

from sb3_ac_ext.monitoring.records import Event, Finding, RunInfo, Snapshot, Verdict


class Sink:
    """Receives what the monitor records and judges, in order; every method may be left as it is.

    A sink never raises for a fault of the outside world (a full disk, a dead server): it warns once
    and goes quiet, because a monitor must not end a training run.
    """

    def start(self, info: RunInfo) -> None:
        """Training begins."""

    def progress(self, step: int) -> None:
        """Called a few times per second at most, between snapshots."""

    def snapshot(self, snapshot: Snapshot) -> None:
        """A new snapshot was appended to the history."""

    def finding(self, finding: Finding) -> None:
        """A finding is new, or graver than before."""

    def event(self, event: Event) -> None:
        """An action did something to the run, or failed to."""

    def finish(self, verdict: Verdict) -> None:
        """Training ended, by itself, by the user or by an error. May be called more than once."""
