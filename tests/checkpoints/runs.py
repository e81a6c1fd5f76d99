"""Runs that are interrupted: how each is built, and everything about it as digests by name.

``python -m tests.checkpoints.runs CASE FOLDER`` goes on with one in a new process.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sb3_contrib
import stable_baselines3 as sb3
import torch as th
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import KVWriter, Logger
from stable_baselines3.common.noise import NormalActionNoise, OrnsteinUhlenbeckActionNoise
from stable_baselines3.common.vec_env import SubprocVecEnv, VecEnv, VecNormalize

import sb3_ac_ext as ours
from sb3_ac_ext.checkpoints.callback import BundleCallback
from sb3_ac_ext.checkpoints.episode_log import EpisodeLog
from sb3_ac_ext.checkpoints.resume import resume
from sb3_ac_ext.checkpoints.rows import columns
from sb3_ac_ext.checkpoints.state import capture
from sb3_ac_ext.schedules import CosineSchedule, LinearSchedule
from tests.compiled import is_compiled

NEVER = 10**9


@dataclass(frozen=True)
class Case:
    """
    :param make: the model with its environment
    :param total: environment steps
    :param stop: after which it is interrupted
    :param evaluated: id of the environment of an ``EvalCallback``
    """

    make: Callable[[], Any]
    total: int
    stop: int
    evaluated: str | None = None


class Rows(KVWriter):
    """Keeps what is logged, except wall time."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, dict[str, Any]]] = []

    def write(self, key_values: dict[str, Any], key_excluded: Any, step: int = 0) -> None:
        timeless = {
            k: v for k, v in key_values.items() if k not in ("time/fps", "time/time_elapsed")
        }
        self.rows.append((step, timeless))

    def close(self) -> None:
        pass


def callbacks(case: Case, folder: Path, stop: int | None) -> list[BaseCallback]:
    found: list[BaseCallback] = []
    if case.evaluated is not None:
        env = make_vec_env(case.evaluated, 1, seed=5)
        found.append(EvalCallback(env, eval_freq=70, n_eval_episodes=2, verbose=0))
    return [*found, BundleCallback(folder, every=NEVER, stop_at=stop)]


def train(case: Case, folder: Path, stop: int | None = None, going_on: bool = False) -> Any:
    """:return: model, callbacks and logged rows"""
    model = case.make()
    rows = Rows()
    model.set_logger(Logger(None, [rows]))
    given = callbacks(case, folder if going_on or stop else folder / "whole", stop)
    done = 0
    if going_on:
        resume(folder, model, given)
        done = model.num_timesteps
    model.learn(case.total - done, given, reset_num_timesteps=not going_on)
    assert getattr(model, "compile", "auto") != "wait" or is_compiled(model)
    found = fingerprint(model, given, rows.rows)
    model.get_env().close()
    return found


def fingerprint(model: Any, given: list[BaseCallback], rows: list[Any]) -> dict[str, Any]:
    """Name -> digest, of weights, moments, generators, environments, buffer and logged values."""
    found: dict[str, Any] = {}
    state = capture(model, [c for c in given if not isinstance(c, BundleCallback)])
    _digest(state, "", found)
    buffer = getattr(model, "replay_buffer", None)
    if buffer is not None:
        _digest({k: v for k, v in columns(buffer).items() if v.dtype != object}, "rows", found)
    return {"state": found, "logged": [[step, repr(sorted(row.items()))] for step, row in rows]}


# wall time, and what SB3 leaves behind of the last action and makes anew before the next
_NOT_COMPARED = {
    "t",
    "episode_times",
    "distribution",
    "gaussian_actions",
    "skipped",
    "known",
    "rollout",
}


def _digest(value: Any, path: str, found: dict[str, Any]) -> None:
    if isinstance(value, Mapping):
        for key, part in value.items():
            if key not in _NOT_COMPARED:
                _digest(part, f"{path}.{key}", found)
    elif isinstance(value, list | tuple) or type(value).__name__ == "deque":
        for index, part in enumerate(value):
            _digest(part, f"{path}[{index}]", found)
    elif isinstance(value, th.Tensor):
        _digest(value.numpy(), path, found)
    elif isinstance(value, np.ndarray):
        text = f"{value.dtype}{value.shape}".encode() + np.ascontiguousarray(value).tobytes()
        found[path] = hashlib.sha256(text).hexdigest()
    else:
        found[path] = repr(value)


# the cases


def _cart_pole(n: int = 4, **kwargs: Any) -> VecEnv:
    return make_vec_env("CartPole-v1", n, seed=1, **kwargs)


def _pendulum(n: int = 1, **kwargs: Any) -> VecEnv:
    return make_vec_env("Pendulum-v1", n, seed=1, **kwargs)


_SUBPROC: dict[str, Any] = {"vec_env_cls": SubprocVecEnv, "wrapper_class": EpisodeLog}
_ON: dict[str, Any] = {"n_steps": 32, "seed": 0, "device": "cpu"}
_PPO: dict[str, Any] = {**_ON, "n_epochs": 2, "batch_size": 32}
_OFF: dict[str, Any] = {
    "seed": 0,
    "learning_starts": 60,
    "batch_size": 16,
    "device": "cpu",
    "policy_kwargs": {"net_arch": [16, 16]},
}


def _on(make: Callable[[], Any], total: int = 512, stop: int = 200, **kwargs: Any) -> Case:
    return Case(make, total, stop, **kwargs)


def _off(make: Callable[[], Any], total: int = 500, stop: int = 230) -> Case:
    return Case(make, total, stop)


def _off_kwargs(**kwargs: Any) -> dict[str, Any]:
    return {**_OFF, **kwargs, "policy_kwargs": {**_OFF["policy_kwargs"]}}


