"""Where episodes begin and end: staleness, resets, seeds, time limits."""

from __future__ import annotations

import numpy as np
from gymnasium.wrappers import NormalizeObservation
from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_ac_ext.monitoring.boundaries import BoundaryCounts
from sb3_ac_ext.monitoring.describe import environment_facts
from sb3_ac_ext.monitoring.functional import largest_shift, time_dependence
from sb3_ac_ext.monitoring.recorder import Window
from sb3_ac_ext.monitoring.rollout import Rollout
from sb3_ac_ext.monitoring.signals.base import Reading, Signal
from sb3_ac_ext.monitoring.view import View

_LEAST_STARTS, _LEAST_VALUE = 12, 1e-3


class EpisodeProbe(Signal):
    """Invariants I7, I8 and I11, as counts since training began.

    ``probe/starts`` first steps of episodes, ``probe/stale_starts`` those that returned the reset's
    observation again. ``probe/ends``, ``probe/old_resets``: ends after which the reset returned the
    terminal observation, ``probe/distinct_old`` how many different ones that were (at most 20),
    ``probe/no_terminal`` ends without ``terminal_observation``.
    ``probe/resets`` resets compared across workers, ``probe/twin_resets`` those equal to another
    worker's of the same number, ``probe/distinct_resets``.
    ``probe/reset_shift``: largest change of a mean reset observation from the first 20 resets to
    the last 20 (the halves of fewer), in standard deviations: no policy has a say in it.
    ``probe/reset_trend_p``: p-value that these resets do not tell when they took place. Both where
    an episode has ended since the last snapshot, and no wrapper of gymnasium's normalises
    observations, which would make them drift.
    ``probe/timeouts`` (on-policy): steps that a time limit ended, ``probe/bare_timeouts`` those to
    whose reward the algorithm added no gamma V(terminal), though it has values.
    ``probe/limit_ends`` episodes as long as the spec's ``max_episode_steps``,
    ``probe/limit_terminated`` those flagged as terminated; ``probe/early_truncated`` shorter ones
    flagged as truncated, ``probe/early_lengths`` how many different lengths these had;
    ``probe/overlong`` longest episode or running episode over that limit.
    ``probe/running`` longest running episode in steps, ``probe/finished`` episodes so far.
    """

    name = "episode_probe"

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._limit: int | None = None
        self._running: np.ndarray | None = None
        self._finished = self._limit_ends = self._limit_terminated = self._early = 0
        self._longest = self._ends = self._timeouts = self._bare = 0
        self._normalised = False
        self._early_lengths: set[int] = set()

    def attach(self, model: BaseAlgorithm) -> None:
        self._clear()
        self._limit = environment_facts(model)[1]
        env = model.get_env()
        self._normalised = env is not None and any(env.env_is_wrapped(NormalizeObservation))

    def collect(self, view: View) -> Reading:
        reading = Reading()
        self._count(view)
        found = view.window.boundaries
        reading.put(
            probe__starts=found.starts,
            probe__stale_starts=found.stale_starts,
            probe__ends=found.ends,
            probe__old_resets=found.old_resets,
            probe__distinct_old=found.distinct_old,
            probe__no_terminal=found.no_terminal,
            probe__resets=found.resets,
            probe__twin_resets=found.twin_resets,
            probe__distinct_resets=found.distinct_resets,
            probe__finished=self._finished,
        )
        if found.ends > self._ends and not self._normalised:
            self._resets(found, reading)
        self._ends = found.ends
        if view.rollout is not None:
            self._bootstraps(view.window, view.rollout, view.model.gamma)
            reading.put(probe__timeouts=self._timeouts, probe__bare_timeouts=self._bare)
        running = 0 if self._running is None else int(self._running.max(initial=0))
        reading.put(probe__running=running)
        if self._limit is not None:
            reading.put(
                probe__limit_ends=self._limit_ends,
                probe__limit_terminated=self._limit_terminated,
                probe__early_truncated=self._early,
                probe__early_lengths=len(self._early_lengths),
                probe__overlong=max(self._longest, running) / self._limit,
            )
        return reading

    def _bootstraps(self, window: Window, rollout: Rollout, gamma: float) -> None:
        """What the algorithm has added to the rewards of steps that a time limit ended."""
        if not window.timeouts or window.rewards.shape != rollout.rewards.shape:
            return
        if gamma * np.abs(rollout.values).mean() < _LEAST_VALUE:
            return  # there is nothing to add
        at = tuple(np.array(window.timeouts).T)
        paid, stored = np.float32(window.rewards[at]), rollout.rewards[at]
        self._timeouts += len(paid)
        self._bare += int((np.abs(stored - paid) <= np.spacing(np.abs(paid))).sum())

    def _resets(self, found: BoundaryCounts, reading: Reading) -> None:
        starts = [part for part in (found.first_starts, found.last_starts) if len(part)]
        if not starts:
            return
        resets = np.concatenate(starts)
        half = len(resets) // 2
        if half >= _LEAST_STARTS:
            reading.put(probe__reset_shift=largest_shift(resets[:half], resets[-half:]))
        p_value = time_dependence(resets, *found.places.T)
        if p_value is not None:
            reading.put(probe__reset_trend_p=p_value)

    def _count(self, view: View) -> None:
        dones = view.window.dones
        if self._running is None:
            self._running = np.zeros(dones.shape[1], dtype=np.int64)
        for worker, ends in enumerate(dones.T):
            at = np.flatnonzero(ends)
            self._running[worker] = (
                len(ends) - 1 - at[-1] if len(at) else self._running[worker] + len(ends)
            )
        for episode in view.window.episodes:
            self._finished += 1
            self._longest = max(self._longest, episode.length)
            if self._limit is None:
                continue
            if episode.length >= self._limit:
                self._limit_ends += 1
                self._limit_terminated += not episode.truncated
            elif episode.truncated:
                self._early += 1
                self._early_lengths.add(episode.length)
