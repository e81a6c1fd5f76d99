"""The least time that a work can take: its environment alone, and its arithmetic alone."""

from __future__ import annotations

import time
from typing import Any

import torch as th
from torch import nn

from sb3_ac_ext.benchmark.speed.works import SB3, Side, Work

_SECONDS = 0.5


_THREADS = (1, 2)


def limit(work: Work) -> float:
    """Environment steps per second, were there nothing but random steps and matrix products, these
    by the better number of PyTorch's threads."""
    model = work.make(Side("limit", SB3))
    rows = getattr(model, "batch_size", None) or model.n_steps * model.n_envs
    rate = max(product_rate(rows, _width(model), threads) for threads in _THREADS)
    return 1.0 / (1.0 / environment_rate(model.env) + operations(model) / rate)


def environment_rate(env: Any) -> float:
    """Steps per second of all workers together under random actions."""
    env.reset()
    actions = [[env.action_space.sample() for _ in range(env.num_envs)] for _ in range(64)]
    start, n = time.perf_counter(), 0
    while time.perf_counter() - start < _SECONDS:
        for taken in actions:
            env.step(taken)
        n += len(actions) * env.num_envs
    return n / (time.perf_counter() - start)


def product_rate(rows: int, width: int, threads: int) -> float:
    """Floating-point operations per second of products of (rows, width) and (width, width)."""
    th.set_num_threads(threads)
    a, b = th.rand(rows, width), th.rand(width, width)
    start, n = time.perf_counter(), 0
    while time.perf_counter() - start < _SECONDS:
        for _ in range(50):
            th.mm(a, b)
        n += 50
    return 2.0 * rows * width * width * n / (time.perf_counter() - start)


def operations(model: Any) -> float:
    """Floating-point operations per environment step: two per weight and row forwards, four more
    backwards, two of these where only the input's gradient is needed."""
    if hasattr(model, "rollout_buffer"):
        weights = _weights(model.policy)
        return 2.0 * weights + 6.0 * weights * getattr(model, "n_epochs", 1)
    actor, critics = _weights(model.actor), _weights(model.critic)
    target, critic = 2.0 * actor + 2.0 * critics, 6.0 * critics
    delay = int(getattr(model, "policy_delay", 1))
    through = 4.0 * critics if delay == 1 else 2.0 * critics  # TD3's actor asks one critic of two
    per_row = target + critic + (6.0 * actor + through) / delay
    return 2.0 * actor + per_row * model.batch_size


def _weights(network: nn.Module) -> int:
    return sum(m.weight.numel() for m in network.modules() if isinstance(m, nn.Linear))


def _width(model: Any) -> int:
    return max(m.in_features for m in model.policy.modules() if isinstance(m, nn.Linear))