def _algorithms(module: Any, prefix: str) -> dict[str, Case]:
    noise = NormalActionNoise(np.zeros(1), 0.1 * np.ones(1))
    return {
        f"{prefix}ppo": _on(
            lambda: module.PPO("MlpPolicy", _cart_pole(), **_PPO), evaluated="CartPole-v1"
        ),
        f"{prefix}ppo-normalised-gsde": _on(
            lambda: module.PPO(
                "MlpPolicy",
                VecNormalize(_pendulum(4)),
                **_PPO,
                use_sde=True,
                sde_sample_freq=8,
                learning_rate=LinearSchedule(1e-3),
                clip_range=CosineSchedule(0.2),
            )
        ),
        f"{prefix}a2c": _on(
            lambda: module.A2C("MlpPolicy", _cart_pole(), seed=0, device="cpu"), 4000, 1500
        ),
        f"{prefix}sac": _off(lambda: module.SAC("MlpPolicy", _pendulum(), **_off_kwargs())),
        f"{prefix}sac-normalised-gsde-wrapped": _off(
            lambda: module.SAC(
                "MlpPolicy",
                VecNormalize(_pendulum(2)),
                **_off_kwargs(buffer_size=180, use_sde=True),
            )
        ),
        f"{prefix}td3-n-step": _off(
            lambda: module.TD3(
                "MlpPolicy",
                _pendulum(2),
                **_off_kwargs(n_steps=3),
                action_noise=OrnsteinUhlenbeckActionNoise(np.zeros(1), 0.1 * np.ones(1)),
            )
        ),
        f"{prefix}ddpg-episodes": _off(
            lambda: module.DDPG(
                "MlpPolicy",
                _pendulum(),
                **_off_kwargs(train_freq=(1, "episode")),
                action_noise=noise,
            ),
            800,
        ),
        f"{prefix}dqn": _off(
            lambda: module.DQN("MlpPolicy", _cart_pole(1), **_off_kwargs(target_update_interval=70))
        ),
    }


CASES: dict[str, Case] = {
    **_algorithms(sb3, ""),
    **_algorithms(ours, "ours-"),
    "trpo": _on(lambda: sb3_contrib.TRPO("MlpPolicy", _cart_pole(), **_ON)),
    "tqc": _off(lambda: sb3_contrib.TQC("MlpPolicy", _pendulum(), **_off_kwargs())),
    "ppo_lstm": _on(
        lambda: sb3_contrib.RecurrentPPO(
            "MlpLstmPolicy", _cart_pole(2), **_PPO, policy_kwargs={"lstm_hidden_size": 8}
        ),
        256,
        100,
    ),
    "ours-sac-prioritised": _off(
        lambda: ours.SAC(
            "MlpPolicy",
            _pendulum(),
            **_off_kwargs(replay_buffer_class=ours.PrioritizedReplayBuffer),
        )
    ),
    "sac-memory": _off(
        lambda: sb3.SAC(
            "MlpPolicy",
            _pendulum(),
            **_off_kwargs(
                buffer_size=180,
                optimize_memory_usage=True,
                replay_buffer_kwargs={"handle_timeout_termination": False},
            ),
        )
    ),
    "ppo-subproc": _on(lambda: sb3.PPO("MlpPolicy", _cart_pole(2, **_SUBPROC), **_PPO), 256, 100),
    "ppo-lander": _on(
        lambda: sb3.PPO(
            "MlpPolicy",
            make_vec_env("LunarLander-v3", 2, seed=1, wrapper_class=EpisodeLog),
            **_PPO,
        )
    ),
    "ppo-lander-subproc": _on(
        lambda: sb3.PPO("MlpPolicy", make_vec_env("LunarLander-v3", 2, seed=1, **_SUBPROC), **_PPO)
    ),
    "ppo-hopper": _on(lambda: sb3.PPO("MlpPolicy", make_vec_env("Hopper-v5", 2, seed=1), **_PPO)),
    "ppo-ant": _on(lambda: sb3.PPO("MlpPolicy", make_vec_env("Ant-v5", 2, seed=1), **_PPO)),
    "sac-hopper": _off(
        lambda: sb3.SAC("MlpPolicy", make_vec_env("Hopper-v5", 1, seed=1), **_off_kwargs())
    ),
    "td3-lander": _off(
        lambda: sb3.TD3(
            "MlpPolicy",
            make_vec_env("LunarLanderContinuous-v3", 1, seed=1, wrapper_class=EpisodeLog),
            **_off_kwargs(),
        )
    ),
}

_COMPILED: dict[str, Any] = {"compile": "wait"}
CASES |= {
    "compiled-ppo": _on(lambda: ours.PPO("MlpPolicy", _cart_pole(), **_PPO, **_COMPILED)),
    "compiled-a2c": _on(
        lambda: ours.A2C("MlpPolicy", _cart_pole(), seed=0, device="cpu", **_COMPILED), 4000, 1500
    ),
    "compiled-sac": _off(
        lambda: ours.SAC("MlpPolicy", VecNormalize(_pendulum()), **_off_kwargs(), **_COMPILED)
    ),
    "compiled-td3": _off(
        lambda: ours.TD3("MlpPolicy", _pendulum(2), **_off_kwargs(n_steps=3), **_COMPILED)
    ),
    "compiled-ddpg": _off(
        lambda: ours.DDPG("MlpPolicy", _pendulum(), **_off_kwargs(), **_COMPILED)
    ),
}


if __name__ == "__main__":
    th.set_num_threads(1)
    print(json.dumps(train(CASES[sys.argv[1]], Path(sys.argv[2]), going_on=True)))
