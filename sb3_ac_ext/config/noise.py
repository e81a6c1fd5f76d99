"""Exploration noise of deterministic policies, from ``noise_type`` and ``noise_std``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from stable_baselines3.common.noise import (
    ActionNoise,
    NormalActionNoise,
    OrnsteinUhlenbeckActionNoise,
)

from sb3_ac_ext.lookup import unknown

_TYPES: Mapping[str, Callable[..., ActionNoise]] = {
    "normal": NormalActionNoise,
    "ornstein-uhlenbeck": OrnsteinUhlenbeckActionNoise,
}


@dataclass(frozen=True)
class ActionNoiseConfig:
    """
    :param noise_type: ``normal`` or ``ornstein-uhlenbeck``
    :param noise_std: standard deviation, the same for every dimension of the action
    """

    noise_type: str
    noise_std: float

    def build(self, n_actions: int) -> ActionNoise:
        """
        :param n_actions: number of dimensions of the action
        """
        return _TYPES[self.noise_type](
            mean=np.zeros(n_actions), sigma=self.noise_std * np.ones(n_actions)
        )


def pop_noise(entry: MutableMapping[str, Any]) -> ActionNoiseConfig | None:
    """Take ``noise_type`` and ``noise_std`` out of the settings.

    :param entry: settings of one run, changed in place
    :return: ``None`` where there is no noise, which ``noise_type: null`` says too
    :raises ValueError: for an unknown type, a negative or missing std, a std without a type
    """
    has_type = "noise_type" in entry
    noise_type, noise_std = entry.pop("noise_type", None), entry.pop("noise_std", None)
    if noise_type is None:
        if noise_std is not None and not has_type:
            raise ValueError(f"noise_std {noise_std!r} is given without noise_type")
        return None
    name = str(noise_type).strip()
    if name not in _TYPES:
        raise unknown("noise_type", noise_type, _TYPES)
    is_number = isinstance(noise_std, (int, float)) and not isinstance(noise_std, bool)
    if not is_number or not 0 <= float(noise_std) < float("inf"):
        raise ValueError(f"noise_type {name!r} needs a noise_std of at least 0, not {noise_std!r}")
    return ActionNoiseConfig(name, float(noise_std))
