"""The benchmark of remedies: its faults break what they say, its shares are counted as told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sb3_ac_ext.benchmark import remedies
from sb3_ac_ext.benchmark.remedies import RemedyResult, run_remedies, trials
from sb3_ac_ext.cli import main
from sb3_ac_ext.monitoring.actions import parse_actions


def test_shares_are_counted_from_the_worst_return() -> None:
    result = RemedyResult("f", "t", -1400.0, (-200.0,), (-1200.0,), (-300.0,), (2,))
    assert result.recovered == pytest.approx(0.9)
    assert result.share == pytest.approx(1100 / 1200)
    harmless = replace(result, broken=(-200.0,))
    assert np.isnan(harmless.recovered) and harmless.to_json()["acted"] == (2,)


def test_every_trial_has_actions_that_are_accepted_and_a_task_that_exists() -> None:
    assert len({(trial.name, trial.task) for trial in trials()}) >= 5
    for trial in trials():
        assert parse_actions(trial.actions())


def test_faults_begin_where_they_should() -> None:
    jump = remedies._jumping(1e-3, 300.0)
    assert [jump(1.0), jump(0.7), jump(0.5)] == pytest.approx([1e-3, 0.7e-3, 0.15])
    envs = remedies._envs("CartPole-v1", 2, 0, outliers=(1,), begin=50, size=1e4)
    envs.reset()
    rewards = np.array([envs.step(np.array([0, 1]))[1] for _ in range(600)])
    assert (np.abs(rewards[:50]) <= 1.0).all() and (np.abs(rewards[:, 0]) <= 1.0).all()
    assert 1 <= (np.abs(rewards[50:, 1]) == 1e4).sum() <= 20


def test_the_entropy_coefficient_jumps_once() -> None:
    model, callbacks = remedies._cartpole_ppo(0, broken=True, ent_coef=1.0)
    model.n_steps = model.rollout_buffer.buffer_size = 16  # type: ignore[attr-defined]
    model.learn(512, callback=callbacks)
    assert model.ent_coef == 1.0  # type: ignore[attr-defined]
    whole, none = remedies._cartpole_ppo(0, broken=False, ent_coef=1.0)
    assert not none and whole.ent_coef == 0.0  # type: ignore[attr-defined]


def test_a_trial_is_run_three_times_per_seed_and_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    short = replace(trials()[0], timesteps=1024)
    monkeypatch.setattr(remedies, "trials", lambda: [short])
    monkeypatch.setattr(remedies, "_EPISODES", 2)
    said: list[str] = []
    (result,) = run_remedies([0], say=said.append)
    assert [len(row) for row in (result.clean, result.broken, result.remedied)] == [1, 1, 1]
    assert len(said) == 3 and said[2].startswith("learning rate jumps 300-fold (ppo CartPole-v1)")
    assert run_remedies([0], names=["other"]) == []
    given: dict[str, Any] = {}

    def fake(seeds: Any, say: Any) -> list[RemedyResult]:
        given.update(seeds=seeds)
        return [result]

    monkeypatch.setattr(remedies, "run_remedies", fake)
    assert main(["benchmark", "remedies", "--seeds", "4", "5"]) == 0
    assert given["seeds"] == [4, 5] and "of clean" in capsys.readouterr().out
    assert main(["benchmark", "remedies", "--json"]) == 0
    assert '"recovered"' in capsys.readouterr().out
