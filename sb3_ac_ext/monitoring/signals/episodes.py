"""Returns and lengths of finished episodes, overall and per worker."""

from __future__ import annotations

import numpy as np

from sb3_ac_ext.monitoring.signals.base import Reading, Signal
from sb3_ac_ext.monitoring.view import View


class EpisodeSignal(Signal):
    """Mean, standard deviation, extremes of return and length of the episodes since the last
    snapshot.

    ``episodes/return_*`` in units of reward, ``episodes/length_*`` in steps, success and
    truncation as shares in [0, 1]; arrays ``episodes/worker_return_mean`` and
    ``episodes/worker_length_mean`` have one entry per worker, NaN where none of its episodes
    ended. Unlike ``rollout/ep_rew_mean`` this is not a moving average over 100 episodes, so
    changes show at once.
    """

    name = "episodes"

    def collect(self, view: View) -> Reading:
        reading = Reading()
        episodes = view.window.episodes
        reading.put(episodes__count=len(episodes))
        if not episodes:
            return reading
        returns = np.array([episode.episode_return for episode in episodes])
        lengths = np.array([episode.length for episode in episodes], dtype=np.float64)
        for kind, data in (("return", returns), ("length", lengths)):
            reading.values[f"episodes/{kind}_mean"] = float(data.mean())
            reading.values[f"episodes/{kind}_std"] = float(data.std())
            reading.values[f"episodes/{kind}_min"] = float(data.min())
            reading.values[f"episodes/{kind}_max"] = float(data.max())
        reading.put(episodes__truncated_share=np.mean([episode.truncated for episode in episodes]))
        successes = [episode.success for episode in episodes if episode.success is not None]
        if successes:
            reading.put(episodes__success_rate=np.mean(successes))
        workers = np.array([episode.worker for episode in episodes])
        n_envs = view.window.rewards.shape[1]
        reading.put_array("episodes/worker_return_mean", _per_worker(returns, workers, n_envs))
        reading.put_array("episodes/worker_length_mean", _per_worker(lengths, workers, n_envs))
        reading.put_array("episodes/returns", returns[-100:])
        return reading


def _per_worker(values: np.ndarray, workers: np.ndarray, n_envs: int) -> np.ndarray:
    counts = np.bincount(workers, minlength=n_envs)
    sums = np.bincount(workers, weights=values, minlength=n_envs)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
