"""Policies whose layers do not ask for the mode keep theirs while they learn; others do not."""

import copy
import pickle

import pytest
import torch as th
from torch import nn

from sb3_ac_ext import PPO, SAC
from sb3_ac_ext.algorithms.modes import one_mode


@pytest.fixture
def policy() -> nn.Module:
    return SAC("MlpPolicy", "Pendulum-v1", device="cpu").policy


def modes(policy: nn.Module) -> set[bool]:
    return {policy.actor.training, policy.critic.training, policy.training}


def test_calls_change_nothing_inside(policy):
    with one_mode(policy):
        policy.set_training_mode(False)
        assert modes(policy) == {True}
    policy.set_training_mode(False)
    assert modes(policy) == {False}


def test_forward_hooks_see_the_mode_that_they_are_used_to(policy):
    with one_mode(policy):
        policy.actor.mu.register_forward_hook(lambda *_: None)
        policy.set_training_mode(False)
    assert modes(policy) == {False}


def test_layers_that_come_later_are_switched(policy):
    with one_mode(policy):
        policy.actor.latent_pi[1] = dropout = nn.Dropout(0.5)
        policy.set_training_mode(False)
    assert not dropout.training


@pytest.mark.parametrize("layer", [nn.Dropout, type("Own", (nn.Module,), {})])
def test_policies_with_layers_that_may_ask_are_switched(layer):
    class Activation(nn.Sequential):
        def __init__(self) -> None:
            super().__init__(nn.ReLU(), layer())

    asking = SAC(
        "MlpPolicy", "Pendulum-v1", policy_kwargs={"activation_fn": Activation}, device="cpu"
    ).policy
    with one_mode(asking):
        asking.set_training_mode(False)
    assert modes(asking) == {False}


def test_somebody_elses_way_of_switching_stays(policy):
    policy.set_training_mode = heard = [].append
    with one_mode(policy):
        assert policy.set_training_mode is heard
    assert policy.set_training_mode is heard


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_copies_taken_inside_work(policy, copied):
    with one_mode(policy):
        twin = copied(policy)
    twin.actor.mu.register_forward_hook(lambda *_: None)
    twin.set_training_mode(False)
    assert modes(twin) == {False}
    assert modes(policy) == {True}


@pytest.mark.parametrize(("cls", "env"), [(SAC, "Pendulum-v1"), (PPO, "CartPole-v1")])
def test_dropout_is_off_in_rollouts_and_on_in_updates(cls, env):
    seen = set()

    class Watched(nn.Dropout):
        def forward(self, x: th.Tensor) -> th.Tensor:
            seen.add((len(x) > 1, self.training))
            return super().forward(x)

    kwargs = {"learning_starts": 8} if cls is SAC else {"n_steps": 32, "batch_size": 32}
    model = cls("MlpPolicy", env, device="cpu", policy_kwargs={"activation_fn": Watched}, **kwargs)
    model.learn(40)
    assert {(False, False), (True, True)} <= seen
    assert (False, True) not in seen
