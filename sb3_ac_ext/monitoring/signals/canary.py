"""The canary: the present policy, without exploration noise, in an environment of its own."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from sb3_ac_ext.monitoring.bare import Bare, action_effect, play_bare
from sb3_ac_ext.monitoring.canary_env import CannotRebuild, rebuild, synchronise
from sb3_ac_ext.monitoring.describe import environment_facts
from sb3_ac_ext.monitoring.exploring import explores
from sb3_ac_ext.monitoring.functional import compare_samples
from sb3_ac_ext.monitoring.parity import Taken, forget, parity
from sb3_ac_ext.monitoring.play import Play, play
from sb3_ac_ext.monitoring.recorder import Episode
from sb3_ac_ext.monitoring.signals.base import Reading, Signal
from sb3_ac_ext.monitoring.view import View

_RECENT_EPISODES, _LEAST_EPISODES, _RECENT_WINDOWS = 30, 10, 16


class CanarySignal(Signal):
    """Returns of the deterministic policy in a separate environment, and of its stochastic twin.

    ``canary/return_mean`` and array ``canary/returns``: the deterministic policy;
    ``canary/stochastic_*``: the same number of episodes of a policy that acts as in training
    (actions sampled, gSDE's noise, action noise), where that differs; ``canary/gap`` their
    difference, with a two-sided Mann-Whitney p-value and rank-biserial effect size.
    ``canary/train_*`` compare the policy that acts as in training with 10 to 30 training episodes
    since the evaluation before, or the one before that: gap in units of return, p-value, effect
    size in [-1, 1]; of the same policy only the environments differ, and what was learnt since.
    ``parity/*``: see :func:`~sb3_ac_ext.monitoring.parity.parity`; ``parity/action_effect``: how
    far actions move observations in training over how far in ``gym.make(spec.id)``;
    ``parity/bare_roughness`` and ``parity/bare_still_dims``: roughness of the observations there,
    and entries that change in fewer than half of the steps. With an ``env`` of your own, that is
    done for Gymnasium's environments only.

    The environment has its own seeds, new ones at each evaluation; its normaliser takes the
    training statistics and never learns. An evaluation that would lift the canary's part of the
    wall time over ``share`` waits; time for one at the end of training is kept in reserve.

    :param env: evaluation environment; by default one is rebuilt from the training environment's
        spec
    :param freq: environment steps between evaluations; by default a tenth of the budget, at most
        25,000
    :param episodes: per evaluation and policy; the test needs at least 10
    :param share: upper bound of the canary's part of the wall time, in (0, 1]
    :param seed: of the first evaluation
    :raises ValueError: for values out of range, and when training begins with the training
        environment as ``env``
    """

    name = "canary"

    def __init__(
        self,
        env: VecEnv | None = None,
        freq: int | None = None,
        episodes: int = 10,
        share: float = 0.10,
        seed: int = 20_000,
    ) -> None:
        if freq is not None and freq < 1:
            raise ValueError(
                f"canary_freq={freq!r} is not accepted: give a positive number of steps"
            )
        if episodes < 2:
            raise ValueError(f"canary_episodes={episodes!r} is not accepted: give at least 2")
        if not 0.0 < share <= 1.0:
            raise ValueError(f"canary_share={share!r} is not accepted: give a share in (0, 1]")
        self._given = env
        self._freq, self._episodes, self._share, self._seed = freq, episodes, share, seed
        self._env: VecEnv | None = None
        self._period = 0
        self._next = 0
        self._spent = self._seconds_per_step = 0.0
        self._last_step = self._evaluations = self._end = self._steps = 0
        self._longest: int | None = None
        self._policies = 2
        self._training: deque[tuple[int, Episode]] = deque(maxlen=_RECENT_EPISODES)
        self._taken: deque[Taken] = deque(maxlen=_RECENT_WINDOWS)
        self._bare: Bare | None = None
        self._bare_played = False

    def supports(self, model: BaseAlgorithm) -> str | None:
        train_env = model.get_env()
        if train_env is None:
            return "the model has no environment"
        if self._given is not None and self._given.unwrapped is train_env.unwrapped:
            raise ValueError("canary_env is the training environment: give one of its own")
        if self._given is not None or self._env is not None:
            return None
        try:
            self._env = rebuild(train_env, n_envs=min(self._episodes, 10))
        except CannotRebuild as reason:
            return f"{reason}; give canary_env to have one"
        return None

    def attach(self, model: BaseAlgorithm) -> None:
        total: int = model._total_timesteps
        self._period = self._freq or max(1, min(25_000, total // 10))
        self._next = model.num_timesteps + self._period
        self._spent = self._seconds_per_step = 0.0
        self._last_step, self._end = model.num_timesteps, total
        self._longest = environment_facts(model)[1]
        self._policies = 2 if explores(model) else 1
        self._training.clear()
        self._taken.clear()
        self._bare, self._bare_played = None, False

    def before_update(self, view: View) -> None:
        if view.step >= self._next:
            _ = view.transitions  # read now: the update flattens the buffer

    def collect(self, view: View) -> Reading:
        window = view.window
        self._training.extend((view.step, episode) for episode in window.episodes)
        if len(window.rewards):
            self._taken.append(Taken(window.raw_rewards, window.actions, window.dones))
            # less than an episode may be its beginning, or what comes long after it
            longest = max((episode.length for _, episode in self._training), default=0)
            forget(self._taken, 1.5 * longest)
        plays = self._plays(view)
        if not plays:
            return Reading()
        while self._next <= view.step:
            self._next += self._period
        start = time.perf_counter()
        reading = self._evaluate(view, twin=plays == 2)
        self._seconds_per_step = (time.perf_counter() - start) / max(self._steps, 1)
        self._compare_actions(view, reading)
        view.canary_seconds = time.perf_counter() - start
        self._last_step = view.step
        self._spent += view.canary_seconds
        return reading

    def _plays(self, view: View) -> int:
        """How many of policy and twin are due and affordable; at the end, if need be, one alone."""
        elapsed = view.clock.since_start
        longest = max((episode.length for _, episode in self._training), default=0)
        price = longest * self._seconds_per_step
        left = self._share * elapsed - self._spent
        if view.final:
            late = bool(price) and view.step > self._last_step
            return max(0, min(self._policies, int(left / price))) if late else 0
        left -= self._policies * price
        if not view.updated or view.step < self._next or left < 0.0:
            return 0
        to_come = self._share * elapsed * max(0.0, self._end / view.step - 1.0)
        reserve = self._policies * (self._longest or 2 * longest) * self._seconds_per_step
        return self._policies if left + to_come >= reserve else 0

    def _evaluate(self, view: View, twin: bool) -> Reading:
        env = self._given if self._given is not None else self._env
        train_env = view.model.get_env()
        assert env is not None and train_env is not None
        synchronise(train_env, env)
        self._steps = 0
        played = self._play(view.model, env, deterministic=True)
        returns = played.returns
        reading = Reading()
        reading.put(
            canary__return_mean=returns.mean(),
            canary__return_std=returns.std(),
            canary__length_mean=played.lengths.mean(),
            canary__truncated_share=played.truncated,
        )
        reading.put_array("canary/returns", returns)
        if twin:
            played = self._play(view.model, env, deterministic=False)
            stochastic = played.returns
            p_value, effect = compare_samples(returns, stochastic)
            reading.put(
                canary__stochastic_mean=stochastic.mean(),
                canary__stochastic_std=stochastic.std(),
                canary__gap=returns.mean() - stochastic.mean(),
                canary__p_value=p_value,
                canary__effect_size=effect,
            )
            reading.put_array("canary/stochastic_returns", stochastic)
        self._evaluations += 1
        episodes = self._newest_episodes(view.step)
        lengths = np.array([episode.length for episode in episodes], dtype=np.float64)
        training = np.array([episode.episode_return for episode in episodes])
        if len(training) >= _LEAST_EPISODES:
            p_value, effect = compare_samples(played.returns, training)
            reading.put(
                canary__train_gap=played.returns.mean() - training.mean(),
                canary__train_p_value=p_value,
                canary__train_effect_size=effect,
            )
        nothing = Taken(view.window.raw_rewards, view.window.actions, view.window.dones)
        taken = Taken.joined(self._taken or [nothing])
        reading.values.update(parity(view, taken, played, training, lengths))
        return reading

    def _newest_episodes(self, step: int) -> list[Episode]:
        """Of training, in the last period between evaluations, or in two where that has too few:
        older ones are another policy's."""
        newest = [episode for at, episode in self._training if at > step - self._period]
        if len(newest) >= _LEAST_EPISODES:
            return newest
        near = [episode for at, episode in self._training if at > step - 2 * self._period]
        return near[-_LEAST_EPISODES:]

    def _compare_actions(self, view: View, reading: Reading) -> None:
        if not self._bare_played:
            self._bare_played = True
            self._bare = play_bare(view.model.get_env(), only_gymnasium=self._given is not None)
        if self._bare is None:
            return
        if self._bare.roughness is not None:
            reading.put(parity__bare_roughness=self._bare.roughness)
        if view.model.observation_space.shape == self._bare.spread.shape:
            reading.put(parity__bare_still_dims=self._bare.still)
        moved = action_effect(view, self._bare)
        if moved is not None:
            reading.put(parity__action_effect=moved)

    def _play(self, model: Any, env: VecEnv, deterministic: bool) -> Play:
        seed = self._seed + 1000 * self._evaluations
        played = play(model, env, self._episodes, deterministic, seed)
        # workers play side by side: the longest episode tells the cost
        self._steps += int(played.lengths.max()) * -(-self._episodes // env.num_envs)
        return played

    def detach(self) -> None:
        if self._env is not None:
            self._env.close()
            self._env = None
