"""Small files of rows become few: which, and that every row stays what it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sb3_ac_ext.checkpoints import merging
from sb3_ac_ext.checkpoints.bundle import newest_complete
from sb3_ac_ext.checkpoints.merging import joined
from sb3_ac_ext.checkpoints.rows import RowCounter, columns, put_rows
from sb3_ac_ext.checkpoints.writer import Captured, Writer
from tests.checkpoints.replay import add_rows, replay_buffer

MANY = 400


@pytest.mark.parametrize(
    ("older", "newest", "together"),
    [
        ([], 10, 0),
        ([10] * 6, 10, 0),
        ([10] * 7, 10, 7),
        ([20] * 7, 10, 7),
        ([21] * 7, 10, 0),
        ([80, *[10] * 7], 10, 7),
        ([*[80] * 7, *[10] * 7], 10, 14),
        ([*[161] * 7, *[10] * 7], 10, 7),
        ([1000, *[10] * 7], 10, 7),
        ([1] * 20, 100, 20),
        ([125] * 7, 125, 7),
        ([125] * 7, 126, 0),
    ],
)
def test_which_are_written_together(older: list[int], newest: int, together: int) -> None:
    assert joined(older, newest, most=1000) == together


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"mapping": True},
        {"optimize_memory_usage": True, "handle_timeout_termination": False},
    ],
)
def test_every_row_stays_and_the_files_are_few(kwargs: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    size = 150
    buffer, writer = replay_buffer(size, **kwargs), Writer(tmp_path, 1, 0)
    counter, steps, files = RowCounter(buffer), 0, []
    for turn in range(MANY):
        added = int(rng.integers(1, 4))
        add_rows(buffer, added, rng)
        steps += added * buffer.n_envs
        segment = counter.new(steps)
        facts = {"num_timesteps": steps, "created": f"{turn:06}"}
        writer.submit(Captured(facts, None, segment, counter.oldest))
        writer.result()
        bundle, problems = newest_complete(tmp_path)
        assert not problems
        files.append(len(bundle.row_files()))
        if turn % 20 == 0 or turn == MANY - 1:
            other = replay_buffer(size, **kwargs)
            put_rows(other, bundle.rows())
            for name, column in columns(buffer).items():
                assert column.tobytes() == columns(other)[name].tobytes(), name
    assert max(files) <= 3 * merging.TOGETHER
    assert max(files) > merging.TOGETHER  # or nothing was to be written together
