"""The sinks that the callback writes to unless it is given others."""

from __future__ import annotations

from pathlib import Path

from sb3_ac_ext.monitoring.sinks.base import Sink
from sb3_ac_ext.monitoring.sinks.console import PlainConsole
from sb3_ac_ext.monitoring.sinks.jsonl import JsonlSink
from sb3_ac_ext.monitoring.sinks.wandb_sink import WandbSink
from sb3_ac_ext.monitoring.sinks.webhook import WebhookSink


def default_sinks(log_dir: Path | str | None, webhook: str | None, verbose: int) -> list[Sink]:
    """Files first, so that what a person is told is on disk by then.

    :param log_dir: folder for ``monitor.jsonl`` and ``findings.jsonl``, ``None`` for no files
    :param webhook: URL to post findings to, ``None`` for none
    :param verbose: 0 prints nothing
    :raises ValueError: for a ``log_dir`` that is a file or a URL that is not http or https
    """
    sinks: list[Sink] = [] if log_dir is None else [JsonlSink(log_dir)]
    sinks.append(WandbSink())
    if webhook is not None:
        sinks.append(WebhookSink(webhook))
    if verbose > 0:
        sinks.append(PlainConsole())
    return sinks
