"""The scale at which each worker pays, learned from its discounted returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.running_mean_std import RunningMeanStd

Floats = npt.NDArray[np.float64]
_ARRAYS = ("mean", "var", "count", "returns")
_SETTINGS: Mapping[str, type] = {
    "epsilon": float,
    "clip_reward": float,
    "warmup": int,
    "shared_scale": bool,
    "training": bool,
    "norm_reward": bool,
}


class WorkerRewards:
    """Rewards over the running standard deviation of their own worker's discounted returns.

    With ``R_t = gamma R_(t-1) + r_t`` of worker ``i``, zero after the end of an episode,

    ``r / sqrt(Var_i(R) + epsilon)``, clipped to ``[-clip_reward, clip_reward]``

    is what ``VecNormalize`` does to rewards, whose variance however is that of all workers' returns
    together. A reward that is not finite is passed on and not learned from.

    :param n_envs: number of workers
    :param gamma: discount factor, the algorithm's
    :param epsilon: added to variances, positive
    :param clip_reward: largest magnitude of a normalised reward, positive
    :param warmup: steps of a worker before which its rewards are only clipped
    :param shared_scale: one scale for all workers, from the variance of all their returns
    :param training: whether to learn from rewards; ``False`` freezes the scales
    :param norm_reward: whether to change rewards at all
    :raises ValueError: for a value out of range
    """

    def __init__(
        self,
        n_envs: int,
        gamma: float = 0.99,
        epsilon: float = 1e-8,
        clip_reward: float = 10.0,
        warmup: int = 100,
        shared_scale: bool = False,
        training: bool = True,
        norm_reward: bool = True,
    ) -> None:
        _check_numbers(gamma, epsilon, clip_reward, warmup)
        self.gamma, self.epsilon, self.clip_reward = gamma, epsilon, clip_reward
        self.warmup, self.shared_scale = warmup, shared_scale
        self.training, self.norm_reward = training, norm_reward
        self.returns: Floats = np.zeros(n_envs)
        self.statistics = RunningMeanStd(shape=(n_envs,))
        self._count = np.full(n_envs, self.statistics.count)

    @property
    def n_envs(self) -> int:
        """Number of workers."""
        return len(self.returns)

    def restart(self) -> None:
        """All workers were reset: what they were paid so far belongs to other episodes."""
        self.returns = np.zeros(self.n_envs)

    def update(self, rewards: npt.NDArray[Any], dones: npt.NDArray[Any]) -> None:
        """Learn from one step of all workers, unless frozen.

        :param rewards: as they were paid, shape (n_envs,)
        :param dones: whether the step ended an episode, shape (n_envs,)
        """
        if not self.training:
            return
        returns = self.gamma * self.returns + rewards
        finite = np.isfinite(returns)
        statistics: Any = self.statistics
        statistics.count = self._count  # one for each worker
        statistics.update_from_moments(
            np.where(finite, returns, statistics.mean),
            np.zeros(self.n_envs),
            finite.astype(np.float64),
        )
        self._count = np.asarray(statistics.count)
        self.returns = np.where(finite & ~np.asarray(dones, dtype=bool), returns, 0.0)

    @property
    def scales(self) -> Floats:
        """What rewards are divided by, shape (n_envs,); 1 for a worker in its warm-up."""
        var = self.statistics.var
        if self.shared_scale:
            # the variance of the union: within workers, and between their means
            var = np.full(self.n_envs, var.mean() + self.statistics.mean.var())
        found: Floats = np.where(self._count < self.warmup, 1.0, np.sqrt(var + self.epsilon))
        return found

    def normalized(
        self, rewards: npt.NDArray[Any], workers: npt.NDArray[np.int64] | None = None
    ) -> npt.NDArray[np.float32]:
        """Rewards at their workers' present scales.

        :param rewards: of any shape; the last axis counts workers unless these are given
        :param workers: whose rewards they are, of the same shape
        """
        if not self.norm_reward:
            return np.array(rewards, dtype=np.float32)
        scales = self.scales if workers is None else self.scales[workers]
        clipped = np.clip(rewards / scales, -self.clip_reward, self.clip_reward)
        return np.asarray(clipped, dtype=np.float32)

    def get_state(self) -> dict[str, Any]:
        """Everything that was learned and set, as arrays of shape (n_envs,) and numbers."""
        learned = {
            "mean": self.statistics.mean,
            "var": self.statistics.var,
            "count": self._count,
            "returns": self.returns,
        }
        settings = {name: getattr(self, name) for name in _SETTINGS}
        return {**{n: np.array(a) for n, a in learned.items()}, "gamma": self.gamma, **settings}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on where :meth:`get_state` was called; nothing changes when it is refused.

        :param state: what that returned
        :raises ValueError: for a state of other workers or another discount factor, and for
            anything that :meth:`get_state` does not return
        """
        arrays = {name: self._array(state, name) for name in _ARRAYS}
        if (arrays["var"] < 0.0).any() or (arrays["count"] <= 0.0).any():
            raise ValueError("state of reward normalisation has a negative variance or count")
        numbers = {name: _number(state, name) for name in ("gamma", *_SETTINGS)}
        if not np.isclose(numbers["gamma"], self.gamma):
            raise ValueError(
                f"state of reward normalisation is of returns with gamma={numbers['gamma']:g}, "
                f"these have gamma={self.gamma:g}"
            )
        restored = {name: kind(numbers[name]) for name, kind in _SETTINGS.items()}
        _check_numbers(self.gamma, restored["epsilon"], restored["clip_reward"], restored["warmup"])
        self.__dict__.update(restored)
        self.statistics.mean, self.statistics.var = arrays["mean"], arrays["var"]
        self._count, self.returns = arrays["count"], arrays["returns"]

    def _array(self, state: Mapping[str, Any], name: str) -> Floats:
        """A copy."""
        try:
            found = np.array(state[name], dtype=np.float64)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"state of reward normalisation has no array {name!r}") from error
        if found.ndim != 1 or not np.isfinite(found).all():
            raise ValueError(f"state of reward normalisation has an unusable {name!r}")
        if len(found) != self.n_envs:
            raise ValueError(
                f"state of reward normalisation is of n_envs={len(found)}, this is n_envs="
                f"{self.n_envs}: the scale of a worker is that of its environment only"
            )
        return found


def _number(state: Mapping[str, Any], name: str) -> float:
    try:
        found = float(state[name])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"state of reward normalisation has no number {name!r}") from error
    if np.isnan(found):
        raise ValueError(f"state of reward normalisation has an unusable {name!r}")
    return found


def _check_numbers(gamma: float, epsilon: float, clip_reward: float, warmup: int) -> None:
    if not 0.0 <= gamma <= 1.0:
        raise ValueError(f"gamma={gamma!r} is not accepted: give a number in [0, 1]")
    for name, value in (("epsilon", epsilon), ("clip_reward", clip_reward)):
        if not value > 0.0:
            raise ValueError(f"{name}={value!r} is not accepted: give a positive number")
    if not warmup >= 0:
        raise ValueError(f"warmup={warmup!r} is not accepted: give at least 0 steps")
