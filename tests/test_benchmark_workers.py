"""The benchmark of one worker that pays ten times: what it compares, and its statistics."""

from __future__ import annotations

import json
from math import isnan
from typing import Any

import numpy as np
import pytest

from sb3_ac_ext.benchmark.workers import (
    BROKEN,
    CLEAN,
    OURS,
    PLAIN,
    SCALED,
    SIDES,
    STOCK,
    Learnt,
    interval,
    print_learnt,
    share,
    training_env,
)
from sb3_ac_ext.cli import main


def learnt(side: str, *returns: float) -> Learnt:
    return Learnt("ppo", side, 100, returns, tuple(0.5 for _ in returns))


def test_intervals() -> None:
    values = np.random.default_rng(0).normal(10.0, 2.0, 100)
    low, high = interval(tuple(values))
    reach = 1.96 * values.std() / 10.0
    assert low == pytest.approx(values.mean() - reach, abs=0.1)
    assert high == pytest.approx(values.mean() + reach, abs=0.1)
    assert interval((500.0, 500.0)) == (500.0, 500.0)
    assert isnan(interval((1.0,))[0])


def test_share_of_the_clean_return() -> None:
    found = share(learnt(OURS, 90.0, 110.0), learnt(CLEAN, 200.0, 200.0))
    assert found == pytest.approx((0.5, 0.45, 0.55))


@pytest.mark.parametrize("side", SIDES)
def test_what_each_side_learns_from(side: str) -> None:
    env = training_env(side, seed=0, gamma=0.98)
    env.reset()
    act = np.zeros(env.num_envs, dtype=int)
    rewards = np.array([env.step(act)[1] for _ in range(300)])[150:]
    other = 0 if BROKEN else 1
    ratio = rewards[:, BROKEN].mean() / rewards[:, other].mean()
    # all workers do the same here: episodes of nine or ten steps with one reward each
    expected = {CLEAN: 1.0, SCALED: 1.0, PLAIN: 10.0, STOCK: 10.0, OURS: 1.0}[side]
    assert ratio == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize(
    ("ours", "said"),
    [
        (96.0, ("96.0%", "'clean', target within 5%: kept")),
        (90.0, ("'clean', target within 5%: missed",)),
        (120.0, ("'clean', target within 5%: missed, by a higher return",)),
        (120.0, ("96.0%", "'clean, per worker', target within 5%: kept")),
    ],
)
def test_the_table_says_whether_the_target_was_kept(
    ours: float, said: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    clean, scaled = learnt(CLEAN, 100.0, 100.0), learnt(SCALED, 125.0, 125.0)
    print_learnt([clean, scaled, learnt(OURS, ours, ours)])
    lines = capsys.readouterr().out.splitlines()
    assert any(all(part in line for part in said) for line in lines)


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--algo", "a2c", "--seeds", "1", "--timesteps", "512", "--jobs", "1", "--json"]
    assert main(["benchmark", "workers", *arguments]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    assert [one["side"] for one in found] == list(SIDES)
    assert all(len(one["returns"]) == 1 and one["timesteps"] == 512 for one in found)
