"""Models are trained once for all tests of inspection."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.inspection import files


@pytest.fixture(scope="session")
def ppo_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return files.ppo(tmp_path_factory.mktemp("ppo") / "ppo.zip")


@pytest.fixture(scope="session")
def sac_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sac") / "sac.zip"
    files.sac(path).save_replay_buffer(path.with_name("replay_buffer.pkl"))
    return path
