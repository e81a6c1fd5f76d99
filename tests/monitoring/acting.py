"""Small models, findings that are scripted, and what of a model an action might change."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch as th
from stable_baselines3 import A2C, PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from sb3_ac_ext import DiagnosticsCallback
from sb3_ac_ext.monitoring.actions import Case
from sb3_ac_ext.monitoring.detectors import Detector
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Finding, Severity

SMALL = {"net_arch": [8]}
OFF_POLICY = {"learning_starts": 20, "batch_size": 16, "buffer_size": 500}
ALGORITHMS: dict[str, tuple[Any, dict[str, Any]]] = {
    "ppo": (PPO, {"n_steps": 16, "batch_size": 16, "n_epochs": 2}),
    "a2c": (A2C, {}),
    "sac": (SAC, OFF_POLICY),
    "td3": (TD3, OFF_POLICY),
}


def make(algo: str, env: Any = "Pendulum-v1", **kwargs: Any) -> BaseAlgorithm:
    cls, usual = ALGORITHMS[algo]
    settings = {"seed": 0, "device": "cpu", "policy_kwargs": dict(SMALL), **usual, **kwargs}
    return cls("MlpPolicy", env, **settings)


def normalised(n_envs: int = 1) -> VecNormalize:
    return VecNormalize(make_vec_env("Pendulum-v1", n_envs=n_envs, seed=0))


@dataclass(frozen=True)
class Scripted(Detector):
    """Fires at chosen snapshots, counted from 1.

    :param script: snapshot -> (severity, snapshots since it began)
    """

    script: tuple[tuple[int, Severity, int], ...]
    cause: str = "learning_rate_too_high"
    label: str = "scripted"

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.label

    advice = "nothing"

    def check(self, history: History) -> Finding | None:
        steps = [snapshot.step for snapshot in history]
        for number, severity, ago in self.script:
            if number == len(steps):
                return Finding(
                    detector=self.label,
                    severity=severity,
                    message="it was scripted",
                    step=steps[-1],
                    since=steps[max(0, len(steps) - 1 - ago)],
                    value=1.0,
                    threshold=0.0,
                    series=("a",),
                    causes={self.cause: 1.0},
                    advice=self.advice,
                )
        return None


CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO


def once(number: int = 3, severity: Severity = CRITICAL, ago: int = 0, **kwargs: Any) -> Scripted:
    return Scripted(((number, severity, ago),), **kwargs)


def watch(actions: Any, *detectors: Detector, **kwargs: Any) -> DiagnosticsCallback:
    settings = {"every": 16, "canary_freq": 0, "signals": [], "verbose": 0, **kwargs}
    return DiagnosticsCallback(actions=actions, detectors=detectors or [once()], **settings)


FINDING = Finding(
    "scripted", CRITICAL, "it was scripted", 100, 90, 1.0, 0.0, ("a",), {"reward_scale": 1.0}, "-"
)


def case(model: Any, since: int = 90, folder: Path = Path()) -> Case:
    return Case(model, replace(FINDING, since=since), 100, since, folder)


def same(one: Any, other: Any) -> bool:
    """Bit for bit, through dicts and lists."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, th.Tensor):
        return one.dtype == other.dtype and th.equal(one, other)
    return bool(np.array_equal(one, other))


def learnt(model: Any) -> dict[str, Any]:
    """Everything that learning changes, as a copy."""
    owners = [getattr(model.policy, name, None) for name in ("actor", "critic")]
    optimizers = [o.optimizer for o in (model.policy, *owners) if hasattr(o, "optimizer")]
    optimizers.append(getattr(model, "ent_coef_optimizer", None))
    coefficient = getattr(model, "log_ent_coef", None)
    found = {
        "policy": model.policy.state_dict(),
        "optimizers": [o.state_dict() for o in optimizers if o is not None],
        "coefficient": None if coefficient is None else coefficient.detach(),
    }
    normaliser = model.get_vec_normalize_env()
    if normaliser is not None:
        meters = {"obs": normaliser.obs_rms, "returns": normaliser.ret_rms}
        found["normaliser"] = {name: vars(meter) for name, meter in meters.items()}
        found["normaliser"]["running"] = normaliser.returns
    return deepcopy(found)


def fingerprint(model: Any) -> dict[str, Any]:
    """What an action might change beside the state: settings, as training reads them."""
    tensor = getattr(model, "ent_coef_tensor", None)
    return {
        "state": learnt(model),
        "rate": model.lr_schedule(1.0),
        "learning_rate": model.learning_rate,
        "ent_coef": getattr(model, "ent_coef", None),
        "ent_coef_tensor": None if tensor is None else float(tensor),
        "steps": model.num_timesteps,
        "updates": model._n_updates,
        "env": sorted(vars(model.env)),
    }


def changed(before: dict[str, Any], model: Any) -> set[str]:
    after = fingerprint(model)
    return {name for name in before if not same(before[name], after[name])}
