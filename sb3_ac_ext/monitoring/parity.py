"""Training against evaluation, step by step: do both pay and show the same?"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sb3_ac_ext.monitoring.functional import compare_samples
from sb3_ac_ext.monitoring.play import Play
from sb3_ac_ext.monitoring.transitions import Transitions
from sb3_ac_ext.monitoring.view import View

Floats = npt.NDArray[np.float64]
_LEAST = 50
_LEAST_EPISODES = 5


def parity(view: View, played: Play, returns: Floats, lengths: Floats) -> dict[str, float]:
    """The training environment over the evaluation environment, under nearly the same policy.

    Ratios of ``parity/reward_scale``: mean magnitudes of rewards, ``parity/reward_median``: median
    magnitudes, ``parity/reward_level``: means, ``parity/reward_std``: standard deviations,
    ``parity/reward_max``: largest magnitudes. Rewards are those of before any normaliser.
    ``parity/return_sign``: how many standard errors the mean returns of both are away from zero,
    the smaller one; negative where they lie on different sides. ``parity/obs_scale_max`` and
    ``_min``: extreme ratios over dimensions of the observations' standard deviations, as the
    policy receives them;
    ``parity/obs_dead``: dimensions that vary in evaluation only; ``parity/obs_roughness``: median
    over dimensions of the ratio of mean squared step to variance (von Neumann), which noise raises
    and scale does not.
    ``parity/distinct_starts``: different first observations of the evaluation's workers.
    ``parity/length_ratio``, ``parity/length_p``: ratio of mean episode lengths, with a Mann-Whitney
    p-value. Quantities that cannot be compared are left out.

    :param view: this moment of training
    :param played: the policy that trains, in the evaluation environment
    :param returns: of recent training episodes
    :param lengths: of the same
    """
    values: dict[str, float] = {"parity/distinct_starts": float(played.distinct_starts)}
    _rewards(view.window.raw_rewards.ravel(), played.rewards.ravel(), values)
    if view.observations is not None and played.observations is not None:
        _observations(view.observations, played.observations, values)
        _roughness(view.transitions, played.observations, values)
    if len(lengths) >= _LEAST_EPISODES:
        values["parity/length_ratio"] = float(lengths.mean() / played.lengths.mean())
        values["parity/length_p"] = compare_samples(lengths, played.lengths)[0]
        a, b = _errors_from_zero(returns), _errors_from_zero(played.returns)
        values["parity/return_sign"] = float(np.sign(a * b) * min(abs(a), abs(b)))
    return values


def _rewards(train: Floats, evaluated: Floats, values: dict[str, float]) -> None:
    train, evaluated = train[np.isfinite(train)], evaluated[np.isfinite(evaluated)]
    if min(len(train), len(evaluated)) < _LEAST:
        return
    pairs = {
        "scale": (float(np.abs(train).mean()), float(np.abs(evaluated).mean())),
        "median": (float(np.median(np.abs(train))), float(np.median(np.abs(evaluated)))),
        "level": (float(train.mean()), float(evaluated.mean())),
        "std": (float(train.std()), float(evaluated.std())),
        "max": (float(np.abs(train).max()), float(np.abs(evaluated).max())),
    }
    for name, (a, b) in pairs.items():
        if b != 0.0:
            values[f"parity/reward_{name}"] = a / b


def _errors_from_zero(returns: Floats) -> float:
    spread = max(float(returns.std()), 1e-3 * float(np.abs(returns).max()), 1e-12)
    return float(returns.mean() / spread * np.sqrt(len(returns)))


def _observations(train: Any, evaluated: Floats, values: dict[str, float]) -> None:
    if isinstance(train, dict) or train.dim() != 2:
        return
    seen = train.cpu().numpy().astype(np.float64)
    evaluated = evaluated.reshape(-1, evaluated.shape[-1])
    if min(len(seen), len(evaluated)) < _LEAST or not np.isfinite(seen).all():
        return
    a, b = seen.std(axis=0), evaluated.std(axis=0)
    tiny = 1e-9 * np.maximum(1.0, np.abs(evaluated).max(axis=0))
    alive = b > tiny
    values["parity/obs_dead"] = float(np.sum(alive & (a <= tiny)))
    both = alive & (a > tiny)
    if both.any():
        ratios = a[both] / b[both]
        values["parity/obs_scale_max"] = float(ratios.max())
        values["parity/obs_scale_min"] = float(ratios.min())


def _roughness(steps: Transitions | None, evaluated: Floats, values: dict[str, float]) -> None:
    if steps is None or len(evaluated) < _LEAST or not steps.inside.any():
        return
    # medians, because a reset among the steps of evaluation would look like a jump
    change = np.median((steps.next_observations - steps.observations)[steps.inside] ** 2, axis=0)
    spread = steps.observations[steps.inside].var(axis=0)
    step = np.median(np.diff(evaluated, axis=0) ** 2, axis=(0, 1))
    variance = evaluated.reshape(-1, evaluated.shape[-1]).var(axis=0)
    if len(change) != len(step):
        return
    alive = (spread > 0.0) & (variance > 0.0) & (step > 0.0)
    if alive.any():
        ratios = (change / np.where(spread > 0.0, spread, 1.0))[alive] / (step / variance)[alive]
        values["parity/obs_roughness"] = float(np.median(ratios))
