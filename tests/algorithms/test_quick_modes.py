"""Modes of policies change in less time while they learn, and as SB3 changes them."""

import copy
import pickle

import pytest
import stable_baselines3
import torch as th
from stable_baselines3.common.callbacks import BaseCallback
from torch import nn

import sb3_ac_ext
from sb3_ac_ext import A2C, SAC
from sb3_ac_ext.algorithms.quick_modes import quick_modes


def modes(policy: nn.Module) -> dict[str, bool]:
    return {name: module.training for name, module in policy.named_modules()}


@pytest.fixture
def policy() -> nn.Module:
    return SAC("MlpPolicy", "Pendulum-v1", device="cpu").policy


def make(package, name: str):
    env = "CartPole-v1" if name in ("PPO", "A2C", "DQN") else "Pendulum-v1"
    arguments = {"n_steps": 16} if name in ("PPO", "A2C") else {"learning_starts": 8}
    batch = {} if name == "A2C" else {"batch_size": 16}
    return getattr(package, name)("MlpPolicy", env, device="cpu", **arguments, **batch)


class Watch(BaseCallback):
    """Modes at every step, and in every update."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[dict[str, bool]] = []

    def _on_training_start(self) -> None:
        update = self.model._update_learning_rate

        def watched(optimizers) -> None:
            self.seen.append(modes(self.model.policy))
            update(optimizers)

        self.model._update_learning_rate = watched

    def _on_step(self) -> bool:
        self.seen.append(modes(self.model.policy))
        return True


@pytest.mark.parametrize("name", ["PPO", "A2C", "DQN", "SAC", "TD3", "DDPG"])
def test_modes_are_those_of_sb3(name):
    watches = [Watch(), Watch()]
    for package, watch in zip((stable_baselines3, sb3_ac_ext), watches, strict=True):
        model = make(package, name)
        model.learn(40, callback=watch)
        watch.seen.append(modes(model.policy))
    theirs, ours = (watch.seen for watch in watches)
    assert ours == theirs
    assert len({tuple(each.values()) for each in ours}) == 2


def test_targets_are_left_alone(policy):
    policy.critic_target.qf0[0].train(True)
    usual = copy.deepcopy(policy)
    for mode in (False, True):
        with quick_modes(policy):
            policy.set_training_mode(mode)
        usual.set_training_mode(mode)
        assert modes(policy) == modes(usual)


def test_layers_that_come_later_are_switched(policy):
    with quick_modes(policy):
        policy.actor.latent_pi[1] = dropout = nn.Dropout(0.5)
        policy.set_training_mode(False)
    assert not dropout.training


class Frozen(nn.ReLU):
    def train(self, mode: bool = True) -> nn.Module:
        return super().train(False)


def test_own_ways_of_switching_are_kept(policy):
    layer = policy.actor.latent_pi[1] = Frozen()
    with quick_modes(policy):
        policy.set_training_mode(True)
    assert not layer.training
    policy.set_training_mode = heard = [].append
    with quick_modes(policy):
        assert policy.set_training_mode is heard
    assert policy.set_training_mode is heard


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_copies_taken_inside_switch_themselves(policy, copied):
    with quick_modes(policy):
        twin = copied(policy)
    before = modes(policy)
    twin.set_training_mode(False)
    assert not twin.actor.mu.training and not twin.training
    assert modes(policy) == before


def test_nothing_is_left_behind():
    model = A2C("MlpPolicy", "CartPole-v1", device="cpu")

    def fail(*_: object) -> bool:
        A2C("MlpPolicy", "CartPole-v1", device="cpu").learn(5)
        model.learn(5)  # within learn()
        raise th.cuda.OutOfMemoryError

    with pytest.raises(th.cuda.OutOfMemoryError):
        model.learn(20, callback=fail)
    assert "set_training_mode" not in vars(model.policy)
