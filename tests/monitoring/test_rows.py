"""Rows hold what was added, in its type, and forget it when it is taken."""

import numpy as np

from sb3_ac_ext.monitoring.rows import Rows

NONE = np.empty((0, 3))


def test_rows_are_copied_stacked_and_taken_once() -> None:
    rows = Rows()
    assert rows.take(NONE) is NONE
    row = np.zeros(3, dtype=np.int8)
    for i in range(1000):
        row[:] = i % 100
        mine = rows.add(row)
        row[:] = -1
        assert (mine == i % 100).all()
    assert len(rows) == 1000
    taken = rows.take(NONE)
    assert taken.shape == (1000, 3) and taken.dtype == np.int8
    assert (taken[:, 0] == np.arange(1000) % 100).all()
    assert len(rows) == 0 and rows.take(NONE) is NONE


def test_a_type_holds_whatever_comes_first() -> None:
    rows = Rows(np.float64)
    rows.add(np.zeros(3, dtype=np.int64))
    rows.add(np.array([0.9, np.nan, 1.0]))
    np.testing.assert_array_equal(rows.take(NONE)[1], [0.9, np.nan, 1.0])


def test_what_was_taken_is_not_written_to_again() -> None:
    rows = Rows()
    rows.add(np.ones(2))
    taken = rows.take(NONE)
    rows.add(np.full(2, 7.0))
    assert (taken == 1.0).all()
