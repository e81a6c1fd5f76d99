"""The tree of sums against running sums of a plain array."""

import numpy as np
import pytest
from scipy.stats import chisquare

from sb3_ac_ext.buffers.sum_tree import SumTree


@pytest.mark.parametrize("size", [1, 31, 32, 33, 1024, 1025, 40_000])
def test_rows_are_those_in_which_running_sums_reach_the_height(size: int) -> None:
    rng = np.random.default_rng(size)
    values = rng.exponential(size=size) * (rng.random(size) > 0.3)
    values[rng.integers(size)] = 1.0
    tree = SumTree(size)
    tree.set(np.arange(size), values)
    assert tree.total == pytest.approx(values.sum())
    np.testing.assert_array_equal(tree[np.arange(size)], values)
    heights = np.sort(rng.random(500)) * values.sum()
    expected = np.searchsorted(np.cumsum(values), heights, side="right")
    np.testing.assert_array_equal(tree.find(heights), expected)


def test_ends_of_the_range_find_no_empty_row() -> None:
    tree = SumTree(100)
    tree.set(np.array([40, 70]), [2.0, 1.0])
    assert tree.find(np.array([0.0])) == 40
    assert tree.find(np.array([2.0])) == 70
    assert tree.find(np.array([3.0, np.nextafter(3.0, 0.0), 4.0])).tolist() == [70, 70, 70]


def test_sums_follow_what_is_written_again() -> None:
    rng = np.random.default_rng(0)
    tree, plain = SumTree(5000), np.zeros(5000)
    for _ in range(50):
        rows = rng.integers(0, 5000, 256)  # some of them twice: the last counts
        values = rng.random(256)
        tree.set(rows, values)
        plain[rows] = values
    assert tree.total == pytest.approx(plain.sum(), rel=1e-12)
    np.testing.assert_array_equal(tree[np.arange(5000)], plain)


def test_rows_are_drawn_in_proportion() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0] * 20)
    tree = SumTree(80)
    tree.set(np.arange(80), values)
    drawn = tree.find(np.random.default_rng(0).random(100_000) * tree.total)
    counts = np.bincount(drawn, minlength=80)
    assert chisquare(counts, 100_000 * values / values.sum()).pvalue > 1e-3
