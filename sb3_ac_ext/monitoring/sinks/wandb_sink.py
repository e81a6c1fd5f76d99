"""Weights & Biases: an alert for each finding while a run is active."""

from __future__ import annotations

import sys
import warnings

from sb3_ac_ext.monitoring.records import Finding, Severity
from sb3_ac_ext.monitoring.sinks.base import Sink

_LEVELS = {Severity.INFO: "INFO", Severity.WARNING: "WARN", Severity.CRITICAL: "ERROR"}
_TITLE_LENGTH = 63  # wandb accepts less than 64 characters


class WandbSink(Sink):
    """Calls ``wandb.alert`` when the program itself imported wandb and began a run, else nothing.

    Wandb mails or posts alerts, and holds back those of the same title within a minute.

    :param min_severity: findings below it raise no alert: ``info``, ``warning`` or ``critical``
    :raises ValueError: for an unknown severity
    """

    def __init__(self, min_severity: str | Severity = Severity.WARNING) -> None:
        self.min_severity = (
            Severity.parse(min_severity) if isinstance(min_severity, str) else min_severity
        )
        self._failed = False

    def finding(self, finding: Finding) -> None:
        wandb = sys.modules.get("wandb")
        if wandb is None or wandb.run is None:
            return
        if self._failed or finding.severity < self.min_severity:
            return
        worker = "" if finding.worker is None else f" (worker {finding.worker})"
        try:
            wandb.alert(
                title=f"{finding.detector}{worker}"[:_TITLE_LENGTH],
                text=f"Step {finding.step:,}, since {finding.since:,}: {finding.message}\n"
                f"{finding.advice}",
                level=_LEVELS[finding.severity],
            )
        except Exception as error:  # whatever a third party's client raises must not end training
            self._failed = True
            warnings.warn(f"no further wandb alerts: {error}", stacklevel=2)
