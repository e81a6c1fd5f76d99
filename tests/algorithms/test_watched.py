"""The drop-in algorithms under the monitor: watched like SB3's, and not disturbed by it."""

from copy import deepcopy
from typing import Any

import pytest
import torch as th
from stable_baselines3.common.env_util import make_vec_env

import sb3_ac_ext
from sb3_ac_ext import DiagnosticsCallback
from sb3_ac_ext.monitoring.records import Severity

ENSEMBLE = {"net_arch": [16, 16], "n_critics": 5}
NORMALISED = {"net_arch": [16], "activation_fn": sb3_ac_ext.LayerNormTanh}
OFF = {"learning_starts": 50, "batch_size": 32, "policy_kwargs": {"net_arch": [16, 16]}}


@pytest.mark.parametrize(
    ("algo", "env_id", "steps", "settings"),
    [
        ("PPO", "CartPole-v1", 512, {"n_steps": 64, "batch_size": 32}),
        ("A2C", "CartPole-v1", 200, {}),
        ("SAC", "Pendulum-v1", 100, OFF),
        ("TD3", "Pendulum-v1", 100, OFF),
        ("DDPG", "Pendulum-v1", 100, OFF),
    ],
)
def test_watched_as_sb3_is(algo: str, env_id: str, steps: int, settings: dict[str, Any]) -> None:
    def weights(cls: Any, callback: Any) -> th.Tensor:
        env, own = make_vec_env(env_id, 2, seed=0), deepcopy(settings)
        model = cls("MlpPolicy", env, seed=0, device="cpu", **own)
        model.learn(steps, callback=callback)
        return th.cat([p.detach().reshape(-1) for p in model.policy.parameters()])

    def watch() -> DiagnosticsCallback:
        return DiagnosticsCallback(verbose=0, canary_freq=0, every=50)

    import stable_baselines3

    ours, theirs = watch(), watch()
    watched = weights(getattr(sb3_ac_ext, algo), ours)
    assert th.equal(watched, weights(getattr(sb3_ac_ext, algo), None)), "neutral"
    weights(getattr(stable_baselines3, algo), theirs)
    assert ours.history.names == theirs.history.names, "all signals"
    assert (ours.history.series("probe/stock_update").values == 1.0).all()
    for name in ours.history.names:
        if name.endswith("_cosine"):
            assert ours.history.series(name).values.min() > 0.999, name
        if name.startswith("gradients/") and name.endswith("norm_mean"):
            mine, other = (cb.history.series(name).values[0] for cb in (ours, theirs))
            assert mine == pytest.approx(other, rel=1e-3), name
    assert not [f for f in ours.verdict.findings if f.detector == "gradient_direction"]


@pytest.mark.parametrize(
    ("algo", "env_id", "knobs"),
    [
        ("PPO", "CartPole-v1", {"critic_learning_rate": 0.01, "n_steps": 64, "batch_size": 32}),
        ("PPO", "CartPole-v1", {"advantage_clip": 0.5, "n_steps": 64, "batch_size": 32}),
        ("PPO", "CartPole-v1", {"ent_coef": "lin_0.1", "vf_coef": "lin_1.0", "n_steps": 64}),
        ("SAC", "Pendulum-v1", {"critic_learning_rate": 0.01, "max_grad_norm": 0.1, **OFF}),
        ("SAC", "Pendulum-v1", {"tau": "lin_0.05", "ent_coef": "lin_0.2", **OFF}),
        ("TD3", "Pendulum-v1", {"critic_learning_rate": "lin_0.02", "tau": "cos_0.02", **OFF}),
        ("TD3", "Pendulum-v1", {"target_update_interval": 10, "tau": 1.0, **OFF}),
        ("TD3", "Pendulum-v1", {"target_update_interval": 3, "reward_clip": 1.0, **OFF}),
        ("SAC", "Pendulum-v1", {"critic_subset": 2, **OFF, "policy_kwargs": ENSEMBLE}),
        ("SAC", "Pendulum-v1", {"log_std_bounds": (-3.0, 0.0), "critic_head_scale": 0.1, **OFF}),
        ("PPO", "Pendulum-v1", {"log_std_bounds": (-1.0, 0.5), "reward_clip": 1.0, "n_steps": 64}),
        ("PPO", "CartPole-v1", {"policy_kwargs": NORMALISED, "n_steps": 64}),
    ],
)
def test_knobs_raise_no_alarm(algo: str, env_id: str, knobs: dict[str, Any]) -> None:
    watch = DiagnosticsCallback(verbose=0, canary_freq=0, every=50)
    env = make_vec_env(env_id, 2, seed=0)
    model = getattr(sb3_ac_ext, algo)("MlpPolicy", env, seed=0, device="cpu", **deepcopy(knobs))
    model.learn(512 if algo == "PPO" else 200, callback=watch)
    assert watch.history.has("probe/learning_rate_ratio")
    grave = [f for f in watch.verdict.findings if f.severity is Severity.CRITICAL]
    assert not grave, grave
