import math
import pickle

import pytest

from sb3_ac_ext.schedules import CosineSchedule, make_schedule


def half(progress_remaining: float) -> float:
    return 0.5 * progress_remaining


@pytest.mark.parametrize(
    ("value", "at_start", "half_way", "at_end"),
    [
        (3e-4, 3e-4, 3e-4, 3e-4),
        ("3e-4", 3e-4, 3e-4, 3e-4),
        (0, 0, 0, 0),
        ("lin_3e-4", 3e-4, 1.5e-4, 0.0),
        ("cos_2", 2.0, 1.0, 0.0),
        ("tests.test_schedules.half", 0.5, 0.25, 0.0),
        (half, 0.5, 0.25, 0.0),
    ],
)
def test_values_over_training(value, at_start, half_way, at_end):
    schedule = make_schedule(value)
    values = [schedule(progress) for progress in (1.0, 0.5, 0.0)]
    assert values == pytest.approx([at_start, half_way, at_end])
    again = pickle.loads(pickle.dumps(schedule))
    assert [again(progress) for progress in (1.0, 0.5, 0.0)] == values


@pytest.mark.parametrize("value", ["lin_3e-4", "cos_3e-4"])
def test_no_rate_is_negative_when_the_last_rollout_exceeds_the_budget(value):
    assert make_schedule(value)(-0.02) == 0.0


def test_cosine_falls_slower_than_a_line_first_and_faster_in_the_middle():
    cosine = CosineSchedule(1.0)
    assert cosine(0.75) == pytest.approx((1 + math.cos(math.pi / 4)) / 2)
    assert cosine(0.75) > 0.75
    assert cosine(0.25) < 0.25


@pytest.mark.parametrize(
    "value",
    ["foo_3e-4", "lin_", "lin_x", "lin", "cos_-1", "", -1, math.nan, math.inf, True, None, [1]],
)
def test_what_is_no_schedule_is_named(value):
    with pytest.raises(ValueError, match="clip_range") as caught:
        make_schedule(value, "clip_range")
    assert repr(value) in str(caught.value)


def test_error_lists_the_accepted_forms():
    with pytest.raises(ValueError, match="a number, lin_X, cos_X, kl_X, a callable"):
        make_schedule("foo_3e-4")


@pytest.mark.parametrize(
    "path", ["math.pi", "tests.test_schedules.absent", "pathlib.Path", "no.such"]
)
def test_path_must_lead_to_a_function(path):
    with pytest.raises(ValueError, match=path.split(".", maxsplit=1)[0]):
        make_schedule(path)
