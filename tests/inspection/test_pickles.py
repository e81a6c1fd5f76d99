"""Pickles as tables: what a load would do, what they hold, and how bad ones are refused."""

import collections
import io
import pickle
import struct
import subprocess

import cloudpickle
import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit
from stable_baselines3.common.vec_env.base_vec_env import CloudpickleWrapper

from sb3_ac_ext.inspection.readable import readable
from sb3_ac_ext.inspection.reader import CHUNK, Reader
from sb3_ac_ext.inspection.records import Group
from sb3_ac_ext.inspection.scan import merged, scan_bytes
from sb3_ac_ext.inspection.trace import trace


def uses(data: bytes) -> dict[tuple[str, str], str]:
    found = merged(scan_bytes(data, "file", "entry").uses)
    return {(use.kind, use.name): use.group.value for use in found}


def shown(value: object, protocol: int = 4) -> object:
    return readable(scan_bytes(pickle.dumps(value, protocol), "file", "entry").value)


@pytest.mark.parametrize(
    ("data", "kind", "name"),
    [
        (b"cposix\nsystem\n(S'ls'\ntR.", "calls", "posix.system"),
        (b"(S'ls'\niposix\nsystem\n.", "calls", "posix.system"),
        (b"(cposix\nsystem\nS'ls'\no.", "calls", "posix.system"),
        (b"\x80\x02cos\nPathLike\n)\x81.", "creates", "os.PathLike"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "imports", "os.system"),
        (b"\x80\x04cbuiltins\neval\n)}\x92.", "creates", "builtins.eval"),
        (b"\x80\x02\x82\x07.", "imports", "(extension registry).7"),
        (b"\x80\x02cos\nenviron\nS'A'\nS'B'\ns.", "changes", "os.environ"),
        (b"\x80\x02csys\npath\nS'A'\na.", "changes", "sys.path"),
        (
            b"\x80\x02ctorch.nn.modules.linear\nLinear\n}b.",
            "changes",
            "torch.nn.modules.linear.Linear",
        ),
        (b"\x80\x04\x8c\x05numpy\x8c\x0asys.system\x93.", "imports", "numpy:sys.system"),
        (
            b"cbuiltins\ngetattr\n(cos\nsystem\nS'x'\ntR(tR.",
            "calls",
            "the result of builtins.getattr",
        ),
        (b"\x80\x02K\x01)R.", "calls", "a value"),
        (b"\x80\x04]]\x93.", "imports", "(computed).(computed)"),
        (b"cnumpy\nload\n(S'x'\ntR.", "calls", "numpy.load"),
        (b"ctorch\nload\n(S'x'\ntR.", "calls", "torch.load"),
        (b"ctorch.nn.modules.linear\nLinear\n)R.", "calls", "torch.nn.modules.linear.Linear"),
        (b"cmy_package\nMyPolicy\n.", "imports", "my_package.MyPolicy"),
    ],
)
def test_what_is_suspicious(data, kind, name):
    assert uses(data)[kind, name] == "suspicious"


@pytest.mark.parametrize(
    "value",
    [
        np.arange(6, dtype=np.int16).reshape(2, 3),
        np.float32(1.5),
        np.random.default_rng(0),
        collections.OrderedDict(a=1),
        collections.deque([1, 2], maxlen=3),
        spaces.Dict(a=spaces.Box(-1, 1, (2,)), b=spaces.MultiDiscrete([2, 3])),
        TrainFreq(4, TrainFrequencyUnit.STEP),
        {"net_arch": [64], "activation_fn": th.nn.ReLU, "optimizer_class": th.optim.Adam},
        th.zeros(2, 3),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_what_models_hold_is_expected(value, protocol):
    groups = uses(pickle.dumps(value, protocol))
    assert groups and set(groups.values()) == {"expected"}


def test_a_pickle_inside_a_pickle_is_read_too():
    inner = pickle.dumps(subprocess.Popen)
    data = b"\x80\x04ctorch.storage\n_load_from_bytes\nC" + bytes([len(inner)]) + inner + b"\x85R."
    assert uses(data)["imports", "subprocess.Popen"] == "suspicious"
    wrapped = pickle.dumps(CloudpickleWrapper(subprocess.Popen))
    assert "suspicious" in uses(wrapped).values()


def test_pickles_nested_without_end():
    data = b"N."
    for _ in range(5):
        size = struct.pack("<I", len(data))
        data = b"\x80\x04ctorch.storage\n_load_from_bytes\nB" + size + data + b"\x85R."
    with pytest.raises(ValueError, match="nested more than 3 deep"):
        uses(data)


def test_carried_functions_and_classes_by_name():
    scale = 3e-4

    class Extractor:
        def forward(self):
            return subprocess.run("ls")

    found = scan_bytes(cloudpickle.dumps([lambda p: max(p, 0.1) * scale, Extractor]), "f", "e").uses
    code = [use.name for use in found if use.group is Group.CODE]
    assert any(name.startswith("function <lambda> (test_pickles.py, line ") for name in code)
    assert any("which uses max" in name for name in code)
    assert any("class Extractor" in name for name in code)
    assert any("uses subprocess, run" in name for name in code)
    assert ("subprocess", Group.SUSPICIOUS) in [(use.name, use.group) for use in found]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float64(2.5), 2.5),
        (np.array([1, 2], ">i2"), "[1, 2] int16"),
        (np.zeros((20, 2), np.float32), "array float32[20, 2]"),
        (np.array([{}], object), "array object[1]"),
        (spaces.Discrete(3, start=2), "Discrete(3, start=2)"),
        (spaces.MultiBinary(4), "MultiBinary(4)"),
        (spaces.MultiDiscrete([2, 3]), "MultiDiscrete([2 3])"),
        (spaces.Box(0, 255, (2, 2), np.uint8), "Box(0, 255, (2, 2), uint8)"),
        (spaces.Tuple([spaces.Discrete(2)]), "Tuple(Discrete(2))"),
        (TrainFreq(4, TrainFrequencyUnit.EPISODE), "TrainFreq(4, episode)"),
        ({"a": (1, [2.5, None]), 3: {1}}, {"a": [1, [2.5, None]], "3": [1]}),
        (th.nn.ReLU, "torch.nn.modules.activation.ReLU"),
        (th.zeros(2), "a tensor"),
        (b"1234", "4 bytes"),
        (2**100, "a number of 101 bits"),
    ],
    ids=str,
)
@pytest.mark.parametrize("protocol", [2, 5])
def test_values_are_readable(value, expected, protocol):
    assert shown(value, protocol) == expected


