"""The training jobs of the grid: small ones for faults, tuned and default ones beside them."""

from __future__ import annotations

from typing import Any

from sb3_ac_ext.benchmark.faults.cases import Scenario

_SMALL_NET = {"net_arch": [64, 64]}
_OFF_POLICY: dict[str, Any] = {
    "batch_size": 128,
    "learning_rate": 0.002,
    "gamma": 0.98,
    "learning_starts": 200,
    "policy_kwargs": _SMALL_NET,
}
_PPO: dict[str, Any] = {"n_steps": 128, "batch_size": 256, "learning_rate": 0.001}


def _small(
    algo: str, env_id: str, budget: int, n_envs: int = 1, discrete: bool = False, **overrides: Any
) -> Scenario:
    return Scenario(algo, env_id, "small", budget, n_envs, not discrete, overrides)


MAIN: tuple[Scenario, ...] = (
    _small("ppo", "CartPole-v1", 20_000, 8, True, **_PPO, gamma=0.98),
    _small(
        "a2c",
        "CartPole-v1",
        100_000,
        8,
        True,
        n_steps=8,
        learning_rate="lin_0.002",
        gamma=0.98,
        gae_lambda=0.95,
        use_rms_prop=False,
        normalize_advantage=True,
    ),
    _small("ppo", "Acrobot-v1", 40_000, 8, True, **_PPO, normalize=True),
    _small("a2c", "Acrobot-v1", 40_000, 8, True, learning_rate=0.001, normalize=True),
    _small(
        "ppo",
        "Pendulum-v1",
        60_000,
        4,
        n_steps=256,
        batch_size=128,
        learning_rate="lin_0.002",
        gamma=0.9,
    ),
    _small("ppo", "MountainCarContinuous-v0", 30_000, 8, **_PPO, gamma=0.999, normalize=True),
    _small("ppo", "Reacher-v5", 30_000, 8, **_PPO, gamma=0.95),
    _small(
        "a2c",
        "Reacher-v5",
        40_000,
        8,
        n_steps=16,
        learning_rate=0.001,
        gamma=0.95,
        normalize_advantage=True,
    ),
    _small("ppo", "Hopper-v5", 25_000, 8, **_PPO, normalize=True),
    _small("sac", "Pendulum-v1", 4_000, **_OFF_POLICY),
    _small("td3", "Pendulum-v1", 5_000, **_OFF_POLICY),
    _small("ddpg", "Pendulum-v1", 5_000, **_OFF_POLICY),
    _small("sac", "Reacher-v5", 2_500, **_OFF_POLICY),
    _small("td3", "Reacher-v5", 2_500, **_OFF_POLICY),
    _small("ddpg", "Reacher-v5", 2_500, **_OFF_POLICY),
    _small("td3", "InvertedPendulum-v5", 4_000, **_OFF_POLICY),
    _small("ddpg", "InvertedPendulum-v5", 4_000, **_OFF_POLICY),
)
"""Scenarios that faults are injected into: the healthy run learns its task in all of them."""

QUICK: tuple[Scenario, ...] = tuple(
    scenario
    for scenario in MAIN
    if (scenario.algo, scenario.env_id)
    in (
        ("ppo", "CartPole-v1"),
        ("a2c", "CartPole-v1"),
        ("a2c", "Reacher-v5"),
        ("ppo", "MountainCarContinuous-v0"),
        ("ddpg", "Pendulum-v1"),
        ("td3", "Reacher-v5"),
        ("sac", "Reacher-v5"),
    )
)
"""The fastest of them."""


def _tuned(algo: str, env_id: str, budget: int, n_envs: int = 1, **overrides: Any) -> Scenario:
    return Scenario(algo, env_id, "tuned", budget, n_envs, env_id not in _DISCRETE, overrides)


def _default(algo: str, env_id: str, budget: int, n_envs: int = 1, **overrides: Any) -> Scenario:
    return Scenario(algo, env_id, "default", budget, n_envs, env_id not in _DISCRETE, overrides)


