"""Every fault survives SB3's loop, and makes training another one."""

from __future__ import annotations

import numpy as np
import pytest

from sb3_ac_ext import faults
from sb3_ac_ext.faults import Injection
from sb3_ac_ext.faults.base import OFF_POLICY

from .training import N_ENVS, clean_weights, task_kind, train, weights

UNTOUCHED = ("slow_env", "time_limit_twice", "extra_info_keys")
RARE = ("reward_outliers", "reward_nan", "reward_inf", "obs_nan")
SOON = {
    "env_drift": 20,
    "reward_inverted_midway": 10,
    "reward_scale_midway": 10,
    "sensor_swap_midway": 10,
    "action_swap_midway": 10,
    "worker_reward_scale_midway": 10,
    "worker_frozen": 10,
    "time_limit_short": 4,
    "gradient_steps_few": 20,
    "n_epochs_many": 20,
    "sample_stale": 5,
    "buffer_tiny": 60,
}
"""Severities that show within a few steps of training."""


def runs() -> list[tuple[str, str]]:
    """Every fault with one algorithm of those that it applies to, the cheapest or all in turn."""
    found = []
    for n, name in enumerate(faults.names()):
        algos = faults.get(name).algos
        found.append((name, "a2c" if "a2c" in algos else algos[n % len(algos)]))
        if faults.get(name).component in ("update", "networks") and "sac" in algos[1:]:
            found.append((name, OFF_POLICY[n % 3]))
    return found


@pytest.mark.parametrize(("name", "algo"), runs())
@pytest.mark.filterwarnings("ignore")
def test_training_with_the_fault_is_another_training(name: str, algo: str) -> None:
    fault = faults.get(name)
    continuous = task_kind(fault, algo)
    assert fault.applies(algo, continuous, N_ENVS)
    if name == "log_std_overflow":
        with pytest.raises(ValueError, match="found invalid values"):
            train(algo, Injection(fault), continuous)
        return
    model = train(algo, Injection(fault, SOON.get(name)), continuous)
    clean, broken = clean_weights(algo, continuous), weights(model)
    same = clean.shape == broken.shape and np.array_equal(clean, broken)
    only_evaluation = fault.seams == ("eval_env",)
    assert same == (only_evaluation or name in (*UNTOUCHED, *RARE))
