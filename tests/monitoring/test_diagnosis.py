"""Findings to ranked causes, and the replay that makes a verdict."""

import numpy as np
import pytest

from sb3_ac_ext.monitoring.causes import CAUSES
from sb3_ac_ext.monitoring.detectors import LargeKL
from sb3_ac_ext.monitoring.diagnosis import diagnose
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Finding, Severity
from sb3_ac_ext.monitoring.watch import Watch, judge
from tests.monitoring.histories import rising, table
from tests.monitoring.test_detectors import workers


def finding(
    detector: str, causes: dict[str, float], severity: Severity = Severity.CRITICAL, since: int = 0
) -> Finding:
    return Finding(detector, severity, f"{detector} fired", 10, since, 1.0, 0.5, ("x",), causes, "")


def test_confidence_is_the_noisy_or_of_the_findings() -> None:
    first = finding("a", {"reward_scale": 0.5})
    second = finding("b", {"reward_scale": 0.5}, Severity.WARNING)
    [only] = diagnose([first, second])
    assert only.confidence == pytest.approx(1.0 - 0.5 * (1.0 - 0.5 * 0.7))
    assert only.detectors == ("a", "b") and only.severity is Severity.CRITICAL


def test_a_certain_cause_explains_its_consequences_away() -> None:
    worker = finding("worker_rewards", {"worker_reward_scale": 1.0}, since=500)
    spike = finding("gradient_spike", {"reward_scale": 0.9, "learning_rate_too_high": 0.4})
    first, *others = diagnose([spike, worker])
    assert first.cause == "worker_reward_scale" and first.confidence == 1.0
    assert any("explained by this cause" in note for note in first.ruled_out)
    for other in others:
        assert other.severity is Severity.INFO and other.confidence < 0.25
        assert "explained by" in other.ruled_out[0]


def test_what_explains_a_finding_explains_the_alternatives_that_it_named() -> None:
    zero = finding("reward_parity", {"reward_constant": 0.95})
    gap = finding("canary_gap", {"evaluation_mismatch": 0.6, "action_path": 0.2})
    first, second, third = diagnose([gap, zero])
    assert first.cause == "reward_constant" and first.severity is Severity.CRITICAL
    assert {second.cause, third.cause} == {"evaluation_mismatch", "action_path"}
    assert third.severity is Severity.INFO and "explained by" in third.ruled_out[0]
    late = finding("late_action", {"action_path": 0.85})
    assert {d.cause for d in diagnose([gap, zero, late])[:2]} == {"reward_constant", "action_path"}


def test_an_unlikely_cause_explains_nothing() -> None:
    weak = finding("worker_rewards", {"worker_reward_scale": 0.5}, Severity.INFO)
    strong = finding("gradient_spike", {"reward_scale": 0.9})
    assert diagnose([weak, strong])[0].cause == "reward_scale"


def test_no_cause_explains_itself_however_far_around() -> None:
    def reached(name: str, path: tuple[str, ...] = ()) -> None:
        assert name not in path, (*path, name)
        for other in CAUSES[name].explains:
            reached(other, (*path, name))

    for name, cause in CAUSES.items():
        assert cause.title and cause.remedy and 1 <= cause.certainty <= 3
        reached(name)


def test_no_findings_no_causes() -> None:
    assert diagnose([]) == ()


def test_a_healthy_history_is_healthy_and_a_short_one_is_not_judged() -> None:
    healthy = table({"episodes/return_mean": rising(40), "policy/kl": [0.01] * 40})
    assert judge(healthy).status == "healthy"
    assert judge(table({"policy/kl": [0.01] * 3})).status == "not enough evidence"


def test_replay_gives_what_live_watching_gave() -> None:
    rows = [[1.0, 1.0, 1.0, 1.0]] * 4 + [[1.0, 1.0, 10.0, 1.0]] * 4
    kl = list(np.linspace(0.01, 2.0, 8))
    history = workers(rows)
    for snapshot, value in zip(history, kl, strict=True):
        snapshot.values["policy/kl"] = value  # type: ignore[index]
    history = History(history.info, list(history))
    from sb3_ac_ext.monitoring.detectors import default_detectors

    watch, news = Watch(default_detectors()), []
    for n in range(1, len(history) + 1):
        news += watch.update(history.until(n))
    live, replayed = watch.verdict(history), judge(history)
    assert live == replayed and replayed.status == "critical"
    assert replayed.diagnoses[0].cause == "worker_reward_scale"
    assert len({f.key for f in replayed.findings}) == len(replayed.findings)
    keys = [f.key for f in news]
    assert keys == [("large_kl", None), ("worker_rewards", 2)], "one alert per cause"


def test_a_finding_is_told_again_when_it_becomes_graver() -> None:
    history = table({"policy/kl": [0.01, 0.3, 0.3, 0.3, 3.0, 3.0, 3.0, 3.0]})
    watch = Watch([LargeKL()])
    news = [finding for n in range(1, 9) for finding in watch.update(history.until(n))]
    assert [finding.severity for finding in news] == [Severity.WARNING, Severity.CRITICAL]


def test_a_verdict_and_its_parts_survive_json() -> None:
    import json

    history = table({"rewards/nonfinite": [0] * 5 + [2]})
    verdict = judge(history)
    data = json.loads(json.dumps(verdict.to_json(), allow_nan=False))
    assert data["status"] == "critical" and data["diagnoses"][0]["cause"] == "nonfinite_environment"
    assert Finding.from_json(data["findings"][0]) == verdict.findings[0]
