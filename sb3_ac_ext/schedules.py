"""Hyperparameters that change over training: strings, numbers and callables become schedules.

A schedule maps ``progress_remaining`` (1 at the start, 0 at the end) to a value, as in SB3. All of
them pickle, because SB3 stores them inside the model's zip. The last rollout may end beyond the
budget, where ``progress_remaining`` is negative: a rate must not be, so it counts as 0 here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from stable_baselines3.common.utils import ConstantSchedule

from sb3_ac_ext.lookup import import_name

Schedule = Callable[[float], float]

ACCEPTED = "a number, lin_X, cos_X, kl_X, a callable, or the dotted path to a callable"


class CosineSchedule:
    """Half a cosine down to zero: ``initial_value (1 + cos(pi (1 - progress_remaining))) / 2``.

    Source: Loshchilov and Hutter 2016, eq. 5 without restarts, arXiv 1608.03983.

    :param initial_value: value at the start of training
    """

    def __init__(self, initial_value: float) -> None:
        self.initial_value = float(initial_value)

    def __call__(self, progress_remaining: float) -> float:
        progress = max(progress_remaining, 0.0)
        return self.initial_value * 0.5 * (1.0 + math.cos(math.pi * (1.0 - progress)))

    def __repr__(self) -> str:
        return f"CosineSchedule(initial_value={self.initial_value})"


class LinearSchedule:
    """A straight line down to zero: ``initial_value * progress_remaining``.

    The product, and not SB3's interpolation, gives RL Zoo's rates to the last bit (except beyond
    the budget, where the Zoo's turn negative).

    :param initial_value: value at the start of training
    """

    def __init__(self, initial_value: float) -> None:
        self.initial_value = float(initial_value)

    def __call__(self, progress_remaining: float) -> float:
        return max(progress_remaining, 0.0) * self.initial_value

    def __repr__(self) -> str:
        return f"LinearSchedule(initial_value={self.initial_value})"


class KLAdaptiveSchedule:
    """A learning rate that follows the size of policy updates instead of time.

    After an update with KL(old, new) above twice ``target_kl`` it is divided by ``factor``, below
    half of it multiplied. The PPO of this package tells it the KL; under any other algorithm it
    stays what it is. Source: Rudin et al., arXiv 2109.11978.

    :param initial_value: rate of the first update
    :param target_kl: in nats, positive
    :param factor: above 1
    :param lowest: bound of the rate, positive
    :param highest: bound of the rate
    :raises ValueError: for values out of range
    """

    def __init__(
        self,
        initial_value: float,
        target_kl: float = 0.01,
        factor: float = 1.5,
        lowest: float = 1e-6,
        highest: float = 1e-2,
    ) -> None:
        if not target_kl > 0.0:
            raise ValueError(f"target_kl={target_kl!r} is not accepted: give a positive number")
        if not factor > 1.0:
            raise ValueError(f"factor={factor!r} is not accepted: give more than 1")
        if not 0.0 < lowest <= initial_value <= highest:
            raise ValueError(
                f"initial_value={initial_value!r} is not accepted: give a rate from "
                f"lowest={lowest!r}, which is positive, to highest={highest!r}"
            )
        self.rate = float(initial_value)
        self.target_kl, self.factor = target_kl, factor
        self.lowest, self.highest = lowest, highest

    def __call__(self, progress_remaining: float) -> float:
        return self.rate

    def observe(self, kl: float) -> None:
        """:param kl: between the policies before and after an update, in nats"""
        if kl > 2.0 * self.target_kl:
            self.rate = max(self.rate / self.factor, self.lowest)
        elif kl < 0.5 * self.target_kl:
            self.rate = min(self.rate * self.factor, self.highest)

    def __repr__(self) -> str:
        return f"KLAdaptiveSchedule(rate={self.rate}, target_kl={self.target_kl})"


_BY_PREFIX: dict[str, Callable[[float], Schedule]] = {
    "lin": LinearSchedule,
    "cos": CosineSchedule,
    "kl": KLAdaptiveSchedule,
}


def is_schedule(value: Any) -> bool:
    """Whether a value changes over training, and is neither a number nor learned (``auto``)."""
    return callable(value) or (isinstance(value, str) and not value.startswith("auto"))


def make_schedule(value: Any, name: str = "schedule") -> Schedule:
    """
    :param value: number, ``lin_3e-4``, ``cos_3e-4``, ``kl_3e-4``, callable, or dotted path to one
    :param name: which hyperparameter it is, for the error
    :return: picklable callable of ``progress_remaining``
    :raises ValueError: for anything else, a negative or a non-finite number
    """
    if callable(value):
        return value  # type: ignore[no-any-return]
    number = _number(value)
    if number is not None:
        return ConstantSchedule(_checked(number, value, name))
    if not isinstance(value, str):
        raise _refused(value, name)
    prefix, separator, rest = value.partition("_")
    start = _number(rest)
    if separator and prefix in _BY_PREFIX and start is not None:
        return _BY_PREFIX[prefix](_checked(start, value, name))
    if "." in value and all(part.isidentifier() for part in value.split(".")):
        return _imported(value, name)
    raise _refused(value, name)


def _imported(path: str, name: str) -> Schedule:
    target = import_name(path)
    if not callable(target) or isinstance(target, type):
        raise ValueError(f"{name}: {path!r} is {target!r}, not a function of progress_remaining")
    return target  # type: ignore[no-any-return]


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _checked(number: float, value: Any, name: str) -> float:
    if not math.isfinite(number) or number < 0:
        raise ValueError(f"{name}: {value!r} must be finite and not negative")
    return number


def _refused(value: Any, name: str) -> ValueError:
    return ValueError(f"{name}: {value!r} is not a schedule: accepted are {ACCEPTED}")
