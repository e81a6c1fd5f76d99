"""Checks of single numbers: each error names the key, the value, and what would do."""

from __future__ import annotations

import math
from typing import Any

_UNIT = (0.0, 1.0)
_RANGES: dict[str, tuple[float, float]] = {
    "gamma": _UNIT,
    "gae_lambda": _UNIT,
    "tau": _UNIT,
    "exploration_fraction": _UNIT,
    "exploration_initial_eps": _UNIT,
    "exploration_final_eps": _UNIT,
    "n_steps": (1, math.inf),
    "batch_size": (1, math.inf),
    "n_epochs": (1, math.inf),
    "buffer_size": (1, math.inf),
    "n_critic_updates": (1, math.inf),
    "policy_delay": (1, math.inf),
    "target_update_interval": (1, math.inf),
    "stats_window_size": (1, math.inf),
    "learning_starts": (0, math.inf),
    "max_grad_norm": (0, math.inf),
    "vf_coef": (0, math.inf),
    "target_kl": (0, math.inf),
}


def is_number(value: Any) -> bool:
    """Whether a value is an ``int`` or ``float``; booleans are not numbers here."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def whole_number(value: Any, key: str, least: int | None = 1) -> int:
    """
    :param value: an ``int``, or a ``float`` without fraction such as ``1e6``
    :param key: name of the setting, for the error
    :param least: smallest accepted value, ``None`` for any
    :raises ValueError: for anything else
    """
    bound = "" if least is None else f" of at least {least}"
    if not is_number(value) or not math.isfinite(value) or int(value) != value:
        raise ValueError(f"{key}: {value!r} is not a whole number{bound}")
    if least is not None and value < least:
        raise ValueError(f"{key}: {value!r} is not a whole number{bound}")
    return int(value)


def check_range(value: Any, key: str) -> None:
    """
    :param value: a number, or anything else, which is left alone
    :param key: name of the hyperparameter
    :raises ValueError: if the number is NaN, or outside what the hyperparameter can be
    """
    if not is_number(value):
        return
    low, high = _RANGES.get(key, (-math.inf, math.inf))
    if not low <= value <= high:
        raise ValueError(f"{key}: {value!r} is not between {low:g} and {high:g}")