_DISCRETE = ("CartPole-v1", "Acrobot-v1", "LunarLander-v3")
_SHORT = {"learning_starts": 400}
"""Budgets of off-policy runs are short here; most tuned settings would not begin to learn."""

TUNED: tuple[Scenario, ...] = (
    _tuned("ppo", "CartPole-v1", 30_000, 8),
    _tuned("ppo", "Acrobot-v1", 80_000, 16),
    _tuned("ppo", "MountainCarContinuous-v0", 8_000),
    _tuned("ppo", "Pendulum-v1", 60_000, 4),
    _tuned("ppo", "LunarLander-v3", 100_000, 16),
    _tuned("ppo", "Hopper-v5", 15_000),
    _tuned("a2c", "CartPole-v1", 60_000, 8),
    _tuned("a2c", "Acrobot-v1", 80_000, 16),
    _tuned("a2c", "MountainCarContinuous-v0", 40_000, 4),
    _tuned("a2c", "Pendulum-v1", 60_000, 8),
    _tuned("a2c", "LunarLander-v3", 60_000, 8),
    _tuned("a2c", "Hopper-v5", 15_000),
    _tuned("sac", "MountainCarContinuous-v0", 3_000),
    _tuned("sac", "Pendulum-v1", 2_500),
    _tuned("sac", "LunarLanderContinuous-v3", 2_500, **_SHORT),
    _tuned("sac", "Hopper-v5", 2_500, **_SHORT),
    _tuned("td3", "MountainCarContinuous-v0", 3_000),
    _tuned("td3", "Pendulum-v1", 3_000, **_SHORT),
    _tuned("td3", "LunarLanderContinuous-v3", 3_000, **_SHORT),
    _tuned("td3", "Hopper-v5", 3_000, **_SHORT),
    _tuned("ddpg", "MountainCarContinuous-v0", 3_000),
    _tuned("ddpg", "Pendulum-v1", 3_000, **_SHORT),
    _tuned("ddpg", "LunarLanderContinuous-v3", 3_000, **_SHORT),
    _tuned("ddpg", "Hopper-v5", 3_000, **_SHORT),
)
"""Our hyperparameters at budgets that are a fraction of theirs, for false alarms only."""

DEFAULT: tuple[Scenario, ...] = (
    *(
        _default("ppo", env_id, 16_384)
        for env_id in (*_DISCRETE, "MountainCarContinuous-v0", "Pendulum-v1", "Hopper-v5")
    ),
    *(
        _default("a2c", env_id, 40_000, 4)
        for env_id in (*_DISCRETE, "MountainCarContinuous-v0", "Pendulum-v1", "Hopper-v5")
    ),
    *(
        _default(algo, env_id, 2_500)
        for algo in ("sac", "td3", "ddpg")
        for env_id in (
            "MountainCarContinuous-v0",
            "Pendulum-v1",
            "LunarLanderContinuous-v3",
            "Hopper-v5",
        )
    ),
)
"""SB3's own hyperparameters; TD3 and DDPG with its documented action noise of 0.1."""

_LACKS: dict[str, tuple[str, ...]] = {
    "CartPole-v1": ("varied_rewards", "fixed_length"),
    "Acrobot-v1": ("varied_rewards", "fixed_length"),
    "MountainCarContinuous-v0": ("fixed_length",),
    "Pendulum-v1": ("terminations",),
    "LunarLander-v3": ("fixed_length",),
    "LunarLanderContinuous-v3": ("fixed_length",),
    "InvertedPendulum-v5": ("varied_rewards", "truncations", "fixed_length"),
    "Hopper-v5": ("truncations", "fixed_length"),
    "Reacher-v5": ("terminations",),
}


def lacks(scenario: Scenario) -> tuple[str, ...]:
    """What some faults need of a task and this one does not have: keys of ``faults.base.NEEDS``."""
    normalised = ("raw_rewards", "raw_observations") if scenario.overrides.get("normalize") else ()
    return (*_LACKS[scenario.env_id], *normalised)
