"""The overhead benchmark measures what it says, on work small enough for a test."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

from sb3_ac_ext import DiagnosticsCallback
from sb3_ac_ext.benchmark import overhead
from sb3_ac_ext.checkpoints.callback import BundleCallback
from sb3_ac_ext.cli import main


def tiny() -> overhead.Work:
    return overhead.Work("ppo tiny", 1024, 1.03, ppo, lambda _: DiagnosticsCallback(verbose=0))


def ppo() -> PPO:
    return PPO("MlpPolicy", "CartPole-v1", n_steps=128, batch_size=64)


@pytest.mark.parametrize("callback", [tiny().callback, partial(BundleCallback, every=256)])
def test_measure_pairs_runs_with_and_without(
    callback: Callable[[Path], BaseCallback],
) -> None:
    result = overhead.measure(replace(tiny(), callback=callback), pairs=2)
    assert result.pairs == 2 and result.plain_seconds > 0.0
    assert 0.5 < result.low <= result.ratio <= result.high < 5.0
    assert 0.0 < result.callback_share < 0.5 and 0.5 < result.cpu_ratio < 5.0
    told = replace(result, ratio=1.02, low=1.0, high=1.03, cpu_ratio=1.01, callback_share=0.005)
    assert told.line() == "1.020 (1.000 to 1.030), CPU 1.010, own clock 0.5%"


def test_the_works_are_those_that_the_bounds_are_set_for() -> None:
    bounds = [(work.name.split()[0], work.target) for work in overhead.works()]
    assert bounds[:4] == [("ppo", 1.03), ("ppo", 1.03), ("a2c", 1.03), ("sac", 1.01)]
    assert bounds[4:7] == [("a2c", 1.01), ("ppo", 1.01), ("sac", 1.01)]
    assert bounds[7:] == [("ppo", 1.02), ("a2c", 1.02), ("sac", 1.02)]
    for work in overhead.works():
        model = work.make()
        assert type(model).__module__.startswith("stable_baselines3")
        assert model.n_envs == int(work.name.partition(" x ")[2][:1] or 1)


def test_command_prints_a_table_and_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(overhead, "works", lambda: [tiny()])
    assert main(["benchmark", "overhead", "--pairs", "1"]) == 0
    assert "ppo" in capsys.readouterr().out
    assert main(["benchmark", "overhead", "--pairs", "1", "--json"]) == 0
    [result] = json.loads(capsys.readouterr().out)
    assert result["name"] == "ppo tiny" and result["target"] == 1.03


@pytest.mark.parametrize(
    "arguments", [["--pairs", "0"], ["--algo", "dqn"], ["--num-threads", "100000"], []]
)
def test_wrong_arguments_end_with_one_sentence(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    kind = ["overhead"] if arguments else []
    assert main(["benchmark", *kind, *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("sb3-ac: error:") and error.count("\n") == 1


def test_replay_prints_the_ratio_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["benchmark", "replay", "--transitions", "2000", "--rounds", "1"]
    assert main([*arguments, "--batch-size", "8"]) == 0
    assert "8 of 2,000 transitions: uniform" in capsys.readouterr().out
    assert main([*arguments, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["ratio"] == pytest.approx(result["prioritized"] / result["uniform"])
