"""SAC, TD3 and DDPG explore in NumPy as Stable-Baselines3's do."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stable_baselines3
import torch as th
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.noise import NormalActionNoise, VectorizedActionNoise

import sb3_ac_ext
from sb3_ac_ext import A2C, PPO, SAC, TD3
from tests.algorithms.environments import Random

SETTINGS: dict[str, Any] = {"learning_starts": 20, "batch_size": 16, "buffer_size": 200, "seed": 1}


def trained(cls: Any, steps: int = 80, **settings: Any) -> Any:
    env = make_vec_env(Random, 2, seed=3, env_kwargs={"action": "box", "observation": "box"})
    n = env.action_space.shape[0]
    if settings.pop("noise", False):
        noise = NormalActionNoise(np.zeros(n), np.full(n, 0.2))
        settings["action_noise"] = VectorizedActionNoise(noise, 2)
    settings = {**SETTINGS, "policy_kwargs": {"net_arch": [16]}, **deepcopy(settings)}
    return cls("MlpPolicy", env, device="cpu", **settings).learn(steps)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("SAC", {}),
        ("SAC", {"noise": True}),
        ("SAC", {"policy_kwargs": {"net_arch": [16, 8], "activation_fn": th.nn.Tanh}}),
        ("TD3", {"noise": True}),
        ("DDPG", {}),
    ],
)
def test_the_same_actions_up_to_rounding(name: str, settings: dict[str, Any]) -> None:
    theirs = trained(getattr(stable_baselines3, name), **settings)
    ours = trained(getattr(sb3_ac_ext, name), **settings)
    assert ours._explorer is not None and ours.replay_buffer.pos == 40
    for column in ("observations", "actions", "rewards"):
        mine, other = (getattr(m.replay_buffer, column)[:40] for m in (ours, theirs))
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [
        {"exact": True},
        {"use_sde": True},
        {"log_std_bounds": (-3.0, 0.0)},
        {"policy_kwargs": {"net_arch": [16], "activation_fn": th.nn.ELU}},
        {"learning_starts": 1000},
    ],
)
def test_others_explore_as_ever(settings: dict[str, Any]) -> None:
    explorer = trained(SAC, **settings)._explorer
    assert explorer is None or explorer.watched


def test_an_actor_that_moves_is_read_anew(tmp_path: Path) -> None:
    model = trained(SAC)
    before = model._explorer
    for parameter in model.actor.parameters():
        parameter.data = parameter.data.clone()
    model.learn(4, reset_num_timesteps=False)
    assert model._explorer is not before
    assert deepcopy(model)._explorer is None
    model.save(tmp_path / "model")
    assert "_explorer" not in vars(stable_baselines3.SAC.load(tmp_path / "model"))


@pytest.mark.parametrize("cls", [PPO, A2C, SAC])
def test_a_policy_that_is_not_finite_is_an_error_as_ever(cls: Any) -> None:
    settings: dict[str, Any] = {} if cls is SAC else {"n_steps": 16}
    if cls is not SAC:
        env = make_vec_env("CartPole-v1", 2)
        model = cls("MlpPolicy", env, device="cpu", **settings)
    else:
        model = trained(cls)
    with th.no_grad():
        for parameter in model.policy.parameters():
            parameter.fill_(float("nan"))
    with pytest.raises(ValueError, match="not finite"):
        model.learn(100, reset_num_timesteps=False)


def test_td3_gives_what_its_actor_gives() -> None:
    model = trained(TD3)
    obs = model._last_obs
    action, scaled = model._sample_action(0, None, 2)
    np.testing.assert_allclose(action, model.predict(obs)[0], rtol=1e-5, atol=1e-6)
    assert np.abs(scaled).max() <= 1.0


def test_images_are_divided_by_255_whichever_policy_sees_them() -> None:
    def learned(cls: Any, **settings: Any) -> Any:
        kwargs = {"observation": "image", "action": "box"}
        env = make_vec_env(Random, 2, seed=3, env_kwargs=kwargs)
        small = {"policy_kwargs": {"net_arch": [8]}, "seed": 1}
        return cls("MlpPolicy", env, **small, **settings).learn(16)

    assert learned(SAC, learning_starts=0, buffer_size=99)._explorer is None
    rollout = {"n_steps": 8, "batch_size": 16}
    fast, exact = (learned(PPO, **rollout, exact=exact).rollout_buffer for exact in (False, True))
    np.testing.assert_allclose(fast.values, exact.values, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(fast.actions, exact.actions, rtol=1e-5, atol=1e-6)


def test_hooks_on_layers_see_rollouts_too() -> None:
    env = make_vec_env(Random, 2, seed=3, env_kwargs={"action": "discrete"})
    model = A2C("MlpPolicy", env)
    model.learn(20)
    calls: list[Any] = []
    model.policy.action_net.register_forward_hook(lambda *_: calls.append(th.is_grad_enabled()))
    model.learn(10)
    assert calls.count(False) == 5 and calls.count(True) == 1, "of rollouts, of the update"


def test_actions_of_several_dimensions() -> None:
    class Grid(Random):
        def __init__(self) -> None:
            super().__init__()
            self.action_space = spaces.Box(-1.0, 1.0, (2, 2), np.float32)

    fast, exact = (
        A2C("MlpPolicy", make_vec_env(Grid, 2, seed=3), seed=1, exact=exact).learn(40)
        for exact in (False, True)
    )
    mine, other = (m.rollout_buffer.actions for m in (fast, exact))
    np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5)
    assert fast._actor is not None and fast._backprop is not None


def test_hooks_that_come_later_see_an_actor_explore() -> None:
    model = trained(SAC)
    assert model._explorer is not None
    calls: list[Any] = []
    model.actor.mu.register_forward_hook(lambda *_: calls.append(th.is_grad_enabled()))
    model.learn(4, reset_num_timesteps=False)
    assert model._explorer.watched and False in calls
