"""The parts of a bundle one by one: values, objects, rows, and which bundles are kept."""

from __future__ import annotations

import json
import math
import random
from collections import Counter, OrderedDict, deque
from enum import Enum, IntEnum
from typing import Any

import numpy as np
import pytest
import torch as th

from sb3_ac_ext.checkpoints.codec import CannotEncode, copied, decode, encode
from sb3_ac_ext.checkpoints.generators import generator_state, set_generator
from sb3_ac_ext.checkpoints.graph import Capture, Restore
from sb3_ac_ext.checkpoints.rows import RowCounter, columns, put_rows
from sb3_ac_ext.checkpoints.score import lower_bound
from sb3_ac_ext.checkpoints.window import Kept, superseded
from tests.checkpoints.replay import add_rows, replay_buffer

VALUES: list[Any] = [
    None,
    True,
    -(2**80),
    0.1 + 0.2,
    math.inf,
    "text\n",
    b"bytes",
    (1, [2.0, ()], {"a": 1, 2: (3,)}),
    {1, 2},
    frozenset({"x"}),
    deque([1, 2], maxlen=5),
    np.float32(1.5),
    np.bool_(True),
    np.arange(6, dtype=np.int8).reshape(2, 3),
    np.zeros((0, 3)),
    th.arange(3, dtype=th.bfloat16),
    th.tensor(2.0),
    th.zeros(0, 2),
]


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray | np.generic):
        return a.dtype == b.dtype and np.shape(a) == np.shape(b) and bool((a == b).all())
    if isinstance(a, th.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and th.equal(a, b)
    if isinstance(a, deque) and a.maxlen != b.maxlen:
        return False
    return type(a) is type(b) and bool(a == b)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_go_through_json_and_come_back(value: Any) -> None:
    arrays: dict[str, Any] = {}
    text = json.dumps(encode(copied(value), arrays), allow_nan=False)
    assert _equal(value, decode(json.loads(text), arrays))


def test_nan_comes_back() -> None:
    assert math.isnan(decode(encode(math.nan, {}), {}))


@pytest.mark.parametrize(
    "value", [object(), lambda: 0, np.array([{}], dtype=object), 1j, IntEnum("Kind", "A").A]
)
def test_what_needs_pickle_is_refused(value: Any) -> None:
    with pytest.raises(CannotEncode):
        encode(value, {})


@pytest.mark.parametrize("data", [{"a": 1, "b": 2}, {"evil": []}, {"array": "none"}, {"tuple": 3}])
def test_damaged_values_are_one_sentence(data: Any) -> None:
    with pytest.raises(ValueError, match="no value is described by"):
        decode(data, {})


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.random.default_rng(3),
        lambda: np.random.Generator(np.random.MT19937(3)),
        lambda: np.random.RandomState(3),
        lambda: random.Random(3),
        lambda: th.Generator().manual_seed(3),
    ],
)
@pytest.mark.parametrize("present", [True, False])
def test_generators_go_on(make: Any, present: bool) -> None:
    def draw(generator: Any) -> float:
        if isinstance(generator, th.Generator):
            return float(th.rand(1, generator=generator))
        return float(generator.random())

    original = make()
    draw(original)
    state = generator_state(original)
    expected = [draw(original) for _ in range(3)]
    other = make() if present else None
    found = set_generator(state, other)
    assert found is other or not present
    assert [draw(found) for _ in range(3)] == expected


class _Part:
    def __init__(self, number: float) -> None:
        self.number = number
        self.array = np.full(3, number)
        self.view = self.array[1:]
        self.ordered = OrderedDict(a=number)
        self.function = lambda: number


class _Whole:
    def __init__(self, number: float) -> None:
        self.parts = [_Part(number), _Part(number + 1)]
        self.again = self.parts[0]
        self.named = {"x": _Part(number + 2)}
        self.none: Any = None
        self.path = f"folder-{number}"


def test_objects_are_written_into_in_place() -> None:
    old, new = _Whole(1.0), _Whole(10.0)
    old.none = 5
    first, function, array = new.parts[0], new.parts[0].function, new.parts[0].array
    capture, restore = Capture({}, text=False), Restore({})
    tree = capture.node(old, "whole")
    old.parts[0].array[:] = -1  # what was captured is a copy
    restore.put(tree, new, "whole")
    assert not restore.misfits and not capture.opaque
    assert new.parts[0] is first and new.again is first and first.array is array
    assert first.array.tolist() == [1.0, 1.0, 1.0] and first.view.base is array
    assert (first.number, new.parts[1].number, new.named["x"].number, new.none) == (1, 2, 3, 5)
    assert first.function is function and isinstance(first.ordered, OrderedDict)
    assert new.path == "folder-10.0"


class Phase(Enum):
    A = "a"
    B = "b"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class _Rooms:
    def __init__(self, at: int) -> None:
        self.rooms = [_Part(1.0), _Part(2.0), _Part(3.0)]
        self.here = self.rooms[at]
        self.phase, self.level = Phase.A, Level.LOW


def _carried(old: Any, new: Any) -> tuple[Capture, Restore]:
    capture, restore = Capture({}), Restore({})
    tree = json.loads(json.dumps(encode(capture.node(old, "x"), arrays := {})))
    restore.put(decode(tree, arrays), new, "x")
    return capture, restore


