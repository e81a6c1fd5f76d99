"""SB3's ``SubprocVecEnv`` with workers that may fail."""

from __future__ import annotations

import multiprocessing as mp
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import SubprocVecEnv, VecEnv
from stable_baselines3.common.vec_env.base_vec_env import (
    CloudpickleWrapper,
    VecEnvIndices,
    VecEnvObs,
    VecEnvStepReturn,
)
from stable_baselines3.common.vec_env.subproc_vec_env import _stack_obs

from sb3_ac_ext.vec_envs.failures import WorkerError, WorkerFailure
from sb3_ac_ext.vec_envs.limits import check_safety, restart_seed
from sb3_ac_ext.vec_envs.remote import Remote
from sb3_ac_ext.workers import PATIENCE

RESTART = "worker_restart"
"""Key of ``infos[i]`` and ``reset_infos[i]`` that says why worker ``i`` was restarted."""

_LEAST_START = 120.0  # seconds for a new process to import what it needs, where steps have a bound


class SafeSubprocVecEnv(SubprocVecEnv):
    """Environments in processes of their own, of which one may raise, die or hang.

    Without incident it is ``SubprocVecEnv``, bit for bit. A worker that fails raises a
    :class:`WorkerError` that names its index and brings its traceback along, where SB3 tells of an
    ``EOFError``. With ``max_restarts`` a worker that fails in ``step`` or ``reset`` is replaced by
    a new process instead, with a warning. Its episode is marked as truncated: reward 0,
    ``terminal_observation`` the last observation that came from it, ``TimeLimit.truncated`` set,
    and ``worker_restart`` in its info says why. ``set_attr`` is repeated on the new environment;
    what ``env_method`` changed is lost with the old one.

    The new environment's seed is drawn from the worker's own seed and the number of its restarts,
    so that it does not play the same episodes again; without a seed it gets none.

    ``worker_restarts`` lists every :class:`WorkerFailure` that led to a restart.

    :param env_fns: make the environments
    :param start_method: of the processes, as in SB3
    :param max_restarts: of all workers together; 0 raises at the first failure
    :param step_timeout: seconds that a worker has to answer ``step`` or ``reset``; then it is
        killed, and has failed; ``None`` waits for ever
    :raises ValueError: for values out of range
    :raises WorkerError: if an environment cannot be made
    """

    def __init__(
        self,
        env_fns: list[Callable[[], gym.Env[Any, Any]]],
        start_method: str | None = None,
        max_restarts: int = 0,
        step_timeout: float | None = None,
    ) -> None:
        check_safety(max_restarts, step_timeout)
        self.max_restarts, self.step_timeout = max_restarts, step_timeout
        self.waiting = self.closed = False
        self.worker_restarts: list[WorkerFailure] = []
        self._env_fns = [CloudpickleWrapper(env_fn) for env_fn in env_fns]
        self._start_seeds: list[int | None] = [None] * len(env_fns)
        self._set_attributes: list[dict[str, Any]] = [{} for _ in env_fns]
        self._newest_obs: list[Any] = [None] * len(env_fns)
        if start_method is None:
            forkserver = "forkserver" in mp.get_all_start_methods()
            start_method = "forkserver" if forkserver else "spawn"
        self._context = mp.get_context(start_method)
        self.remotes: list[Remote] = []
        try:
            for worker, env_fn in enumerate(self._env_fns):
                self.remotes.append(Remote(self._context, worker, env_fn))
            found = [self._spaces(worker, None) for worker in range(len(env_fns))]
            VecEnv.__init__(self, len(env_fns), *found[0])
        except BaseException:
            self.close()
            raise

    @property
    def processes(self) -> list[Any]:  # type: ignore[override]
        """Of the workers, in their order."""
        return [remote.process for remote in self.remotes]

    # what SB3 does with answers, and what becomes of failures

    def step_wait(self) -> VecEnvStepReturn:
        answers = self._answers()
        self.waiting = False
        results = [self._resumed(answer) for answer in answers]
        self._newest_obs, rews, dones, infos, self.reset_infos = (
            list(part) for part in zip(*results, strict=True)
        )
        obs = _stack_obs(self._newest_obs, self.observation_space)
        return obs, np.stack(rews), np.stack(dones), tuple(infos)  # type: ignore[return-value]

    def reset(self) -> VecEnvObs:
        for remote, seed, options in zip(self.remotes, self._seeds, self._options, strict=True):
            remote.send(("reset", (seed, options)))
        results = [
            self._restart(answer, self._options[worker])
            if isinstance(answer, WorkerFailure)
            else answer
            for worker, answer in enumerate(self._answers())
        ]
        self._newest_obs, self.reset_infos = (list(part) for part in zip(*results, strict=True))
        self._reset_seeds()
        self._reset_options()
        return _stack_obs(self._newest_obs, self.observation_space)

    def _answers(self) -> list[Any]:
        """Of all workers to one command; all are read before a failure is dealt with."""
        if self.step_timeout is None:
            return [remote.answer() for remote in self.remotes]
        deadline = time.monotonic() + self.step_timeout
        return [remote.answer(self.step_timeout, deadline) for remote in self.remotes]

    def _resumed(self, answer: Any) -> Any:
        if not isinstance(answer, WorkerFailure):
            return answer
        last_obs = self._newest_obs[answer.worker]
        if last_obs is None:
            raise WorkerError(answer)
        obs, reset_info = self._restart(answer, {})
        info = {
            "TimeLimit.truncated": True,
            "terminal_observation": last_obs,
            RESTART: reset_info[RESTART],
        }
        return obs, 0.0, True, info, reset_info

    def _restart(self, failure: WorkerFailure, options: dict[str, Any]) -> Any:
        """Observation and info of the new worker's first reset; another failure counts again."""
        first, worker = failure, failure.worker
        while True:
            self._spend(failure)
            self.remotes[worker].kill()
            self.remotes[worker].close(time.monotonic())
            self.remotes[worker] = Remote(self._context, worker, self._env_fns[worker], again=True)
            try:
                obs, info = self._begin(worker, options)
            except WorkerError as error:
                failure = error.failure
            else:
                return obs, {**info, RESTART: first.message}

    def _spend(self, failure: WorkerFailure) -> None:
        """:raises WorkerError: if no restart is left"""
        if len(self.worker_restarts) >= self.max_restarts:
            self._give_up(failure)
        self.worker_restarts.append(failure)
        n = len(self.worker_restarts)
        text = f"{failure.message}; it is restarted ({n} of at most {self.max_restarts} restarts)"
        warnings.warn(text, RuntimeWarning, stacklevel=2)

    def _give_up(self, failure: WorkerFailure) -> NoReturn:
        limit = self.max_restarts
        more = f", and no restart is left of max_restarts={limit}" if limit else ""
        raise WorkerError(failure, more)

    def _begin(self, worker: int, options: dict[str, Any]) -> Any:
        """
        :raises WorkerError: if the new worker fails, too
        """
        remote, timeout = self.remotes[worker], self.step_timeout
        self._spaces(worker, None if timeout is None else max(timeout, _LEAST_START))
        for item in self._set_attributes[worker].items():
            remote.send(("set_attr", item))
            remote.recv()
        seed = restart_seed(self._start_seeds[worker], self._n_restarts(worker))
        if seed is not None:
            remote.send(("seed_actions", seed))
            remote.recv()
        remote.send(("reset", (seed, options)))
        return remote.recv(timeout)

    def _n_restarts(self, worker: int) -> int:
        return sum(failure.worker == worker for failure in self.worker_restarts)

    def _spaces(self, worker: int, timeout: float | None) -> Any:
        """Of a new worker, which must have made its environment to tell them."""
        self.remotes[worker].send(("get_spaces", None))
        return self.remotes[worker].recv(timeout)

    # what has to be remembered for a restart

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        self._start_seeds = list(super().seed(seed))
        return self._seeds

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        workers = list(self._get_indices(indices))
        super().set_attr(attr_name, value, workers)
        for worker in workers:
            self._set_attributes[worker][attr_name] = value

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **kwargs: Any
    ) -> list[Any]:
        workers = list(self._get_indices(indices))
        answers = super().env_method(method_name, *method_args, indices=workers, **kwargs)
        if method_name == "reset":  # by a wrapper that ends an episode on its own
            for worker, (obs, _) in zip(workers, answers, strict=True):
                self._newest_obs[worker] = obs
        return answers

    def close(self) -> None:
        """End all workers; one that does not end by itself is killed after ten seconds."""
        if self.closed:
            return
        self.closed = True
        for remote in self.remotes:
            remote.ask_to_close()
        deadline = time.monotonic() + PATIENCE
        for remote in self.remotes:
            remote.close(deadline)
