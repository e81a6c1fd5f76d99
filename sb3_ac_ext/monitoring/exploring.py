"""A policy that acts in evaluation as it does in training, its noise included."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from stable_baselines3.common.noise import ActionNoise, VectorizedActionNoise

_MATRICES = ("exploration_mat", "exploration_matrices")


def explores(model: Any) -> bool:
    """Whether a model acts otherwise in training than its greedy policy does."""
    return samples(model) or getattr(model, "action_noise", None) is not None


def samples(model: Any) -> bool:
    """Whether a model's policy itself draws its actions, whatever noise is added to them."""
    actor = getattr(model.policy, "actor", None)
    return actor is None or hasattr(actor, "action_log_prob")


@contextmanager
def exploring(model: Any, n_envs: int, with_action_noise: bool = True) -> Iterator[Any]:
    """What ``evaluate_policy`` takes for a model: it samples, with noise of its own.

    gSDE draws one noise matrix for every environment, anew after as many steps as in training;
    the action noise of off-policy algorithms is added. The model's own noise is left as it was.

    :param model: an SB3 algorithm
    :param n_envs: of the environment to act in
    :param with_action_noise: add the action noise of training, where there is one
    """
    holder = _sde_holder(model)
    kept = {name: getattr(holder, name, None) for name in _MATRICES} if holder else {}
    try:
        noise = getattr(model, "action_noise", None) if with_action_noise else None
        yield _Exploring(model, n_envs, holder is not None, noise)
    finally:
        for name, matrix in kept.items():
            if matrix is not None:
                setattr(holder, name, matrix)


def _sde_holder(model: Any) -> Any:
    """Whatever keeps gSDE's noise matrices, ``None`` without gSDE."""
    if not getattr(model, "use_sde", False):
        return None
    actor = getattr(model.policy, "actor", None)  # SAC has one
    return (model.policy if actor is None else actor).action_dist


class _Exploring:
    def __init__(self, model: Any, n_envs: int, sde: bool, noise: ActionNoise | None) -> None:
        self.model, self._n_envs, self._sde = model, n_envs, sde
        self._noise = _own_noise(noise, n_envs)
        freq = getattr(model, "sde_sample_freq", -1)
        self._period = freq if freq > 0 else max(1, int(getattr(model, "n_steps", 1)))
        self._steps = 0

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: npt.NDArray[np.bool_] | None = None,
        deterministic: bool = False,
        **kwargs: Any,
    ) -> tuple[Any, Any]:
        """As ``model.predict``."""
        if self._sde and self._steps % self._period == 0:
            self.model.policy.reset_noise(self._n_envs)
        self._steps += 1
        actions, state = self.model.predict(
            observation, state, episode_start, deterministic=False, **kwargs
        )
        if self._noise is None or not isinstance(self.model.action_space, spaces.Box):
            return actions, state
        if episode_start is not None and episode_start.any():
            self._noise.reset(np.flatnonzero(episode_start).tolist())
        policy = self.model.policy
        scaled = np.clip(policy.scale_action(actions) + self._noise(), -1.0, 1.0)
        return policy.unscale_action(scaled), state


def _own_noise(noise: ActionNoise | None, n_envs: int) -> VectorizedActionNoise | None:
    if noise is None:
        return None
    base = noise.base_noise if isinstance(noise, VectorizedActionNoise) else noise
    return VectorizedActionNoise(deepcopy(base), n_envs)