def test_references_and_enumerations_change() -> None:
    old, new = _Rooms(2), _Rooms(0)
    old.phase, old.level = Phase.B, Level.HIGH
    capture, restore = _carried(old, new)
    assert not capture.opaque and not restore.misfits
    assert new.here is new.rooms[2] and [room.number for room in new.rooms] == [1.0, 2.0, 3.0]
    assert new.phase is Phase.B and new.level is Level.HIGH
    assert Phase.A.value == "a" and Level.LOW == 1


def test_a_reference_that_was_met_first_is_noticed() -> None:
    """Nothing says which of the objects it is, and none is to take the state of two."""

    class First(_Rooms):
        def __init__(self, at: int) -> None:
            self.here = None
            super().__init__(at)

    _, restore = _carried(First(2), First(0))
    assert restore.misfits


def test_another_class_in_the_same_place_is_noticed() -> None:
    old, new = _Whole(1.0), _Whole(2.0)
    old.parts[1] = _Rooms(0)  # type: ignore[call-overload]
    before = dict(vars(new.parts[1]))
    _, restore = _carried(old, new)
    assert restore.misfits == ["x.parts[1]"]
    assert vars(new.parts[1]) == before


@pytest.mark.parametrize("value", [Counter("aab"), type("Number", (int,), {})(3)])
def test_what_is_more_than_its_attributes_cannot_be_read(value: Any) -> None:
    whole = _Whole(1.0)
    whole.none = value
    capture = Capture({})
    capture.node(whole, "x")
    assert capture.opaque == [f"x.none ({type(value).__name__})"]


def test_keys_that_were_not_there_go() -> None:
    old, new = _Whole(1.0), _Whole(2.0)
    new.named["y"] = _Part(0.0)
    _, restore = _carried(old, new)
    assert list(new.named) == ["x"] and not restore.misfits


def test_what_has_no_place_is_told() -> None:
    old, new = _Whole(1.0), _Whole(2.0)
    new.parts.pop()
    restore = Restore({})
    restore.put(Capture({}).node(old, "whole"), new, "whole")
    assert restore.misfits == ["whole.parts"]


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"mapping": True},
        {"optimize_memory_usage": True, "handle_timeout_termination": False},
    ],
)
@pytest.mark.parametrize("parts", [(3, 4), (5, 10), (25, 3, 4), (10, 10, 25), (4, 0, 5)])
def test_rows_are_written_once_and_all_come_back(kwargs: Any, parts: Any) -> None:
    rng = np.random.default_rng(0)
    buffer, other = replay_buffer(20, **kwargs), replay_buffer(20, **kwargs)
    counter, steps, segments = RowCounter(buffer), 0, []
    for n in parts:
        add_rows(buffer, n, rng)
        steps += n * buffer.n_envs
        segment = counter.new(steps)
        if segment is not None:
            segments.append((segment.start, segment.stop, segment.arrays()))
    written = sum(stop - start for start, stop, _ in segments)
    assert written == sum(min(n, buffer.buffer_size) for n in parts)
    put_rows(other, segments)
    for name, column in columns(buffer).items():
        assert column.tobytes() == columns(other)[name].tobytes(), name


def test_rows_that_were_changed_are_written_again() -> None:
    rng = np.random.default_rng(0)
    buffer = replay_buffer(20)
    counter = RowCounter(buffer)
    add_rows(buffer, 5, rng)
    assert counter.new(10) is not None
    buffer.rewards[:5] = 0
    buffer.rows_rewritten = 1
    add_rows(buffer, 1, rng)
    segment = counter.new(12)
    assert segment is not None and (segment.start, segment.stop) == (0, 6)
    assert not segment.columns["rewards"][:5].any()


def test_rows_of_another_shape_are_refused() -> None:
    buffer = replay_buffer(20)
    counter = RowCounter(buffer)
    add_rows(buffer, 5, np.random.default_rng(0))
    segment = counter.new(10)
    assert segment is not None
    with pytest.raises(ValueError, match="observations do not fit"):
        put_rows(replay_buffer(20, n_envs=3), [(segment.start, segment.stop, segment.arrays())])


NAN = math.nan


@pytest.mark.parametrize(
    ("bundles", "keep_last", "keep_best", "gone"),
    [
        ([], 2, 1, []),
        ([Kept(1), Kept(2), Kept(3)], 2, 1, [1]),
        ([Kept(1, 9.0), Kept(2, 1.0), Kept(3, 5.0), Kept(4)], 1, 1, [3, 2]),
        ([Kept(1, 9.0), Kept(2, 1.0), Kept(3, 5.0), Kept(4)], 1, 0, [3, 2, 1]),
        # a policy that is not good is no best, and the only good one stays
        (
            [Kept(1), Kept(2, 9.0, good=False), Kept(3, NAN, False), Kept(4, NAN, False)],
            1,
            1,
            [3, 2],
        ),
    ],
)
def test_which_bundles_go(bundles: Any, keep_last: int, keep_best: int, gone: Any) -> None:
    assert superseded(bundles, keep_last, keep_best) == gone


@pytest.mark.parametrize(
    ("mean", "deviation", "n", "bound"),
    [(10.0, 2.0, 10, 8.840638), (10.0, 0.0, 5, 10.0), (10.0, 1.0, 1, -math.inf)],
)
def test_lower_bound(mean: float, deviation: float, n: int, bound: float) -> None:
    assert lower_bound(mean, deviation, n) == pytest.approx(bound, abs=1e-6)
