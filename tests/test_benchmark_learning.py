"""What is learnt, and how soon: statistics by hand, and the commands on tasks of a moment."""

from __future__ import annotations

import json
import math

import pytest

from sb3_ac_ext.benchmark.faults.cases import Scenario
from sb3_ac_ext.benchmark.learning import command, curves, sides, solving
from sb3_ac_ext.benchmark.learning.sides import COMPILED, EAGER, IN_BACKGROUND, SB3, make
from sb3_ac_ext.cli import main

TINY = Scenario("a2c", "CartPole-v1", "tuned", 400, 2, False)


def test_sides_have_the_same_settings() -> None:
    for task in curves.TASKS:
        models = [make(side, task, 1) for side in (SB3, EAGER, COMPILED, IN_BACKGROUND)]
        assert len({sum(p.numel() for p in m.policy.parameters()) for m in models}) == 1
        assert len({m.gamma for m in models}) == 1
        assert {type(m).__module__.split(".")[0] for m in models} == {
            "stable_baselines3",
            "sb3_ac_ext",
        }


@pytest.mark.parametrize("has", [True, False])
def test_wide_layers_learn_in_bfloat16_where_the_processor_has_it(
    has: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sides, "has_bf16", lambda: has)
    by_algo = {task.algo: sides.learners(task) for task in curves.TASKS}
    assert {algo for algo, row in by_algo.items() if sides.HALF in row} == (
        {"sac", "td3"} if has else set()
    )


def test_every_task_learns_within_its_budget() -> None:
    for task in curves.TASKS:
        assert getattr(make(SB3, task, 1), "learning_starts", 0) <= 0.7 * task.budget


def test_intervals_and_ranks() -> None:
    returns = {"SB3": (1.0, 2.0, 3.0, 4.0, 5.0), "ours": (11.0, 12.0, 13.0, 14.0, 15.0)}
    found = curves.Learnt("task", 10, returns)
    low, high = found.interval("SB3")  # 3 +- 2.776 sqrt(2.5 / 5)
    assert (low, high) == (pytest.approx(1.037, abs=1e-3), pytest.approx(4.963, abs=1e-3))
    p_value, effect = found.against("ours")
    assert p_value == pytest.approx(2 / 252) and effect == 1.0
    assert found.against("SB3", "ours")[1] == -1.0
    assert found.line() == (
        "task, 10 steps: SB3 3.0 (1.0 to 5.0); ours 13.0 (11.0 to 15.0, p 0.01, effect +1.00)"
    )
    assert math.isnan(curves.Learnt("task", 10, {"SB3": (1.0,)}).interval("SB3")[0])


def test_learning_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["benchmark", "learning", "--only", "no such task"]) == 2
    assert "there are ppo-CartPole-v1-tuned" in capsys.readouterr().out
    worse = {"SB3": (11.0, 12.0, 13.0, 14.0), EAGER.name: (1.0, 2.0, 3.0, 4.0)}
    monkeypatch.setattr(curves, "learn", lambda *_, **__: [curves.Learnt("task", 10, worse)])
    assert main(["benchmark", "learning"]) == 0
    printed = capsys.readouterr().out
    assert "12.5" in printed and "worse" in printed and "-1.00" in printed


def test_returns_of_a_task() -> None:
    [found] = curves.learn([TINY], [1, 2], sides=lambda _: (SB3, EAGER))
    assert set(found.returns) == {"SB3", "ours, eager"}
    assert all(len(row) == 2 and min(row) > 5.0 for row in found.returns.values())


def test_the_clock_stops_while_a_policy_is_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solving, "CHECK", 100)
    monkeypatch.setattr(solving, "EPISODES", 3)
    monkeypatch.setattr(solving, "SOLVED", 1.0)
    solved = solving._timed(TINY, SB3, 1, 0.5)
    assert solved.steps == 100 and 0.0 < solved.seconds < 10.0 and solved.imports == 0.5
    monkeypatch.setattr(solving, "SOLVED", 1e9)
    assert solving._timed(TINY, EAGER, 1, 0.5).seconds == math.inf


def test_solve_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    seconds = {"SB3": (4.0, 2.0, 9.0), EAGER.name: (1.0, 2.0, 1.0), IN_BACKGROUND.name: (3.0,)}
    runs = tuple(
        solving.Solved(side, seed, value, 5_000, 1.0)
        for side, row in seconds.items()
        for seed, value in enumerate(row)
    )
    monkeypatch.setattr(command, "race", lambda *_: solving.Race("task", runs))
    assert main(["benchmark", "solve", "--algo", "ppo"]) == 0
    assert "of SB3's: 0.25, target 0.5 kept" in capsys.readouterr().out
    assert main(["benchmark", "solve", "--algo", "ppo", "--json"]) == 0
    [result] = json.loads(capsys.readouterr().out)
    assert len(result["runs"]) == len(runs)
