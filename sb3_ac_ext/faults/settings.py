"""Constructor arguments that people get wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import VecEnv, VecNormalize, unwrap_vec_normalize

from sb3_ac_ext.faults.base import OFF_POLICY, ON_POLICY, Fault, Kind
from sb3_ac_ext.faults.overriding import replaced


@dataclass(frozen=True, kw_only=True)
class SettingFault(Fault):
    """A fault of the constructor's arguments.

    :param changes: called with the severity; arguments to set, those in ``policy_kwargs`` are
        added to the ones given
    """

    changes: Callable[[float], dict[str, Any]]

    def edit(self, kwargs: dict[str, Any], severity: float) -> dict[str, Any]:
        changes = self.changes(severity)
        if "policy_kwargs" in changes:
            given = kwargs.get("policy_kwargs") or {}
            changes = {**changes, "policy_kwargs": {**given, **changes["policy_kwargs"]}}
        return {**kwargs, **changes}


class ActionNoise(Fault):
    """Exploration by normal noise of the severity; 0 for none."""

    @contextmanager
    def patch(self, model: Any, severity: float) -> Iterator[None]:
        zero = np.zeros(model.action_space.shape)
        noise = NormalActionNoise(zero, zero + severity) if severity else None
        with replaced(model, action_noise=noise):
            yield


class DoubleNormalisation(Fault):
    """A normaliser around a normaliser; both are added where there was none."""

    def wrap_vec_env(self, env: VecEnv, severity: float) -> VecEnv:
        return VecNormalize(env if unwrap_vec_normalize(env) else VecNormalize(env))

    def wrap_eval_env(self, env: VecEnv, severity: float) -> VecEnv:
        if not unwrap_vec_normalize(env):
            env = VecNormalize(env, training=False, norm_reward=False)
        return VecNormalize(env, training=False, norm_reward=False)


def _fault(
    name: str, cause: str, summary: str, changes: Callable[[float], dict[str, Any]], **knobs: Any
) -> SettingFault:
    return SettingFault(
        name=name,
        component="settings",
        cause=cause,
        summary=summary,
        changes=changes,
        **{"kind": Kind.HARMFUL, **knobs},
    )


def _set(key: str, number: Callable[[float], Any] = float) -> Callable[[float], dict[str, Any]]:
    """The severity is the value of the argument."""
    return lambda severity: {key: number(severity)}


def _setting(key: str, cause: str, name: str, severity: float, **knobs: Any) -> SettingFault:
    """One argument, whose value is the severity, and whose name is the unit."""
    number = int if float(severity).is_integer() and key in _COUNTS else float
    summary = knobs.pop("summary", f"{key} is far from any useful value")
    return _fault(name, cause, summary, _set(key, number), severity=severity, unit=key, **knobs)


_COUNTS = ("n_epochs", "batch_size", "n_steps", "buffer_size", "learning_starts", "policy_delay")
_PPO = {"algos": ("ppo",)}
_ON = {"algos": ON_POLICY}
_OFF = {"algos": OFF_POLICY}
_DEFECT = {"kind": Kind.DEFECT}
_SAC = {"algos": ("sac",)}
_DETERMINISTIC: dict[str, Any] = {"algos": ("td3", "ddpg"), "actions": "continuous"}

FAULTS = (
    _setting("learning_rate", "learning_rate_too_high", "learning_rate_high", 0.03),
    _setting("learning_rate", "learning_rate_too_low", "learning_rate_low", 1e-8),
    _setting("ent_coef", "entropy_bonus_too_high", "ent_coef_high", 1.0, **_ON),
    _setting("ent_coef", "entropy_bonus_negative", "ent_coef_negative", -0.1, **_ON),
    _setting("gamma", "gamma_too_low", "gamma_low", 0.1),
    _setting("gamma", "gamma_too_high", "gamma_one", 1.0, **_DEFECT),
    _setting("gae_lambda", "gae_lambda", "gae_lambda_zero", 0.0, **_ON, **_DEFECT),
    _setting("clip_range", "clip_range", "clip_range_tiny", 1e-4, **_PPO),
    _fault(
        "clip_range_huge",
        "clip_range",
        "the surrogate is never clipped, with many epochs per rollout",
        lambda severity: {"clip_range": severity, "n_epochs": 30},
        severity=100.0,
        unit="clip_range",
        **_PPO,
    ),
    _setting("n_epochs", "too_many_epochs", "n_epochs_many", 100, **_PPO),
    _setting(
        "batch_size",
        "batch_too_small",
        "batch_tiny",
        2,
        algos=("ppo", *OFF_POLICY),
    ),
    _setting("n_steps", "rollout_too_short", "n_steps_tiny", 4, **_PPO),
    _setting("max_grad_norm", "gradient_clipping", "max_grad_norm_tiny", 1e-7, **_ON),
    _fault(
        "sgd_optimizer",
        "optimizer",
        "plain gradient descent with the learning rate of Adam",
        lambda severity: {
            "policy_kwargs": {
                "optimizer_class": th.optim.SGD,
                "optimizer_kwargs": {"momentum": severity},
            }
        },
        severity=0.0,
        unit="momentum",
    ),
    _setting("clip_range_vf", "value_clipping", "clip_range_vf_tiny", 1e-3, **_PPO),
    _setting("vf_coef", "value_coefficient", "vf_coef_zero", 0.0, **_ON),
    _setting("vf_coef", "value_coefficient", "vf_coef_huge", 1e5, **_ON),
    _setting(
        "target_kl",
        "update_frequency",
        "target_kl_tiny",
        1e-7,
        summary="target_kl stops every update after its first steps",
        **_PPO,
    ),
    _fault(
        "log_std_high",
        "exploration_too_high",
        "the policy begins with a far too large standard deviation",
        lambda severity: {"policy_kwargs": {"log_std_init": severity}},
        severity=3.0,
        unit="log_std_init",
        actions="continuous",
        **_ON,
    ),
    _fault(
        "log_std_low",
        "exploration_too_low",
        "the policy begins with a far too small standard deviation",
        lambda severity: {"policy_kwargs": {"log_std_init": severity}},
        severity=-5.0,
        unit="log_std_init",
        actions="continuous",
        **_ON,
    ),
    _fault(
        "log_std_overflow",
        "policy_distribution_broken",
        "the policy begins with a standard deviation that is not finite",
        lambda severity: {"policy_kwargs": {"log_std_init": severity}},
        severity=100.0,
        unit="log_std_init",
        actions="continuous",
        **_ON,
    ),
    _setting("tau", "target_network", "tau_one", 1.0, **_OFF),
    _setting("tau", "target_network", "tau_zero", 0.0, **_OFF),
    _setting("buffer_size", "replay_too_small", "buffer_tiny", 200, **_OFF),
    _setting("learning_starts", "learning_starts", "learning_starts_late", 10_000_000, **_OFF),
    _setting("learning_starts", "learning_starts", "learning_starts_zero", 0, **_OFF),
    ActionNoise(
        name="action_noise_huge",
        component="settings",
        cause="exploration_too_high",
        kind=Kind.HARMFUL,
        summary="the noise on actions drowns the policy",
        severity=3.0,
        unit="standard deviations per half range of the actions",
        **_DETERMINISTIC,
    ),
    ActionNoise(
        name="action_noise_none",
        component="settings",
        cause="exploration_too_low",
        kind=Kind.HARMFUL,
        summary="a deterministic policy explores without noise",
        severity=0.0,
        unit="standard deviations per half range of the actions",
        **_DETERMINISTIC,
    ),
    _setting("ent_coef", "entropy_bonus_too_high", "alpha_huge", 100.0, **_SAC),
    _setting(
        "target_entropy",
        "entropy_bonus_too_high",
        "target_entropy_unreachable",
        10.0,
        summary="SAC's target_entropy is more than the policy can reach: ent_coef grows for ever",
        **_SAC,
    ),
    _setting(
        "target_entropy",
        "entropy_bonus_too_low",
        "target_entropy_low",
        -100.0,
        summary="SAC's target_entropy is so low that ent_coef falls to 0",
        **_SAC,
    ),
    _setting("policy_delay", "update_frequency", "policy_delay_huge", 1_000_000, algos=("td3",)),
    _fault(
        "gradient_steps_few",
        "update_frequency",
        "one gradient step in a thousand steps of the environment",
        lambda severity: {"train_freq": int(severity), "gradient_steps": 1},
        severity=1000.0,
        unit="train_freq",
        **_OFF,
    ),
    DoubleNormalisation(
        name="double_normalisation",
        component="settings",
        cause="double_normalisation",
        kind=Kind.DEFECT,
        summary="observations and rewards are normalised twice",
    ),
)
