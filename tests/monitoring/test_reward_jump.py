"""Rewards of a size that a run had never seen before, and what is none of their doing."""

from __future__ import annotations

from typing import Any

import pytest

from sb3_ac_ext.monitoring.detectors import RewardJump
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Severity
from tests.monitoring.histories import findings, table

_BEFORE = [1.0] * 6


def run(
    largest: list[float],
    mean: list[float] | None = None,
    best: list[float] | None = None,
    scale: float = 1.0,
    typical: list[list[float]] | None = None,
    workers: list[list[float]] | None = None,
) -> History:
    """Rewards of 1 a step before, episodes of 100 steps.

    :param scale: of the rewards received, over those that ``Monitor`` sees
    """
    n = len(largest)
    mean = mean or [100.0] * n
    columns = {
        "rewards/max_abs": [scale * size for size in largest],
        "rewards/mean": [scale] * n,
        "episodes/length_mean": [100.0] * n,
        "episodes/return_mean": mean,
        "episodes/return_max": best or mean,
    }
    arrays: dict[str, Any] = {"rewards/worker_scale": typical or [[1.0, float("nan")]] * n}
    if workers:
        arrays["rewards/worker_max_abs"] = workers
    return table(columns, arrays)


def test_outliers_are_told_after_three_snapshots() -> None:
    [first, *_] = found = findings(RewardJump(), run([*_BEFORE, *[1e4] * 4]))
    assert (len(found), first.step, first.since) == (2, 900, 700)
    assert first.severity is Severity.WARNING and first.threshold == pytest.approx(20.0)
    assert max(first.causes, key=lambda cause: first.causes[cause]) == "reward_outliers"


@pytest.mark.parametrize(
    ("largest", "fires"),
    [
        ([*_BEFORE, 19.0, 19.0, 19.0, 19.0], False),
        ([*_BEFORE, 21.0, 21.0, 21.0], True),
        ([*_BEFORE, 1e4, 1.0, 1e4, 1.0, 1e4], True),  # rare ones are not in every snapshot
        ([*_BEFORE, 1e4, 1.0, 1.0, 1.0, 1e4, 1.0, 1e4], False),
        ([*_BEFORE, 1e4, 1e4, 1.0, 1.0, 1.0], False),
        ([1.0, 1.0, 1e4, 1e4, 1e4, 1e4, 1e4], False),  # too early to know what is usual
        ([0.0] * 6 + [1.0] * 4, False),
    ],
)
def test_how_far_and_how_often(largest: list[float], fires: bool) -> None:
    assert bool(findings(RewardJump(), run(largest))) is fires


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e3])
def test_a_goal_that_is_found_raises_returns_by_what_it_pays(scale: float) -> None:
    largest = [*_BEFORE, 100.0, 100.0, 100.0]
    found_goal = run(largest, [100.0] * 6 + [120.0, 150.0, 190.0], scale=scale)
    assert not findings(RewardJump(), found_goal)
    still_learning = run([*_BEFORE, *[1e4] * 3], [100.0] * 6 + [120.0, 150.0, 190.0], scale=scale)
    assert findings(RewardJump(), still_learning)


def test_another_scale_is_no_outlier() -> None:
    typical = [[1.0, 1.0]] * 6 + [[40.0, 40.0]] * 3
    assert not findings(RewardJump(), run([*_BEFORE, *[40.0] * 3], typical=typical))


def test_without_returns_nothing_is_said() -> None:
    columns = {"rewards/max_abs": [*_BEFORE, *[1e4] * 4]}
    assert not findings(RewardJump(), table(columns))
    means = {"rewards/mean": 1.0, "episodes/length_mean": 100.0, "episodes/return_mean": 100.0}
    columns.update({name: [value] * 10 for name, value in means.items()})
    assert not findings(RewardJump(), table(columns))


def test_one_worker_is_named_several_are_not() -> None:
    largest = [*_BEFORE, *[1e4] * 3]
    quiet = [[1.0, 1.0, 1.0]] * 6
    [one] = findings(RewardJump(), run(largest, workers=quiet + [[1.0, 1e4, 1.0]] * 3))
    assert one.worker == 1 and "worker 1 pays" in one.message
    [two] = findings(RewardJump(), run(largest, workers=quiet + [[1e4, 1e4, 1.0]] * 3))
    assert two.worker is None


@pytest.mark.parametrize(("name", "value"), [("factor", 1.0), ("needed", 1), ("before", 2)])
def test_thresholds_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name}={value}"):
        RewardJump(**{name: value})
