"""Rollouts of which only steps are learned from whose episode has ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer


class EpisodeRolloutBuffer(RolloutBuffer):
    """Gives the steps of a rollout whose episode ends within it.

    With ``gae_lambda=1`` their returns are sums of rewards to that end, without any estimate. The
    others, of episodes still running, are passed over; what these do next is in the next rollout.
    """

    _last_dones: npt.NDArray[np.bool_]

    def compute_returns_and_advantage(self, last_values: Any, dones: npt.NDArray[Any]) -> None:
        """As ``RolloutBuffer``'s."""
        super().compute_returns_and_advantage(last_values, dones)
        self._last_dones = np.asarray(dones, dtype=bool)

    @property
    def finished(self) -> npt.NDArray[np.bool_]:
        """Shape (n_steps, n_envs): whether the step's episode ends within the rollout."""
        ends = np.vstack([self.episode_starts[1:] > 0, self._last_dones[None]])
        found: npt.NDArray[np.bool_] = np.logical_or.accumulate(ends[::-1], axis=0)[::-1]
        return found

    def get(self, batch_size: int | None = None) -> Iterator[Any]:  # type: ignore[override]
        """
        :param batch_size: rows of a batch, by default all
        :return: ``RolloutBufferSamples`` in random order; none where no episode has ended
        """
        rows = np.flatnonzero(self.swap_and_flatten(self.finished))
        if not len(rows):
            return
        next(iter(super().get(1)))  # brings the arrays into order
        rows = np.random.permutation(rows)  # noqa: NPY002
        for start in range(0, len(rows), batch_size or len(rows)):
            yield self._get_samples(rows[start : start + (batch_size or len(rows))])


class DictEpisodeRolloutBuffer(EpisodeRolloutBuffer, DictRolloutBuffer):  # type: ignore[misc]
    """:class:`EpisodeRolloutBuffer` for observations that are dictionaries."""
