"""The drop-in algorithms under the monitor: watched like SB3's, and not disturbed by it."""

from copy import deepcopy
from typing import Any

import pytest
import torch as th
from stable_baselines3.common.env_util import make_vec_env

import sb3_ac_ext
from sb3_ac_ext import DiagnosticsCallback

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
