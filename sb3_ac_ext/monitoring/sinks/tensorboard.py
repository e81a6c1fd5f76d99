"""SB3's own logger: scalars under ``diag/`` and findings as TensorBoard text."""

from __future__ import annotations

import warnings
from typing import Any, Protocol

from sb3_ac_ext.monitoring.records import Finding, Snapshot, Verdict
from sb3_ac_ext.monitoring.sinks.base import Sink

PREFIX = "diag/"
FINDINGS = "diag/findings"
# stdout cuts keys at 36 characters and refuses two that are equal after the cut
_NUMBERS_NOT_TO = ("stdout",)
# a text with line breaks breaks the rows of the CSV writer
_TEXT_NOT_TO = ("stdout", "log", "json", "csv")


class LoggerLike(Protocol):
    """What this sink needs of ``stable_baselines3.common.logger.Logger``."""

    name_to_value: dict[str, Any]
    name_to_count: dict[str, int]
    name_to_excluded: dict[str, tuple[str, ...]]
    output_formats: list[Any]

    def record(
        self, key: str, value: Any, exclude: str | tuple[str, ...] | None = None
    ) -> None: ...


class LoggerSink(Sink):
    """Records into SB3's logger and leaves it to SB3 when to dump.

    Every snapshot replaces the values of the one before it, so a dump holds the latest. Findings
    wait in one text until a dump takes them. At the end of training SB3 dumps no more: what is
    still waiting under ``diag/`` then goes to the TensorBoard writers alone, and the rest of the
    logger stays as SB3 left it.

    :param logger: of the model, ``model.logger``; one without TensorBoard is fine
    """

    def __init__(self, logger: LoggerLike) -> None:
        self.logger = logger
        self._step = 0

    def snapshot(self, snapshot: Snapshot) -> None:
        self._step = snapshot.step
        for name, value in snapshot.values.items():
            self.logger.record(PREFIX + name, float(value), exclude=_NUMBERS_NOT_TO)

    def finding(self, finding: Finding) -> None:
        self._step = max(self._step, finding.step)
        # get(): indexing would create the key in SB3's defaultdict and break its next dump
        waiting = self.logger.name_to_value.get(FINDINGS)
        text = _markdown(finding)
        self.logger.record(
            FINDINGS, f"{waiting}\n\n{text}" if waiting else text, exclude=_TEXT_NOT_TO
        )

    def finish(self, verdict: Verdict) -> None:
        values, excluded = self._take_ours()
        for writer in self.logger.output_formats:
            # SB3's TensorBoardOutputFormat is the only one with a SummaryWriter
            if values and hasattr(getattr(writer, "writer", None), "add_text"):
                try:
                    writer.write(values, excluded, self._step)
                except (OSError, ValueError, AssertionError) as error:  # closed, or disk full
                    warnings.warn(f"TensorBoard misses the last values: {error}", stacklevel=2)

    def _take_ours(self) -> tuple[dict[str, Any], dict[str, tuple[str, ...]]]:
        logger = self.logger
        keys = [key for key in logger.name_to_value if key.startswith(PREFIX)]
        values = {key: logger.name_to_value.pop(key) for key in keys}
        excluded = {key: logger.name_to_excluded.pop(key, ("",)) for key in keys}
        for key in keys:
            logger.name_to_count.pop(key, None)
        return values, excluded


def _markdown(finding: Finding) -> str:
    return (
        f"**{finding.severity.label}** at step {finding.step:,} (since {finding.since:,}): "
        f"{finding.message}\n\n{finding.advice}"
    )
