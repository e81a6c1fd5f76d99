"""NaN and infinity are stopped at the worker that delivers them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.vec_env import (
    VecEnv,
    VecEnvWrapper,
    VecNormalize,
    is_vecenv_wrapped,
)
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from sb3_ac_ext.lookup import unknown
from sb3_ac_ext.vec_envs.finite import Mask, assembled, first_entry, nonfinite, parts

MODES = ("raise", "replace", "end_episode")
NONFINITE = "nonfinite"
"""Key of ``infos[i]`` that says what was not finite."""

_TRIES = 10


class NonFiniteError(ValueError):
    """A number that no algorithm can learn from; its text names worker, step and entry."""


class VecFiniteGuard(VecEnvWrapper):
    """Keeps NaN and infinite observations and rewards from the algorithm.

    ``raise`` ends training with a :class:`NonFiniteError`. ``replace`` takes the last finite value
    of that entry and worker for observations, 0 where there was none, and 0 for rewards.
    ``end_episode`` marks the episode as truncated, with the observation repaired as by ``replace``
    as ``terminal_observation``, and resets that worker. In the last two, ``info["nonfinite"]`` says
    what was wrong, and the return in ``info["episode"]`` counts the rewards that were passed on.
    Actions that are not finite come from the policy, not from a worker: they always raise.

    It belongs **below** ``VecNormalize``, where ``vec_env_wrapper:`` puts it, here and in RL Zoo:
    one NaN in the running mean makes every later observation NaN, and above it nothing finite is
    left to replace it with. ``replace`` above ``VecNormalize`` is refused. ``end_episode`` must
    wrap the environments themselves, because wrappers in between would not notice the reset.

    ``nonfinite_observations`` and ``nonfinite_rewards`` count entries per worker, shape (n_envs,).

    :param venv: to wrap
    :param on_nonfinite: ``raise``, ``replace`` or ``end_episode``
    :raises ValueError: for another mode, or if something below does not go with it
    """

    def __init__(self, venv: VecEnv, on_nonfinite: str = "raise") -> None:
        if on_nonfinite not in MODES:
            raise unknown("on_nonfinite", on_nonfinite, MODES)
        _check_place(venv, on_nonfinite)
        super().__init__(venv)
        self.on_nonfinite = on_nonfinite
        self.nonfinite_observations = np.zeros(self.num_envs, dtype=np.int64)
        self.nonfinite_rewards = np.zeros(self.num_envs, dtype=np.int64)
        self._guard_returns = np.zeros(self.num_envs)
        self._guard_last: dict[Any, npt.NDArray[Any]] = {}
        self._guard_steps = 0

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        mask = nonfinite(actions)
        if mask is not None:
            worker = int(np.argwhere(mask)[0][0])
            entry = first_entry("action", actions[worker], mask[worker])
            raise NonFiniteError(
                f"step {self._guard_steps + 1}, worker {worker}: {entry}; it comes from the "
                "policy, whose weights or observations are not finite"
            )
        self.venv.step_async(actions)

    def reset(self) -> VecEnvObs:
        obs: VecEnvObs = self.venv.reset()
        obs, bad = self._mended(obs, [{} for _ in range(self.num_envs)])
        self._guard_returns[:] = 0.0
        if self.on_nonfinite == "end_episode":
            for worker in np.flatnonzero(bad):
                self._reset_worker(int(worker), obs)
        return obs

    def step_wait(self) -> VecEnvStepReturn:
        obs, rewards, dones, given = self.venv.step_wait()
        self._guard_steps += 1
        infos: list[dict[str, Any]] = list(given)
        for worker in np.flatnonzero(dones):
            self._mend_terminal(int(worker), infos)
        obs, bad = self._mended(obs, infos)
        rewards, bad_rewards = self._paid(rewards, infos)
        if self.on_nonfinite == "end_episode":
            dones = dones.copy()
            for worker in np.flatnonzero(bad | (bad_rewards & ~dones)):
                self._end(int(worker), obs, dones, infos)
        self._count_returns(rewards, dones, infos)
        return obs, rewards, dones, infos

    # what is not finite is found, counted and mended

    def _mended(self, obs: Any, infos: list[dict[str, Any]]) -> tuple[Any, Mask]:
        """Finite observations of all workers, and which workers' were not."""
        bad = np.zeros(self.num_envs, dtype=np.bool_)
        arrays, changed = parts(obs), False
        for key, array in arrays.items():
            mask = nonfinite(array)
            if mask is not None:
                self._tell_observation(key, array, mask, infos)
                changed = True
                bad |= mask.reshape(self.num_envs, -1).any(axis=1)
                last = self._guard_last.get(key)
                arrays[key] = np.where(mask, np.zeros_like(array) if last is None else last, array)
            if array.dtype.kind == "f" and self.on_nonfinite != "raise":
                self._guard_last[key] = arrays[key].copy()
        return (assembled(arrays, obs) if changed else obs), bad

    def _tell_observation(
        self, key: Any, array: npt.NDArray[Any], mask: Mask, infos: list[dict[str, Any]]
    ) -> None:
        for worker in range(self.num_envs):
            if mask[worker].any():
                self.nonfinite_observations[worker] += int(mask[worker].sum())
                name = "observation" if key is None else f"observation[{key!r}]"
                self._tell(worker, first_entry(name, array[worker], mask[worker]), infos)

    def _mend_terminal(self, worker: int, infos: list[dict[str, Any]]) -> None:
        """The last observation of an episode, before the last finite ones become the next's."""
        terminal = infos[worker].get("terminal_observation")
        if terminal is None:
            return
        arrays, changed = parts(terminal), False
        for key, array in arrays.items():
            mask = nonfinite(array)
            if mask is not None:
                changed = True
                self.nonfinite_observations[worker] += int(mask.sum())
                name = "terminal observation" if key is None else f"terminal observation[{key!r}]"
                self._tell(worker, first_entry(name, array, mask), infos)
                last = self._guard_last.get(key)
                mended = 0.0 if last is None else last[worker]
                arrays[key] = np.where(mask, mended, array).astype(array.dtype)
        if changed:
            infos[worker]["terminal_observation"] = assembled(arrays, terminal)

    def _paid(
        self, rewards: npt.NDArray[Any], infos: list[dict[str, Any]]
    ) -> tuple[npt.NDArray[Any], Mask]:
        mask = nonfinite(rewards)
        if mask is None:
            return rewards, np.zeros(self.num_envs, dtype=np.bool_)
        for worker in np.flatnonzero(mask):
            self.nonfinite_rewards[worker] += 1
            self._tell(int(worker), f"reward is {rewards[worker]}", infos)
        return np.where(mask, np.zeros_like(rewards), rewards), mask

    def _tell(self, worker: int, what: str, infos: list[dict[str, Any]]) -> None:
        """:raises NonFiniteError: where nothing is to be mended"""
        if self.on_nonfinite == "raise":
            when = f"step {self._guard_steps}" if self._guard_steps else "reset"
            raise NonFiniteError(f"{when}, worker {worker}: {what}")
        before = infos[worker].get(NONFINITE)
        text = what if before is None else f"{before}; {what}"
        infos[worker] = {**infos[worker], NONFINITE: text}

    def _count_returns(
        self, rewards: npt.NDArray[Any], dones: Mask, infos: list[dict[str, Any]]
    ) -> None:
        """``Monitor`` below has summed what was paid."""
        self._guard_returns += rewards
        for worker in np.flatnonzero(dones):
            episode = infos[worker].get("episode")
            if episode is not None and not np.isfinite(episode["r"]):
                mended = {**episode, "r": round(float(self._guard_returns[worker]), 6)}
                infos[worker] = {**infos[worker], "episode": mended}
            self._guard_returns[worker] = 0.0

    # an episode that is ended here

    def _end(self, worker: int, obs: Any, dones: Mask, infos: list[dict[str, Any]]) -> None:
        """Truncate the episode, unless it has ended and the next one begins badly."""
        if not dones[worker]:
            own = {key: array[worker].copy() for key, array in parts(obs).items()}
            truncated = {"TimeLimit.truncated": True, "terminal_observation": assembled(own, obs)}
            infos[worker] = {**infos[worker], **truncated}
            dones[worker] = True
        self._reset_worker(worker, obs)

    def _reset_worker(self, worker: int, obs: Any) -> None:
        """Begin an episode, and write its first observation into those of all workers."""
        for _ in range(_TRIES):
            [(first, info)] = self.venv.env_method("reset", indices=[worker])
            fresh = parts(first)
            if all(nonfinite(array) is None for array in fresh.values()):
                break
        else:
            raise NonFiniteError(
                f"worker {worker}: the observation is not finite after each of {_TRIES} resets"
            )
        for key, array in parts(obs).items():
            array[worker] = fresh[key]
            if key in self._guard_last:
                self._guard_last[key][worker] = fresh[key]
        infos = list(self.venv.reset_infos)
        infos[worker] = info
        self.venv.reset_infos = infos


def _check_place(venv: VecEnv, on_nonfinite: str) -> None:
    if on_nonfinite == "end_episode" and isinstance(venv, VecEnvWrapper):
        raise ValueError(
            "on_nonfinite='end_episode' resets single workers: put VecFiniteGuard right above the "
            f"environments, below {type(venv).__name__}, which would not notice"
        )
    if on_nonfinite == "replace" and is_vecenv_wrapped(venv, VecNormalize):
        raise ValueError(
            "on_nonfinite='replace' above VecNormalize comes too late, one NaN spoils its running "
            "statistics: put VecFiniteGuard below it"
        )
