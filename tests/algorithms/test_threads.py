"""How many threads a run gets, and that it gives them back."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch as th
from stable_baselines3.common.callbacks import BaseCallback
from torch import nn

from sb3_ac_ext import A2C, PPO
from sb3_ac_ext.algorithms import threads


def model(rows: int, width: int, **kwargs: Any) -> Any:
    layers = nn.Sequential(nn.Linear(3, width), nn.Linear(width, width))
    usual = {"policy": layers, "batch_size": rows, "exact": False, "device": th.device("cpu")}
    return SimpleNamespace(**{**usual, **kwargs})


@pytest.fixture(autouse=True)
def nobody_gave_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(threads, "_AT_FIRST", 8)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (model(256, 64), 1),
        (model(256, 256), 2),
        (model(4096, 1024), 8),
        (model(256, 64, exact=True), 8),
        (model(256, 64, device=th.device("cuda")), 8),
        (model(256, 64, policy=nn.Sequential(nn.Conv2d(3, 8, 4), nn.Linear(64, 64))), 8),
        (model(256, 64, batch_size=None, n_steps=5, n_envs=8), 1),
    ],
)
def test_small_products_are_worth_one_thread(given: Any, expected: int) -> None:
    assert threads.worth(given, 8) == expected


def test_a_number_that_somebody_gave_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert threads.worth(model(256, 64), 4) == 4
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert threads.worth(model(256, 64), 8) == 8


@pytest.mark.parametrize("fails", [False, True])
def test_training_gives_back_what_it_took(fails: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    class Look(BaseCallback):
        def _on_step(self) -> bool:
            seen.append(th.get_num_threads())
            if fails:
                raise RuntimeError("it fails")
            return True

    before = th.get_num_threads()
    th.set_num_threads(2)
    monkeypatch.setattr(threads, "_AT_FIRST", 2)
    try:
        small = A2C("MlpPolicy", "CartPole-v1", device="cpu")
        if fails:
            with pytest.raises(RuntimeError):
                small.learn(10, callback=Look())
        else:
            small.learn(10, callback=Look())
            wide = PPO(
                "MlpPolicy", "CartPole-v1", 3e-4, 256, 256, 1, device="cpu",
                policy_kwargs={"net_arch": [256, 256]},
            )  # fmt: skip
            wide.learn(10, callback=Look())
            assert seen[-1] == 2
        assert seen[0] == 1 and th.get_num_threads() == 2
    finally:
        th.set_num_threads(before)