def test_every_space_reads_like_gymnasium_writes_it():
    for space in (
        spaces.Box(-1.0, 2.0, (3,)),
        spaces.Discrete(5),
        spaces.Dict(a=spaces.Discrete(2), b=spaces.Box(0, 1, (1,))),
    ):
        assert shown(space) == str(space).replace("'", "")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a pickle",
        b"\x80\x04N",  # no STOP
        b"\x80\x04R.",  # nothing to call
        b"\x80\x04h\x05.",  # a memory that was never filled
        b"\x80\x04\x8a\xff.",  # a number longer than the file
        b"\x80\x04\x8b\xff\xff\xff\x7f.",
        b"\x80\x04\x8b\xff\xff\xff\xff.",  # of negative length
        b"\x80\x04\x8e" + b"\xff" * 8 + b".",  # more bytes than there are addresses
        b"\x80\x04\x8d" + struct.pack("<Q", 1 << 60) + b".",
        b"\x80\x04t.",  # no MARK
        b"\x80\x04}K\x01s.",
        b"\x80\x04(K\x01d.",
        b"I" + b"9" * 5000 + b"\n.",
        b"\x80\x04\x97\x97\xfe.",
        b"c" + b"a" * (2 * CHUNK),
    ],
    ids=lambda data: repr(data[:12]),
)
def test_bad_pickles_are_one_sentence(data):
    with pytest.raises(ValueError, match=r"^file: no readable pickle: at byte "):
        scan_bytes(data, "file", "entry")


def test_a_bad_pickle_tells_what_it_would_have_called_before():
    with pytest.raises(ValueError, match=r"before that, a load would call posix\.system"):
        scan_bytes(b"cposix\nsystem\n(S'ls'\ntR\xff", "file", "entry")


def test_long_bytes_are_stepped_over_and_long_text_is_refused():
    array = np.zeros(2 * CHUNK, np.uint8)
    for protocol in (4, 5):
        assert shown(array, protocol) == f"array uint8[{2 * CHUNK}]"
    with pytest.raises(ValueError, match=f"a value of {2 * CHUNK:,} bytes"):
        shown("x" * (2 * CHUNK))
    with pytest.raises(ValueError, match="a value of"):
        shown(1 << (8 * 2 * CHUNK))


def test_too_many_instructions(monkeypatch):
    monkeypatch.setattr("sb3_ac_ext.inspection.trace.MOST_OPCODES", 1000)
    data = b"\x80\x04" + b"N" + b"\x94" * 2000 + b"."
    with pytest.raises(ValueError, match="more than 1,000 instructions"):
        scan_bytes(data, "file", "entry")


def test_lists_in_themselves_and_doubling_tuples_end():
    endless: list = []
    endless.append(endless)
    assert shown(endless) == [[["1 items"]]]
    assert isinstance(shown({"a": endless}), dict)
    doubling = b"\x80\x04)" + b"2\x86" * 64 + b"."
    assert readable(scan_bytes(doubling, "file", "entry").value)


def test_the_reader_stands_behind_the_pickle():
    data = pickle.dumps(1) + pickle.dumps("two")
    reader = Reader(io.BytesIO(data), len(data), "file")
    assert [trace(reader).value, trace(reader).value] == [1, "two"]
    assert reader.left == 0
