"""SB3's ``EvalCallback`` with episodes by seed, no trace in training, and a unit for the best."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import (
    VecEnv,
    VecMonitor,
    is_vecenv_wrapped,
)

from sb3_ac_ext.evaluation.episodes import Episode, play_episodes
from sb3_ac_ext.evaluation.opening import read_unit
from sb3_ac_ext.evaluation.saving import complete, describe, save_unit
from sb3_ac_ext.evaluation.twin import check_twin, freeze_like
from sb3_ac_ext.evaluation.unit import aside

EVAL_SEED = 30_000
"""Of the first evaluation worker: the same episodes in every evaluation of every run."""


class UnitEvalCallback(EvalCallback):
    """Evaluate during training without changing it, and save the best as one unit.

    A drop-in for SB3's ``EvalCallback``: the same arguments, log keys (``eval/mean_reward``, ...),
    ``evaluations.npz``, ``best_model.zip`` and nested callbacks. Different are:

    - Training is bit-identical with it and without: global random generators, noise and modes of
      the model are restored, and the evaluation's ``VecNormalize`` neither learns nor touches
      rewards; it takes the training statistics before each evaluation.
    - Every evaluation plays the same episodes, so that two policies are compared on equal terms
      and any of them can be played again.
    - With each new best model, ``best_model.zip``, ``best_model_vecnormalize.pkl`` and
      ``best_model.json`` (returns and lengths by seed, mean with 95 % interval, mode, step,
      versions and the hashes of both files) are replaced as one, whatever interrupts it.
    - A training that goes on (``reset_num_timesteps=False``) does not replace a better unit of its
      folder, if that was judged by the same number of episodes of the same seeds in the same mode.

    :param eval_env: an environment of its own, wrapped like the training environment
    :param args: further arguments of ``EvalCallback``
    :param seed: of the first evaluation worker; the next ones count up
    :param kwargs: further arguments of ``EvalCallback``
    :raises ValueError: for a negative seed or no episodes; when training begins, for an evaluation
        environment that is the training environment, or that normalises observations otherwise
    """

    def __init__(
        self, eval_env: gym.Env[Any, Any] | VecEnv, *args: Any, seed: int = EVAL_SEED, **kwargs: Any
    ) -> None:
        super().__init__(eval_env, *args, **kwargs)
        if seed < 0:
            raise ValueError(f"seed={seed} must not be negative")
        if self.n_eval_episodes < 1:
            raise ValueError(f"n_eval_episodes={self.n_eval_episodes} must be at least 1")
        self.seeds = tuple(
            seed + i for i in range(min(self.eval_env.num_envs, self.n_eval_episodes))
        )

    def _init_callback(self) -> None:
        with warnings.catch_warnings():  # of worker processes here and none there, which is fine
            warnings.filterwarnings("ignore", message="Training and eval env are not of the same")
            super()._init_callback()
        check_twin(self.training_env, self.eval_env)
        monitored = is_vecenv_wrapped(self.eval_env, VecMonitor)
        if self.warn and not (monitored or self.eval_env.env_is_wrapped(Monitor)[0]):
            warnings.warn(
                "the evaluation environment has no Monitor: wrappers that change rewards or "
                "lengths change what is reported",
                UserWarning,
                stacklevel=2,
            )
        if self.best_model_save_path is not None:
            complete(self.best_model_save_path)
            if self.model.num_timesteps > 0:
                self.best_mean_reward = max(self.best_mean_reward, self._best_so_far())

    def _best_so_far(self) -> float:
        """Of a unit that the same evaluation chose, in a training that goes on."""
        assert self.best_model_save_path is not None
        try:
            found = read_unit(self.best_model_save_path)
        except ValueError:  # a mixture, which the next best replaces
            return -np.inf
        if found is None:
            return -np.inf
        unit = found.unit
        same = (unit.seeds, len(unit.episodes), unit.deterministic) == (
            self.seeds,
            self.n_eval_episodes,
            self.deterministic,
        )
        return unit.mean.value if same else -np.inf

    def _on_step(self) -> bool:
        if self.eval_freq <= 0 or self.n_calls % self.eval_freq != 0:
            return True
        freeze_like(self.training_env, self.eval_env)
        episodes = play_episodes(
            self.model,
            self.eval_env,
            self.seeds,
            self.n_eval_episodes,
            self.deterministic,
            self.render,
        )
        self._record(episodes)
        self._log(episodes)
        going_on = True
        if self.last_mean_reward > self.best_mean_reward:
            self._keep(episodes)
            if self.callback_on_new_best is not None:
                going_on = self.callback_on_new_best.on_step()
        if self.callback is not None:
            going_on = going_on and self._on_event()
        return going_on

    def _record(self, episodes: list[Episode]) -> None:
        """Extend ``evaluations.npz``, in the layout that SB3 and RL Zoo plot."""
        self._is_success_buffer = [e.is_success for e in episodes if e.is_success is not None]
        self.last_mean_reward = float(np.mean([e.total_reward for e in episodes]))
        self.evaluations_timesteps.append(self.num_timesteps)
        self.evaluations_results.append([e.total_reward for e in episodes])
        self.evaluations_length.append([e.length for e in episodes])
        if self.log_path is None:
            return
        arrays: dict[str, Any] = {
            "timesteps": self.evaluations_timesteps,
            "results": self.evaluations_results,
            "ep_lengths": self.evaluations_length,
        }
        if self._is_success_buffer:
            self.evaluations_successes.append(self._is_success_buffer)
            arrays["successes"] = self.evaluations_successes
        path = Path(f"{self.log_path}.npz")
        np.savez(aside(path), **arrays)
        aside(path).replace(path)

    def _log(self, episodes: list[Episode]) -> None:
        lengths = [episode.length for episode in episodes]
        self.logger.record("eval/mean_reward", self.last_mean_reward)
        self.logger.record("eval/mean_ep_length", float(np.mean(lengths)))
        line = f"evaluation at step {self.num_timesteps:,}: mean return {self.last_mean_reward:.2f}"
        if self._is_success_buffer:
            rate = float(np.mean(self._is_success_buffer))
            self.logger.record("eval/success_rate", rate)
            line += f", success rate {rate:.0%}"
        # dumped at once, or the values would be told with a later step
        self.logger.record("time/total_timesteps", self.num_timesteps, exclude="tensorboard")
        self.logger.dump(self.num_timesteps)
        if self.verbose >= 1:
            best = " (best so far)" if self.last_mean_reward > self.best_mean_reward else ""
            print(f"{line}, mean length {np.mean(lengths):.1f}{best}")

    def _keep(self, episodes: list[Episode]) -> None:
        if self.best_model_save_path is not None:
            unit = describe(
                self.model,
                episodes,
                self.deterministic,
                self.eval_env.num_envs,
                len(self.evaluations_timesteps),
            )
            save_unit(self.model, unit, self.best_model_save_path)
        self.best_mean_reward = self.last_mean_reward
