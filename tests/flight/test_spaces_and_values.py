"""Spaces and hyperparameters come back exactly, or the reason says why they cannot."""

import json
from typing import Any

import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit
from stable_baselines3.sac.policies import SACPolicy

from sb3_ac_ext.flight.spaces import decode_space, encode_space
from sb3_ac_ext.flight.values import decode_value, encode_value

IMAGE = spaces.Box(0, 255, (4, 8, 8), np.uint8)
SPACES = [
    spaces.Box(-1, 1, (3,), np.float32),
    spaces.Box(np.array([-np.inf, 0.1]), np.array([3.3, np.inf]), dtype=np.float64),
    spaces.Box(np.array([[1, 2], [3, 4]]), np.array([[5, 6], [7, 8]]), dtype=np.int64),
    IMAGE,
    spaces.Discrete(5),
    spaces.Discrete(5, start=-2),
    spaces.MultiDiscrete([3, 2, 9]),
    spaces.MultiDiscrete([[3, 2], [9, 4]], start=[[1, 0], [0, 5]]),
    spaces.MultiBinary(4),
    spaces.MultiBinary([2, 3]),
    spaces.Dict([("z", IMAGE), ("a", spaces.Dict({"n": spaces.Discrete(2)}))]),
]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_a_space_comes_back_equal(space: spaces.Space[Any]) -> None:
    text = json.dumps(encode_space(space), allow_nan=False)
    again = decode_space(json.loads(text))
    assert again == space and again.dtype == space.dtype
    if isinstance(space, spaces.Dict):
        assert list(again.spaces) == list(space.spaces)  # type: ignore[attr-defined]


def test_uniform_bounds_are_one_number() -> None:
    assert len(json.dumps(encode_space(IMAGE))) < 100


class Angle(spaces.Box):
    """A space that means more than its bounds."""


@pytest.mark.parametrize(
    "space", [spaces.Text(3), spaces.Tuple([IMAGE]), Angle(-1, 1), spaces.Dict(t=spaces.Text(3))]
)
def test_other_spaces_are_refused_with_what_is_known(space: spaces.Space[Any]) -> None:
    with pytest.raises(
        ValueError, match=r"cannot be written down: known are Box, Discrete, .*Dict"
    ):
        encode_space(space)


@pytest.mark.parametrize(
    "data", [{}, {"kind": "Sphere"}, {"kind": "Box"}, {"kind": "Discrete", "n": -1, "start": 0}, 3]
)
def test_nonsense_is_no_space(data: Any) -> None:
    with pytest.raises(ValueError, match="no space is described by"):
        decode_space(data)


VALUES = [
    None,
    True,
    3,
    0.1,
    float("inf"),
    "auto_0.1",
    (0.9, 0.999),
    [64, {"pi": [32], "vf": (16, 16)}],
    {"activation_fn": th.nn.Tanh, "optimizer_kwargs": {"eps": 1e-5}},
    SACPolicy,
    IMAGE,
    TrainFreq(2, TrainFrequencyUnit.EPISODE),
]


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_a_hyperparameter_comes_back_equal(value: Any) -> None:
    again = decode_value(json.loads(json.dumps(encode_value(value), allow_nan=False)))
    assert again == value and type(again) is type(value)


def test_numpy_numbers_become_plain_ones() -> None:
    assert encode_value(np.float32(0.5)) == 0.5 and encode_value(np.int64(3)) == 3


def test_what_has_no_exact_form_is_refused_with_the_reason() -> None:
    class Local(th.nn.Module):
        pass

    with pytest.raises(ValueError, match="Local is defined inside a function"):
        encode_value({"activation_fn": Local})
    with pytest.raises(ValueError, match="a function has no exact form"):
        encode_value([lambda: 0])
    with pytest.raises(ValueError, match="Path is no network, optimizer, algorithm or buffer"):
        encode_value(__import__("pathlib").Path)


@pytest.mark.parametrize("name", ["os.system", "subprocess.Popen", "no_such_package.Net"])
def test_a_dump_names_networks_and_the_like_only(name: str) -> None:
    with pytest.raises(ValueError, match=name.replace(".", r"\.")):
        decode_value({"class": name})
