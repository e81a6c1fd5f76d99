"""Pure maths against values worked out by hand."""

import math

import numpy as np
import pytest

from sb3_ac_ext.monitoring import functional as f


def test_explained_variance() -> None:
    target = np.array([1.0, 2.0, 3.0, 4.0])
    assert f.explained_variance(target, target) == 1.0
    assert f.explained_variance(np.full(4, 2.5), target) == 0.0
    assert f.explained_variance(-target, target) == pytest.approx(1.0 - 4.0)
    assert math.isnan(f.explained_variance(target, np.ones(4)))


def test_monte_carlo_returns_end_with_the_episode() -> None:
    rewards = np.array([[1.0, 1.0], [2.0, 1.0], [4.0, 1.0]])
    dones = np.array([[False, False], [True, False], [False, False]])
    returns = f.monte_carlo_returns(rewards, dones, gamma=0.5)
    np.testing.assert_allclose(returns[:2, 0], [1.0 + 0.5 * 2.0, 2.0])
    assert np.isnan(returns[2, 0]) and np.isnan(returns[:, 1]).all()


def test_kl_estimate_is_exact_in_expectation() -> None:
    rng = np.random.default_rng(0)
    old, new = np.array([0.7, 0.3]), np.array([0.5, 0.5])
    actions = rng.choice(2, size=200_000, p=old)
    exact = float((old * np.log(old / new)).sum())
    assert f.kl_estimate(np.log(new[actions] / old[actions])) == pytest.approx(exact, rel=0.02)
    assert f.kl_estimate(np.zeros(5)) == 0.0


@pytest.mark.parametrize(
    ("counts", "expected"), [([5, 5], 1.0), ([10, 0], 0.0), ([1, 1, 1, 1], 1.0)]
)
def test_relative_entropy_of_counts(counts: list[int], expected: float) -> None:
    assert f.relative_entropy_of_counts(np.array(counts)) == pytest.approx(expected, abs=1e-9)


def test_relative_entropy_of_nothing_is_not_a_number() -> None:
    assert math.isnan(f.relative_entropy_of_counts(np.zeros(3)))


def test_robust_deviation_ignores_an_outlier() -> None:
    assert f.robust_deviation(np.array([1.0, 2.0, 3.0, 4.0, 1000.0])) == pytest.approx(1.4826)


def test_outlier_shares_are_per_column() -> None:
    column = np.r_[np.arange(99.0), 1e6]
    values = np.stack([column, np.ones(100)], axis=1)
    np.testing.assert_allclose(f.outlier_shares(values), [0.01, 0.0])


def test_leave_one_out_ratios() -> None:
    ratios = f.leave_one_out_ratios(np.array([1.0, 1.0, 10.0, 1.0]))
    np.testing.assert_allclose(ratios, [1.0, 1.0, 10.0, 1.0])
    assert np.isnan(f.leave_one_out_ratios(np.array([np.nan, 1.0, 1.0]))[0])


def test_effective_rank_counts_independent_directions() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(size=(200, 3))
    assert f.effective_rank(base @ rng.normal(size=(3, 16))) == 3
    assert f.effective_rank(rng.normal(size=(200, 16))) == 16
    assert f.effective_rank(np.zeros((10, 4))) == 0


def test_dormant_share() -> None:
    activations = np.ones((50, 4))
    activations[:, 0] = 0.0
    activations[:, 1] = 0.001
    assert f.dormant_share(activations) == 0.5
    assert f.dormant_share(np.zeros((5, 2))) == 1.0


def test_compare_samples() -> None:
    p_value, effect = f.compare_samples(np.arange(10.0) + 100, np.arange(10.0))
    assert p_value < 2e-4 and effect == 1.0
    assert f.compare_samples(np.full(5, 500.0), np.full(9, 500.0)) == (1.0, 0.0)
    assert f.compare_samples(np.array([]), np.arange(3.0)) == (1.0, 0.0)


