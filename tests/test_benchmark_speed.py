"""The speed benchmark times what it says, and takes its ratios round by round."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from stable_baselines3 import A2C, PPO, SAC, TD3

from sb3_ac_ext.benchmark import imports
from sb3_ac_ext.benchmark.speed import command, limit, measure, works
from sb3_ac_ext.benchmark.speed.measure import Measured, Speed
from sb3_ac_ext.benchmark.speed.plot import write_plot
from sb3_ac_ext.benchmark.speed.profile import PARTS, Stopwatch, profile
from sb3_ac_ext.cli import main


def test_every_side_trains_networks_of_the_same_size() -> None:
    for work in works.WORKS:
        sides = [side for side in works.sides_of(work) if side.package != "sbx"]
        sizes = {sum(p.numel() for p in work.make(side).policy.parameters()) for side in sides}
        assert len(sizes) == 1 and {works.SB3, works.OURS} == {s.package for s in sides}
        assert any("compile" in side.arguments for side in sides)


def test_operations_are_those_counted_by_hand() -> None:
    small = {"net_arch": [8]}
    ppo = PPO("MlpPolicy", "CartPole-v1", policy_kwargs=small, n_epochs=3, device="cpu")
    weights = 2 * 4 * 8 + 8 * 2 + 8 * 1
    assert limit.operations(ppo) == 2 * weights + 6 * weights * 3
    a2c = A2C("MlpPolicy", "CartPole-v1", policy_kwargs=small, device="cpu")
    assert limit.operations(a2c) == 8 * weights
    off = {"policy_kwargs": small, "batch_size": 10, "device": "cpu"}
    actor, critic = 3 * 8 + 8, 2 * (4 * 8 + 8)
    td3 = TD3("MlpPolicy", "Pendulum-v1", **off)
    per_row = 2 * actor + 2 * critic + 6 * critic + (6 * actor + 2 * critic) / 2
    assert limit.operations(td3) == 2 * actor + 10 * per_row
    sac = SAC("MlpPolicy", "Pendulum-v1", **off)
    actor = 3 * 8 + 2 * 8
    assert limit.operations(sac) == 2 * actor + 10 * (8 * actor + 12 * critic)


def test_ratios_are_taken_round_by_round() -> None:
    sides = (
        Speed("SB3, 1 thread", "stable_baselines3", (100.0, 200.0, 100.0), 1.0),
        Speed("SB3, 2 threads", "stable_baselines3", (50.0, 400.0, 90.0), 1.0),
        Speed("ours, eager", "sb3_ac_ext", (200.0, 400.0, 150.0), 1.0),
        Speed("ours, compiled", "sb3_ac_ext", (300.0, 400.0, 400.0), 1.0),
    )
    found = Measured("work", 10, (1000.0, 800.0, 400.0), (None, None, None), sides)
    assert found.best.side == "ours, compiled"
    assert found.over("stable_baselines3") == 3.0  # of 3, 1 and 4
    assert found.over("stable_baselines3", sides[0]) == 1.0  # of 1, 0.5 and 1
    assert found.over("sbx") is None
    assert found.of_limit() == 0.5  # of 0.3, 0.5 and 1
    assert found.of_limit(sides[0]) == 0.25  # of 0.1, 0.25 and 0.25


def test_command_prints_tables_targets_and_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = replace(works.WORKS[2], timesteps=200, targets=(1000.0, 1.0, 0.0))
    monkeypatch.setattr(works, "WORKS", (tiny,))
    monkeypatch.setattr(
        measure, "sides_of", lambda work: [works.SIDES[0], works.SIDES[1], works.SIDES[2]]
    )
    assert main(["benchmark", "speed", "--rounds", "1", "--algo", "a2c"]) == 0
    printed = capsys.readouterr().out
    assert "SB3, 2 threads" in printed and "target 1000.00 missed" in printed
    assert "of the limit" in printed and "target 0.00 kept" in printed
    assert main(["benchmark", "speed", "--rounds", "1", "--json"]) == 0
    [result] = json.loads(capsys.readouterr().out)
    assert len(result["sides"]) == 3 and result["sides"][2]["peak_memory"] > 50.0


def test_a_table_needs_no_eager_side(capsys: pytest.CaptureFixture[str]) -> None:
    sides = tuple(Speed(side.name, side.package, (100.0,), 1.0) for side in works.WITH_HALF)
    command.print_table(Measured("work", 10, (1000.0,), (2.8, None, None), sides))
    printed = capsys.readouterr().out
    assert "ours, compiled, bf16" in printed and "over SB3: 1.00, target 2.80 missed" in printed


def test_a_side_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    from sb3_ac_ext.benchmark.speed.worker import Worker

    broken = replace(works.WORKS[2], arguments={"n_steps": "many"})
    with Worker(broken, works.SIDES[0]) as worker, pytest.raises(RuntimeError, match="SB3, 1"):
        worker.run(100)


def test_where_compiling_pays() -> None:
    eager = Speed(works.EAGER, "sb3_ac_ext", (100.0,), 1.0)
    fast = Speed(works.COMPILED, "sb3_ac_ext", (400.0,), 1.0, first=31.0)
    found = Measured("work", 400, (1000.0,), (None, None, None), (eager, fast))
    assert found.break_even(fast, eager) == pytest.approx(30.0 / (0.01 - 0.0025))  # 4,000 steps
    assert found.break_even(eager, fast) is None


def test_cost_against_one_number() -> None:
    for what, values in works.VARIED.items():
        for work in (works.WORKS[0], works.WORKS[3]):
            if what == "n_envs" and work.algo == "SAC":
                continue
            for one, value in zip(works.varied(work, what), values, strict=True):
                model = one.make(works.SIDES[0])
                assert str(value) in one.name
                widths = {m.out_features for m in model.policy.modules() if hasattr(m, "weight")}
                found = {"n_envs": model.n_envs, "batch_size": model.batch_size}
                assert value in widths if what == "width" else found[what] == value
                if work.algo == "PPO":
                    assert model.n_steps * model.n_envs == 2048


def test_plot(tmp_path: Path) -> None:
    eager = Speed(works.EAGER, "sb3_ac_ext", (100.0, 120.0, 90.0), 1.0)
    write_plot(
        [Measured("a work", 400, (1000.0,), (None, None, None), (eager,))], tmp_path / "x.html"
    )
    text = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert "a work" in text and works.EAGER in text and "plotly" in text


def test_parts_of_a_profile_leave_out_what_is_inside_them(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 1.0, 3.0, 6.0, 10.0, 15.0, 21.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(now))
    watch = Stopwatch()
    inner = watch.timed("gradients", lambda: None)
    with watch.part("the rest"):
        watch.timed("losses", inner)()
    assert watch.seconds == {
        "the rest": 1.0 + 2.0 + 6.0,
        "losses": 3.0 + 5.0,
        "gradients": 4.0,
    }


@pytest.mark.parametrize("number", [0, 3])
def test_a_profile_knows_every_part(number: int) -> None:
    work = replace(works.WORKS[number], timesteps=300)
    for side in works.SIDES[:3:2]:  # SB3 and ours, eager
        found = profile(work, side)
        trained = {"environment", "rollouts besides", "batches", "losses", "gradients", "optimizer"}
        assert all(found.parts[part] > 0.0 for part in trained)
        assert set(found.parts) == set(PARTS) and (found.acting is None) == (work.algo == "SAC")


def test_the_profile_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "PROFILED", works.SIDES[:3:2])
    assert main(["benchmark", "profile", "--algo", "a2c", "--timesteps", "200"]) == 0
    printed = capsys.readouterr().out
    assert "A2C, CartPole-v1 x 8" in printed and "ours, eager" in printed and "acting" in printed


def test_imports_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "imports", "--rounds", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert 0.0 < found["algorithms"][0] < found["sb3"][0] and found["monitor"][0] > 0.0
    line = imports.Imports((2.0, 4.0, 3.0), (0.1, 0.4, 0.3), (1.0, 1.0, 1.0)).line()
    assert "takes 3.00 s, the drop-in algorithms 0.30 s more (0.10 to 0.40 in 3 rounds" in line
    assert "bound 0.2 s missed), the monitor another 1.00 s" in line
