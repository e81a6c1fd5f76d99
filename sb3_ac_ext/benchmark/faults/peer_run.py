"""The runs of the grid once more, watched by reward-scope, whose only interface is a callback."""

from __future__ import annotations

import importlib
import tempfile
import time
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch as th

from sb3_ac_ext.benchmark.faults.cases import Case
from sb3_ac_ext.benchmark.faults.records import RESULT, PeerVerdict, Result, write_result
from sb3_ac_ext.benchmark.faults.run_case import (
    alarm,
    injection_of,
    make_model,
    one_line,
    read_config,
    training_env,
)

WORK = f"{__name__}:run_peer"


def run_peer(
    case: Case, folder: Path, limit: float = 300.0, origin: Mapping[str, str] | None = None
) -> Result:
    """Train as :func:`.run_case.run_case` does, with ``RewardScopeCallback`` in place of ours.

    :param folder: where ``<slug>.json`` is written
    """
    th.set_num_threads(1)
    injection, config = injection_of(case), read_config(case.scenario)
    alerts: list[Any] = []
    error = None
    env = training_env(case, config, injection)
    model = make_model(case, config, env, injection)
    package = importlib.import_module("reward_scope.integrations")
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as storage, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        callback = package.RewardScopeCallback(
            case.slug, storage, on_alert=alerts.append, verbose=0
        )
        try:
            with nullcontext() if injection is None else injection.model(model), alarm(limit):
                model.learn(case.scenario.budget, callback=callback)
        except Exception as caught:
            error = one_line(caught)
    graver = [alert for alert in alerts if alert.alert_severity.value == "alert"]
    verdict = PeerVerdict(
        critical=bool(graver),
        warned=bool(alerts),
        what=tuple(dict.fromkeys(alert.type.value for alert in alerts)),
    )
    seconds = round(time.perf_counter() - start, 2)
    result = Result(case, seconds=seconds, error=error, origin=origin or {}, peer=verdict)
    write_result(folder / f"{case.slug}{RESULT}", result)
    return result
