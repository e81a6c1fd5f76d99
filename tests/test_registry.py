import subprocess
import sys

import pytest
from stable_baselines3 import PPO

from sb3_ac_ext import registry


@pytest.fixture(autouse=True)
def same_names_afterwards(monkeypatch):
    monkeypatch.setattr(registry, "_ALGORITHMS", dict(registry._ALGORITHMS))


class OwnPPO(PPO):
    pass


def test_all_algorithms_of_sb3_and_contrib_are_known():
    assert set(registry.names()) == set(
        ["ppo", "a2c", "sac", "td3", "ddpg", "dqn", "trpo", "tqc", "ppo_lstm", "qrdqn", "crossq"]
    )
    classes = [registry.algorithm(name).__name__ for name in ("ppo", "ppo_lstm", "crossq")]
    assert classes == ["PPO", "RecurrentPPO", "CrossQ"]


def test_one_call_adds_an_algorithm():
    registry.register("own", OwnPPO)
    assert registry.algorithm("own") is OwnPPO
    assert "own" in registry.names()
    assert registry.lineage("own") == ("own", "ppo")


def test_a_path_may_stand_for_the_class():
    registry.register("own", "stable_baselines3.A2C")
    assert registry.algorithm("own").__name__ == "A2C"


@pytest.mark.parametrize("name", ["ppo", "a.b", "a/b", ""])
def test_taken_and_impossible_names_are_refused(name):
    with pytest.raises(ValueError, match=r"already registered|must be letters"):
        registry.register(name, OwnPPO)


def test_unknown_name_tells_the_nearest_and_the_accepted():
    with pytest.raises(ValueError, match=r"'td4', did you mean 'td3'\? accepted are a2c, .*trpo"):
        registry.algorithm("td4")


def test_dotted_path_is_an_algorithm():
    assert registry.algorithm("stable_baselines3.SAC").__name__ == "SAC"
    assert registry.lineage("stable_baselines3.DDPG")[1:] == ("ddpg", "td3")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("collections.OrderedDict", "does not subclass BaseAlgorithm"),
        ("stable_baselines3.PPP", r"did you mean stable_baselines3.PPO\?"),
        ("no_such_package.PPO", "no module 'no_such_package'"),
    ],
)
def test_wrong_path_is_refused(path, message):
    with pytest.raises(ValueError, match=message):
        registry.algorithm(path)


def test_names_need_neither_torch_nor_the_zoo():
    code = (
        "import sys; from sb3_ac_ext import registry; registry.names(); "
        "assert not {'torch', 'stable_baselines3', 'rl_zoo3'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_zoo_learns_our_algorithms_in_place():
    code = (
        "import rl_zoo3.train, rl_zoo3.utils\n"
        "from stable_baselines3 import PPO\n"
        "from sb3_ac_ext import registry\n"
        "registry.register('own', PPO); registry.register_with_zoo()\n"
        "assert rl_zoo3.train.ALGOS['own'] is rl_zoo3.utils.ALGOS['own'] is PPO\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
