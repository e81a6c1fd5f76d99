"""What one snapshot's signals may look at; everything costly is computed once, when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from sb3_ac_ext.monitoring import replay
from sb3_ac_ext.monitoring.probe import Probe, probe_sample, probe_states
from sb3_ac_ext.monitoring.recorder import Window
from sb3_ac_ext.monitoring.rollout import Evaluation, Rollout, evaluate
from sb3_ac_ext.monitoring.transitions import Transitions, from_replay, from_rollout


@dataclass
class Clock:
    """Seconds since training began, and how they were spent since the last snapshot."""

    since_start: float = 0.0
    window: float = 0.0
    rollout: float = 0.0
    update: float = 0.0
    callback: float = 0.0
    canary: float = 0.0


@dataclass
class View:
    """One moment of training, right after an update.

    :param model: an SB3 algorithm
    :param step: environment steps so far
    :param window: what the workers did since the last snapshot
    :param rollout: on-policy data from before the update, ``None`` for off-policy algorithms
    :param last_values: values of the rollout's last observations, shape (n_envs,)
    :param last_dones: whether the rollout's last step ended an episode, shape (n_envs,)
    :param evaluation_envs: that other callbacks hold
    :param final: whether training ended by itself with this moment
    :param clock: how the time since the last snapshot was spent
    :param canary_seconds: what this moment's canary evaluation took, written by the canary
    :param updated: whether an update took place, so that the logger's ``train/`` values are new
    """

    model: Any
    step: int
    window: Window
    rollout: Rollout | None = None
    last_values: Any = None
    last_dones: Any = None
    evaluation_envs: Sequence[Any] = ()
    updated: bool = False
    final: bool = False
    clock: Clock = field(default_factory=Clock)
    canary_seconds: float = 0.0

    @cached_property
    def transitions(self) -> Transitions | None:
        """The newest ones, also of before the last snapshot; to be asked for before the update,
        which flattens the rollout buffer.

        ``None`` where observations are no vectors, and without a whole rollout.
        """
        if self.rollout is not None:
            return from_rollout(self.model, self.window.recent)
        if isinstance(self.model, OffPolicyAlgorithm):
            return from_replay(self.model)
        return None

    @cached_property
    def evaluation(self) -> Evaluation | None:
        """The updated policy on the rollout's sample; ``None`` without rollout or update."""
        if self.rollout is None or not self.updated:
            return None
        return evaluate(self.model, self.rollout.sample)

    @cached_property
    def batch(self) -> Any | None:
        """A replay batch, ``None`` for on-policy algorithms and while it cannot be sampled."""
        return None if replay.unreadable(self.model) else replay.sample_batch(self.model)

    @cached_property
    def observations(self) -> Any | None:
        """Normalised observations as tensors: of the rollout's sample or the replay batch."""
        if self.rollout is not None:
            return self.rollout.sample.kwargs["obs"]
        return None if self.batch is None else self.batch.observations

    @cached_property
    def states(self) -> Any | None:
        """At most 256 of the observations, evenly spaced, for probes of the networks."""
        observations = self.observations
        if isinstance(observations, dict):
            return {key: _spaced(part) for key, part in observations.items()}
        return None if observations is None else _spaced(observations)

    @cached_property
    def probe(self) -> Probe | None:
        """The policy's deterministic answer to :attr:`states`; ``None`` without any."""
        kwargs = self.rollout.sample.kwargs if self.rollout is not None else {}
        if "lstm_states" in kwargs or "action_masks" in kwargs:
            return probe_sample(self.model.policy, kwargs)
        return None if self.states is None else probe_states(self.model.policy, self.states)


def _spaced(tensor: Any, n: int = 256) -> Any:
    return tensor[:: max(1, len(tensor) // n)][:n]
