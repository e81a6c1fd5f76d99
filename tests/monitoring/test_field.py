"""The exact layer turned on the field: healthy configurations of SB3 and contrib. Slow.

What fires here is a flaw of an invariant, or a bug of theirs: those stand in examples/found/.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from sb3_contrib import QRDQN, TQC, TRPO, CrossQ, RecurrentPPO
from stable_baselines3 import A2C, DDPG, DQN, PPO, SAC, TD3, HerReplayBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.envs import BitFlippingEnv, FakeImageEnv
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecEnv,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
)

from sb3_ac_ext.monitoring.callback import DiagnosticsCallback
from sb3_ac_ext.monitoring.detectors import (
    Detector,
    FrozenTarget,
    GradientDirection,
    OldReset,
    StaleObservation,
    TerminatedAtLimit,
    Untrained,
    exact_invariants,
)

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
th.set_num_threads(1)

EXACT: list[Detector] = [
    *exact_invariants(),
    Untrained(),
    GradientDirection(),
    FrozenTarget(),
    StaleObservation(),
    OldReset(),
    TerminatedAtLimit(),
]
Make = Callable[[], VecEnv]
SMALL = {"net_arch": [16]}
BOX, MULTI, BITS = (
    spaces.Box(-2.0, 3.0, (2,), np.float32),
    spaces.MultiDiscrete([3, 2]),
    spaces.MultiBinary(3),
)
VECTOR = spaces.Box(-1.0, 1.0, (4,), np.float32)
DICT = spaces.Dict({"a": spaces.Box(-1.0, 1.0, (3,), np.float32), "b": spaces.Discrete(4)})
IMAGES = spaces.Dict({**DICT.spaces, "image": spaces.Box(0, 255, (36, 36, 1), np.uint8)})


class Noise(gym.Env[Any, Any]):
    """Any spaces, random observations and rewards, ends at random and by a limit."""

    def __init__(self, actions: spaces.Space[Any], observations: spaces.Space[Any]) -> None:
        self.action_space, self.observation_space = actions, observations

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.observation_space.seed(int(self.np_random.integers(1 << 30)))
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> Any:
        ends = bool(self.np_random.random() < 0.05)
        return self.observation_space.sample(), float(self.np_random.normal()), ends, False, {}


def gym_env(name: str, n_envs: int = 2, **kwargs: Any) -> Make:
    return lambda: make_vec_env(name, n_envs, seed=1, **kwargs)


def noise(actions: Any, observations: Any = VECTOR) -> Make:
    def make() -> gym.Env[Any, Any]:
        return gym.wrappers.TimeLimit(Noise(actions, observations), 15)

    return lambda: make_vec_env(make, 2, seed=1)


def images() -> VecEnv:
    return make_vec_env(lambda: FakeImageEnv(screen_height=36, screen_width=36), 1, seed=1)


def bit_flips(continuous: bool) -> Make:
    return lambda: make_vec_env(lambda: BitFlippingEnv(4, continuous=continuous), 1, seed=1)


def wrapped(make: Make, *layers: Callable[[VecEnv], VecEnv]) -> Make:
    def build() -> VecEnv:
        env = make()
        for layer in layers:
            env = layer(env)
        return env

    return build


def stacked(env: VecEnv) -> VecEnv:
    return VecFrameStack(env, 3)


ON_POLICY: dict[str, tuple[Make, dict[str, Any]]] = {
    "discrete": (gym_env("CartPole-v1"), {}),
    "box": (gym_env("Pendulum-v1"), {}),
    "box of its own": (noise(BOX), {}),
    "multi-discrete": (noise(MULTI), {}),
    "multi-binary": (noise(BITS), {}),
    "discrete observations": (noise(BOX, spaces.Discrete(6)), {}),
    "multi-discrete observations": (noise(BOX, MULTI), {}),
    "multi-binary observations": (noise(BOX, BITS), {}),
    "dict and image": (noise(spaces.Discrete(3), IMAGES), {}),
    "image": (images, {}),
    "gsde": (gym_env("Pendulum-v1"), {"use_sde": True, "sde_sample_freq": 4}),
    "normalised": (wrapped(gym_env("Pendulum-v1"), VecNormalize), {}),
    "normalised and stacked": (wrapped(gym_env("CartPole-v1"), VecNormalize, stacked), {}),
    "stacked and normalised": (wrapped(gym_env("CartPole-v1"), stacked, VecNormalize), {}),
    "monitored outside": (
        wrapped(lambda: DummyVecEnv([lambda: gym.make("CartPole-v1")] * 2), VecMonitor),
        {},
    ),
    "processes": (gym_env("CartPole-v1", vec_env_cls=SubprocVecEnv), {}),
}
PPO_ONLY = {
    "target_kl": {"target_kl": 1e-4},
    "clip_range_vf": {"clip_range_vf": 0.2},
    "advantages as they are": {"normalize_advantage": False},
    "ent_coef": {"ent_coef": 0.01},
    "uneven batches": {"batch_size": 50},
}
OFF_POLICY: dict[str, tuple[Make, dict[str, Any]]] = {
    "box": (gym_env("Pendulum-v1", 1), {}),
    "box of its own": (noise(BOX), {}),
    "normalised": (wrapped(gym_env("Pendulum-v1"), VecNormalize), {}),
    "n-step": (gym_env("Pendulum-v1", 1), {"n_steps": 3}),
    "gradient_steps": (gym_env("Pendulum-v1"), {"train_freq": 4, "gradient_steps": 4}),
    "episodes": (gym_env("Pendulum-v1", 1), {"train_freq": (1, "episode"), "gradient_steps": -1}),
    "noise": (
        gym_env("Pendulum-v1", 1),
        {"action_noise": NormalActionNoise(np.zeros(1), np.ones(1))},
    ),
    "dict": (noise(BOX, DICT), {}),
    "hindsight": (bit_flips(continuous=True), {"replay_buffer_class": HerReplayBuffer}),
}


Case = tuple[Any, Make, dict[str, Any], int]


def on_policy() -> dict[str, Case]:
    on = {"n_steps": 64}
    table: dict[str, Case] = {}
    rollouts = ((PPO, {"batch_size": 64, "n_epochs": 2}), (A2C, {}), (TRPO, {"batch_size": 64}))
    for cls, extra in rollouts:
        for name, (make, kwargs) in ON_POLICY.items():
            table[f"{cls.__name__} {name}"] = (cls, make, {**on, **extra, **kwargs}, 400)
    for name, kwargs in PPO_ONLY.items():
        settings = {**on, "batch_size": 64, "n_epochs": 4, **kwargs}
        table[f"PPO {name}"] = (PPO, gym_env("CartPole-v1"), settings, 400)
    for name in ("CartPole-v1", "Pendulum-v1"):
        settings = {**on, "batch_size": 64, "n_epochs": 2}
        table[f"RecurrentPPO {name}"] = (RecurrentPPO, gym_env(name), settings, 600)
    return table


def off_policy() -> dict[str, Case]:
    off = {"learning_starts": 30, "batch_size": 32, "buffer_size": 1000}
    table: dict[str, Case] = {}
    for cls in (SAC, TD3, DDPG, TQC, CrossQ):
        for name, (make, kwargs) in OFF_POLICY.items():
            if cls is not CrossQ or name not in ("dict", "hindsight"):  # it has no such policy
                table[f"{cls.__name__} {name}"] = (cls, make, {**off, **kwargs}, 450)
    for cls in (SAC, TQC):
        for name, kwargs in (("gsde", {"use_sde": True}), ("ent_coef", {"ent_coef": 0.2})):
            settings = {**off, **kwargs}
            table[f"{cls.__name__} {name}"] = (cls, gym_env("Pendulum-v1", 1), settings, 300)
    for cls in (DQN, QRDQN):
        table[f"{cls.__name__}"] = (cls, gym_env("CartPole-v1"), off, 400)
        her = {**off, "replay_buffer_class": HerReplayBuffer}
        table[f"{cls.__name__} hindsight"] = (cls, bit_flips(continuous=False), her, 400)
        table[f"{cls.__name__} image"] = (cls, images, {**off, "buffer_size": 400}, 120)
    return table


CASES = {**on_policy(), **off_policy()}


@pytest.mark.parametrize("case", CASES)
def test_healthy_configurations_keep_every_invariant(case: str) -> None:
    cls, make, kwargs, steps = CASES[case]
    env = make()
    space = env.observation_space
    kind = "Mlp"
    if isinstance(space, spaces.Dict):
        kind = "MultiInput"
    elif space.dtype == np.uint8 and len(space.shape or ()) == 3:
        kind = "Cnn"
    policy = f"{kind}{'Lstm' if cls is RecurrentPPO else ''}Policy"
    small = {} if kind == "Cnn" else {"policy_kwargs": dict(SMALL)}
    model = cls(policy, env, seed=1, device="cpu", **{**small, **kwargs})
    callback = DiagnosticsCallback(
        every=100, canary_freq=0, detectors=EXACT, verbose=0, report=False
    )
    model.learn(steps, callback=callback)
    env.close()
    assert [finding.message for finding in callback.verdict.findings] == []
    checked = [name for name in callback.history.names if name.startswith("probe/")]
    assert len(checked) > 15
