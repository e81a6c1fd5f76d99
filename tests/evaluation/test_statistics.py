"""Intervals against values computed by hand or by the definition."""

import json
import math

import numpy as np
import pytest

from sb3_ac_ext.evaluation.episodes import Episode
from sb3_ac_ext.evaluation.statistics import Estimate, difference_estimate, mean_estimate
from sb3_ac_ext.evaluation.summary import summarise


def test_few_values_have_students_interval():
    found = mean_estimate([1.0, 2.0, 3.0, 4.0, 5.0])
    # 3 +- t(0.975, 4) * sqrt(2.5 / 5) with t = 2.776445
    assert found.method == "t"
    assert (found.value, found.low, found.high) == pytest.approx((3.0, 1.036757, 4.963243))


@pytest.mark.parametrize(
    ("values", "method", "low"),
    [
        ([7.0], "one episode", math.nan),
        ([7.0, 7.0], "all equal", 7.0),
        ([7.0] * 30, "all equal", 7),
    ],
)
def test_samples_that_tell_no_spread(values, method, low):
    found = mean_estimate(values)
    assert (found.value, found.method) == (7.0, method)
    assert found.low == pytest.approx(low, nan_ok=True)


def test_many_values_are_bootstrapped_and_skew_shows():
    sample = np.random.default_rng(1).exponential(1.0, 60)
    found = mean_estimate(sample.tolist())
    assert found.method == "BCa bootstrap"
    assert found.high - found.value > found.value - found.low > 0.0
    assert found == mean_estimate(sample.tolist()), "the same episodes give the same interval"


def test_the_bootstrap_leaves_the_global_generator_alone():
    states = []
    for values in ([], list(range(40))):
        if values:
            mean_estimate(values)
        states.append(np.random.get_state()[1].tolist())  # noqa: NPY002
    assert states[0] == states[1]


@pytest.mark.parametrize("n", [10, 30])
def test_nineteen_of_twenty_intervals_hold_the_mean(n):
    rng = np.random.default_rng(0)
    found = [mean_estimate(rng.normal(5.0, 2.0, n).tolist()) for _ in range(150)]
    covered = np.mean([estimate.low <= 5.0 <= estimate.high for estimate in found])
    assert 0.89 <= covered <= 0.99


def test_difference():
    few = difference_estimate([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    # Welch: sqrt(1/3 + 1/3) * t(0.975, 4) = 0.816497 * 2.776445
    assert (few.value, few.low, few.high) == pytest.approx((0.0, -2.266958, 2.266958))
    rng = np.random.default_rng(0)
    many = difference_estimate(rng.normal(3, 1, 40).tolist(), rng.normal(1, 1, 40).tolist())
    assert many.method == "BCa bootstrap"
    assert 1.0 < many.low < many.value < many.high < 3.0
    assert difference_estimate([2.0] * 30, [1.0] * 30) == Estimate(1.0, 1.0, 1.0, "all equal")
    assert math.isnan(difference_estimate([2.0], [1.0, 2.0]).low)


def test_overlap():
    here, there = Estimate(1.0, 0.0, 2.0, "t"), Estimate(3.0, 2.0, 4.0, "t")
    assert here.overlaps(there) is True
    assert here.overlaps(Estimate(3.0, 2.1, 4.0, "t")) is False
    assert Estimate(3.0, 2.1, 4.0, "t").overlaps(here) is False
    assert here.overlaps(Estimate(3.0, math.nan, math.nan, "one episode")) is None


def test_summary():
    episodes = [Episode(0, r, int(r), s) for r, s in ((1.0, True), (2.0, False), (6.0, None))]
    found = summarise("deterministic", episodes)
    assert (found.mean.value, found.median, found.std) == pytest.approx((3.0, 2.0, 7**0.5))
    assert (found.success.k, found.success.n) == (1, 2)
    # Clopper-Pearson of 1 of 2: sqrt(0.025) and its mirror bound the exact interval
    assert found.success.interval == pytest.approx((1 - 0.975**0.5, 0.975**0.5))
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["success"]["rate"] == 0.5
    alone = summarise("deterministic", [Episode(0, 1.0, 1)])
    assert alone.success is None
    assert json.loads(json.dumps(alone.to_dict(), allow_nan=False))["std"] is None
