"""Recorded runs, healthy and broken, judged again: a changed threshold shows what it breaks."""

from pathlib import Path

import pytest

from sb3_ac_ext.benchmark.faults.fixtures import MOST_BYTES, read_expected, verdict_of
from sb3_ac_ext.benchmark.faults.judge import judge_result
from sb3_ac_ext.benchmark.faults.records import RESULT, read_result

RECORDED = Path(__file__).parent / "recorded"
EXPECTED = read_expected(RECORDED)


@pytest.mark.parametrize("slug", sorted(EXPECTED))
def test_the_verdict_is_the_expected_one(slug: str) -> None:
    judged = judge_result(RECORDED, read_result(RECORDED / f"{slug}{RESULT}"))
    assert verdict_of(judged) == EXPECTED[slug]


def test_the_recordings_are_complete_and_small() -> None:
    files = sorted(path for path in RECORDED.iterdir() if path.name != "expected.json")
    names = {f"{slug}{end}" for slug in EXPECTED for end in (".json", ".jsonl.gz")}
    assert {path.name for path in files} == names
    assert sum(path.stat().st_size for path in files) < MOST_BYTES


def test_both_sides_are_there() -> None:
    healthy = [slug for slug in EXPECTED if slug.startswith("healthy--")]
    alarmed = [s for s, verdict in EXPECTED.items() if verdict["status"] in ("warning", "critical")]
    assert len(healthy) >= 20 and len(alarmed) >= 60
