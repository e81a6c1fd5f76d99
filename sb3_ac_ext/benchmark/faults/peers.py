"""Other monitors asked about the same runs, each through its own public interface.

``rlwatch`` is given the numbers of every snapshot by ``log_step``, ``rldoctor`` all of them by
``run_from_records``, ``zen-rl`` the series that it reads from SB3's TensorBoard files.
``reward-scope`` has a callback only, so that it watches the runs anew, see :mod:`.peer_run`. All
have their default settings. They were not made for all of these faults; the table says what a user
gets who relies on them.
"""

from __future__ import annotations

import importlib
import io
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sb3_ac_ext.benchmark.faults.judge import Judged
from sb3_ac_ext.benchmark.faults.records import (
    HISTORY,
    PeerVerdict,
    Result,
    read_history,
    results,
)
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Snapshot

Numbers = dict[str, float]
Ask = Callable[[History], PeerVerdict]
REWARD_SCOPE = "reward-scope"


@dataclass(frozen=True)
class PeerVerdicts:
    """What one package says of recorded runs.

    :param verdicts: by name of the case; empty where it could not be asked
    :param missing: why it was not asked, empty when it was
    """

    name: str
    verdicts: Mapping[str, PeerVerdict]
    missing: str = ""


def ask_all(folder: Path, judged: Sequence[Judged]) -> list[PeerVerdicts]:
    """Ask every peer that is installed.

    :param folder: with the histories of the judged runs
    """
    asked = [
        _asked(name, ask, folder, judged)
        for name, ask in (("rlwatch", rlwatch), ("rldoctor", rldoctor), ("zen-rl", zen))
    ]
    return [*asked, _watched(folder, judged)]


def _asked(name: str, ask: Ask, folder: Path, judged: Sequence[Judged]) -> PeerVerdicts:
    label = _label(name)
    if label is None:
        return PeerVerdicts(name, {}, "not installed: pip install 'sb3-ac-ext[peers]'")
    verdicts = {}
    for one in judged:
        slug = one.result.case.slug
        path = folder / f"{slug}{HISTORY}"
        if path.exists():
            verdicts[slug] = _quietly(ask, read_history(path))
    return PeerVerdicts(label, verdicts)


def _quietly(ask: Ask, history: History) -> PeerVerdict:
    """Without what it prints; where it breaks, it has found nothing."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        try:
            return ask(history)
        except Exception as error:
            return PeerVerdict(what=(f"raised {type(error).__name__}",))


def _watched(folder: Path, judged: Sequence[Judged]) -> PeerVerdicts:
    wanted = {one.result.case.slug for one in judged}
    found: Sequence[Result] = []
    if (folder / REWARD_SCOPE).is_dir():
        found = results(folder / REWARD_SCOPE)
    verdicts = {r.case.slug: r.peer for r in found if r.peer is not None and r.case.slug in wanted}
    missing = "" if verdicts else "it has not watched these runs: install it and give --peers"
    return PeerVerdicts(_label(REWARD_SCOPE) or REWARD_SCOPE, verdicts, missing)


def _label(name: str) -> str | None:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return None


def rlwatch(history: History) -> PeerVerdict:
    """``rlwatch.attach(framework="manual")`` and ``log_step`` for every snapshot."""
    package = importlib.import_module("rlwatch")
    with tempfile.TemporaryDirectory() as folder:
        monitor = package.attach(framework="manual", storage={"log_dir": folder})
        alerts = [
            alert
            for i, snapshot in enumerate(history)
            for alert in monitor.log_step(i, **_of(snapshot, _RLWATCH))
        ]
        monitor.stop()
    return _verdict([(alert.severity, alert.detector) for alert in alerts])


def rldoctor(history: History) -> PeerVerdict:
    """``rl_doctor.diagnose`` of the run that ``run_from_records`` makes."""
    package = importlib.import_module("rl_doctor")
    records = [{"step": i, **_of(snapshot, _RLDOCTOR)} for i, snapshot in enumerate(history)]
    if not records:
        return PeerVerdict()
    algo = (history.info.algo or "").lower()
    diagnosis = package.diagnose(package.run_from_records(records, config={"algorithm": algo}))
    return _verdict([(f.severity.name.lower(), f.detector) for f in diagnosis.findings])


def zen(history: History) -> PeerVerdict:
    """What ``zen RUN`` does with the scalars of a TensorBoard folder; it knows no severities."""
    detect = importlib.import_module("zen.detect.rules").detect
    ranking = importlib.import_module("zen.vlak")
    metrics = {}
    for tag, names in _ZEN.items():
        series = next((history.series(name) for name in names if history.has(name)), None)
        if series is not None:
            metrics[tag] = list(zip(series.steps.tolist(), series.values.tolist(), strict=True))
    issues = ranking.group(ranking.rank(detect(metrics)))
    return _verdict([("warning", issue["mode"]) for issue in issues])


def _verdict(findings: Sequence[tuple[str, str]]) -> PeerVerdict:
    raised = [(severity, what) for severity, what in findings if severity in _ALARMS]
    return PeerVerdict(
        critical=any(severity == "critical" for severity, _ in raised),
        warned=bool(raised),
        what=tuple(dict.fromkeys(what for _, what in raised)),
    )


_ALARMS = ("warning", "critical")


def _of(snapshot: Snapshot, names: Mapping[str, Sequence[str]]) -> Numbers:
    """Their names -> the first of ours that the snapshot has."""
    values = snapshot.values
    return {
        theirs: values[found]
        for theirs, ours in names.items()
        if (found := next((name for name in ours if name in values), None)) is not None
    }


_LOSSES = ("train/loss", "train/policy_loss", "train/actor_loss")
_RLWATCH = {
    "entropy": ("policy/entropy",),
    "kl_divergence": ("train/approx_kl", "policy/kl"),
    "reward_mean": ("episodes/return_mean",),
    "reward_std": ("episodes/return_std",),
    "advantage_std": ("advantages/std",),
    "loss": _LOSSES,
    "learning_rate": ("train/learning_rate",),
    "clip_fraction": ("train/clip_fraction",),
    "grad_norm": ("gradients/policy/norm_mean", "gradients/actor/norm_mean"),
}
_RLDOCTOR = {
    "entropy": ("policy/entropy",),
    "kl": ("train/approx_kl", "policy/kl"),
    "reward_mean": ("episodes/return_mean",),
    "reward_std": ("episodes/return_std",),
    "advantage/mean": ("advantages/mean",),
    "advantage/std": ("advantages/std",),
    "policy_loss": ("train/policy_gradient_loss", "train/policy_loss", "train/actor_loss"),
    "learning_rate": ("train/learning_rate",),
    "clipfrac": ("train/clip_fraction",),
    "grad_norm": ("gradients/policy/norm_mean", "gradients/actor/norm_mean"),
    "explained_variance": ("train/explained_variance",),
    "eval/score": ("canary/return_mean",),
}
_ZEN = {
    "train/approx_kl": ("train/approx_kl",),
    "train/entropy_loss": ("train/entropy_loss",),
    "train/policy_gradient_loss": ("train/policy_gradient_loss",),
    "rollout/ep_rew_mean": ("episodes/return_mean",),
}