def test_trend_of_a_line_and_of_a_constant() -> None:
    steps = np.arange(20)
    slope, low, high, p_value = f.trend(steps, 2.0 * steps)
    assert slope == low == high == 2.0 and p_value < 1e-6
    assert f.trend(steps, np.ones(20)) == (0.0, 0.0, 0.0, 1.0)


def test_dip_test_sees_two_modes_and_refuses_ties() -> None:
    rng = np.random.default_rng(0)
    two = np.r_[rng.normal(0, 1, 200), rng.normal(8, 1, 200)]
    one = rng.normal(0, 1, 400)
    found, quiet = f.dip_test(two), f.dip_test(one)
    assert found is not None and found[1] < 0.01
    assert quiet is not None and quiet[1] > 0.1
    assert f.dip_test(np.repeat([0.0, 1.0], 50)) is None


def test_shift_of_entries_that_one_sample_never_saw_vary() -> None:
    rng = np.random.default_rng(0)
    choices = [np.eye(10)[rng.integers(10, size=12)] for _ in range(2)]
    assert f.largest_shift(*choices) < 2.5
    assert f.largest_shift(np.zeros((12, 1)), np.full((12, 1), 5.0)) > 100.0


def test_roughness_and_products() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(2001, 2))
    assert 1.8 < f.roughness(noise[:-1], np.diff(noise, axis=0)) < 2.2
    walk = np.cumsum(noise, axis=0)
    assert f.roughness(walk[:-1], np.diff(walk, axis=0)) < 0.1
    assert f.roughness(np.zeros((5, 2)), np.zeros((5, 2))) is None
    assert f.with_products(noise).shape == (2001, 5) and f.with_products(noise[:20]).shape == (
        20,
        2,
    )


def test_rows_drawn_alike_do_not_tell_when() -> None:
    rng = np.random.default_rng(0)
    p_values = []
    for _ in range(1000):
        angle = rng.uniform(-np.pi, np.pi, 24)
        rows = np.stack([np.cos(angle), np.sin(angle), rng.exponential(size=24)], axis=1)
        workers = rng.integers(0, 2, 24)
        p_values.append(f.time_dependence(rows, np.cumsum(rng.exponential(size=24)), workers))
    for alpha, tolerance in ((0.5, 0.05), (0.05, 0.02), (0.005, 0.006)):
        assert np.mean(np.array(p_values) < alpha) == pytest.approx(alpha, abs=tolerance)


def test_a_drift_tells_when() -> None:
    rows = np.random.default_rng(0).uniform(-1.0, 1.0, (20, 3))
    times, one = np.arange(20.0), np.zeros(20)
    steady = f.time_dependence(rows + np.linspace(0.0, 3.0, 20)[:, None], times, one)
    at_once = f.time_dependence(rows + np.repeat([0.0, 3.0], 10)[:, None], times, one)
    assert steady is not None and at_once is not None and max(steady, at_once) < 1e-4


def test_workers_that_differ_are_no_drift() -> None:
    """Episodes of one of them are short: most of the later rows are its own."""
    workers = np.array([0, 1] * 6 + [1] * 12)
    rows = np.random.default_rng(0).normal(size=(24, 1)) + 10.0 * workers[:, None]
    assert f.time_dependence(rows, np.arange(24.0), np.zeros(24)) < 0.01  # type: ignore[operator]
    assert f.time_dependence(rows, np.arange(24.0), workers) > 0.01  # type: ignore[operator]
    assert f.time_dependence(np.arange(12.0)[:, None], np.zeros(12), np.arange(12)) is None


@pytest.mark.parametrize("shape", [(11, 3), (20, 11)])
def test_too_few_rows_tell_nothing(shape: tuple[int, int]) -> None:
    times, one = np.arange(float(shape[0])), np.zeros(shape[0])
    rows = np.random.default_rng(0).normal(size=shape)
    assert f.time_dependence(rows, times, one) is None
    rows = np.random.default_rng(0).normal(size=(20, 3))
    assert f.time_dependence(np.ones((20, 3)), np.arange(20.0), np.zeros(20)) is None
    rows[3, 1] = np.nan
    assert f.time_dependence(rows, np.arange(20.0), np.zeros(20)) is None
