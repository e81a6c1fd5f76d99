"""What is replaced in a network, or hooked to it, is noticed."""

import pytest
from torch import nn

from sb3_ac_ext import PPO, SAC
from sb3_ac_ext.algorithms.structure import Structure


@pytest.fixture
def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Sequential(nn.Linear(3, 1)))


def replace_layer(network):
    network[2][0] = nn.Linear(3, 1)


def replace_parameter(network):
    network[0].weight = nn.Parameter(network[0].weight.detach().clone())


def add_layer(network):
    network[1].add_module("more", nn.Identity())


def change_class(network):
    network[1].__class__ = nn.ReLU


@pytest.mark.parametrize("change", [replace_layer, replace_parameter, add_layer, change_class])
def test_other_parts(network, change):
    structure = Structure(network)
    assert structure.whole
    change(network)
    assert not structure.whole


def test_other_memory(network):
    structure = Structure(network)
    before = structure.addresses
    network[0].weight.data.add_(1.0)
    assert structure.addresses == before
    network[0].weight.data = network[0].weight.data.clone()
    assert structure.whole and structure.addresses != before


def test_hooks(network):
    structure = Structure(network)
    assert not structure.forward and not structure.backward
    network[2].register_forward_pre_hook(lambda *_: None)
    assert structure.forward and not structure.backward
    network[0].weight.register_hook(lambda grad: grad)
    assert structure.backward


@pytest.mark.parametrize(
    ("cls", "env", "hooked"),
    [(PPO, "CartPole-v1", lambda model: model.policy), (SAC, "Pendulum-v1", lambda m: m.actor)],
)
def test_hooks_of_the_network_itself_see_every_action(cls, env, hooked):
    model = cls("MlpPolicy", env, device="cpu", seed=0, **({"n_steps": 32} if cls is PPO else {}))
    model.learn(32)
    rows: list[int] = []

    def note(_module: nn.Module, _inputs: object, output: object) -> None:
        rows.append(len(output[0] if isinstance(output, tuple) else output))

    hooked(model).register_forward_hook(note)
    if cls is SAC:
        model.learning_starts = 0
    model.train = lambda *_, **__: None
    model.learn(32)
    assert rows == [1] * 32
