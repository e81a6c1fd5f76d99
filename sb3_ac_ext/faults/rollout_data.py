"""Rollout buffers that store or hand out something else than what happened."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import torch as th

from sb3_ac_ext.faults.base import ON_POLICY, Kind
from sb3_ac_ext.faults.buffer import BufferFault, Methods

_COLUMNS = ("obs", "action", "reward", "episode_start", "value", "log_prob")


def stored(column: str, change: Callable[[Any, float], Callable[[Any], Any]]) -> Any:
    """Change one column on its way into the buffer.

    :param change: called with model and severity, gives the function of the column
    """

    def methods(model: Any, severity: float) -> Methods:
        function = change(model, severity)

        def add(original: Any, *values: Any) -> None:
            row = dict(zip(_COLUMNS, values, strict=True))
            original(**{**row, column: function(row[column])})

        return {"add": add}

    return methods


def computed(change: Callable[..., None]) -> Any:
    """Change the buffer once advantages and returns are computed.

    :param change: called with buffer, model and severity
    """

    def methods(model: Any, severity: float) -> Methods:
        def compute(original: Any, last_values: Any, dones: Any) -> None:
            original(last_values, dones)
            change(model.rollout_buffer, model, severity)

        return {"compute_returns_and_advantage": compute}

    return methods


def given(change: Callable[[Any], Any]) -> Any:
    """Change the minibatches on their way to the update.

    :param change: of one ``RolloutBufferSamples``
    """

    def methods(model: Any, severity: float) -> Methods:
        def get(original: Any, batch_size: int | None = None) -> Any:
            for samples in original(batch_size):
                yield change(samples)

        return {"get": get}

    return methods


def delayed(model: Any, severity: float) -> Callable[[Any], Any]:
    """What came ``severity`` calls before; the first one until then."""
    before: deque[Any] = deque()

    def function(value: Any) -> Any:
        before.append(value.clone() if isinstance(value, th.Tensor) else np.array(value))
        return before.popleft() if len(before) > severity else before[0]

    return function


def _clip_actions(model: Any, severity: float) -> Callable[[Any], Any]:
    space = model.action_space
    return lambda action: np.clip(action, severity * space.low, severity * space.high)


def _next_observations(buffer: Any, model: Any, _: float) -> None:
    buffer.observations[:-1] = buffer.observations[1:].copy()
    buffer.observations[-1] = model._last_obs


def _shuffle_actions(buffer: Any, _: Any, severity: float) -> None:
    rng = np.random.default_rng(buffer.pos)
    rows = np.flatnonzero(rng.random(buffer.pos) < severity)
    buffer.actions[rows] = buffer.actions[rng.permutation(rows)]


def _first_rows_only(model: Any, severity: float) -> Methods:
    def get(original: Any, batch_size: int | None = None) -> Any:
        for samples in original(batch_size):
            yield model.rollout_buffer._get_samples(np.arange(len(samples.advantages)))

    return {"get": get}


def _permuted(tensor: th.Tensor) -> th.Tensor:
    order = np.random.default_rng(len(tensor)).permutation(len(tensor))
    return tensor[th.as_tensor(order, device=tensor.device)]


def rollout_fault(cause: str, name: str, summary: str, methods: Any, **knobs: Any) -> BufferFault:
    return BufferFault(
        buffer="rollout_buffer",
        name=name,
        component="rollout buffer",
        cause=cause,
        summary=summary,
        methods=methods,
        **{"kind": Kind.HARMFUL, "algos": ON_POLICY, **knobs},
    )


_BUFFER, _SAMPLE = "buffer_corrupted", "sample_corrupted"
_DEFECT = {"kind": Kind.DEFECT}

FAULTS = (
    rollout_fault(
        "log_prob_mismatch",
        "stored_clipped_action",
        "actions are clipped to their bounds before they are stored, log-probabilities are not",
        stored("action", _clip_actions),
        actions="continuous",
        unit="share of the bounds",
        **_DEFECT,
    ),
    rollout_fault(
        "log_prob_mismatch",
        "stored_log_prob_of_other_action",
        "the log-probability of an earlier action is stored",
        stored("log_prob", delayed),
        algos=("ppo",),
        unit="steps",
    ),
    rollout_fault(
        "log_prob_mismatch",
        "stored_prob_as_log_prob",
        "the probability is stored in place of its logarithm",
        stored("log_prob", lambda model, severity: th.exp),
        algos=("ppo",),
    ),
    rollout_fault(
        _BUFFER,
        "stored_obs_shifted",
        "an earlier observation is stored with each action",
        stored("obs", delayed),
        unit="steps",
        **_DEFECT,
    ),
    rollout_fault(
        _BUFFER,
        "stored_obs_is_next",
        "the observation after the action is stored, as when all share one array",
        computed(_next_observations),
        **_DEFECT,
    ),
    rollout_fault(
        _BUFFER,
        "stored_actions_shuffled",
        "actions of the rollout are stored in another order",
        computed(_shuffle_actions),
        unit="share of the rows",
    ),
    rollout_fault(
        _BUFFER,
        "stored_rewards_shifted",
        "an earlier reward is stored with each action",
        stored("reward", delayed),
        unit="steps",
        needs=("varied_rewards",),
        **_DEFECT,
    ),
    rollout_fault(
        _BUFFER,
        "stored_rewards_clipped_sign",
        "the sign of the reward is stored, as for Atari",
        stored("reward", lambda model, severity: np.sign),
        needs=("varied_rewards",),
        **_DEFECT,
    ),
    rollout_fault(
        _BUFFER,
        "stored_values_shifted",
        "the value of an earlier observation is stored",
        stored("value", delayed),
        unit="steps",
        **_DEFECT,
    ),
    rollout_fault(
        _BUFFER,
        "stored_episode_starts_shifted",
        "starts of episodes are stored some steps late",
        stored("episode_start", delayed),
        unit="steps",
        **_DEFECT,
    ),
    rollout_fault(
        _SAMPLE,
        "minibatch_actions_shuffled",
        "minibatches pair observations with the actions of other rows",
        given(lambda samples: samples._replace(actions=_permuted(samples.actions))),
    ),
    rollout_fault(
        _SAMPLE,
        "minibatch_advantages_shifted",
        "minibatches pair actions with the advantage of the row before",
        given(lambda samples: samples._replace(advantages=samples.advantages.roll(1))),
    ),
    rollout_fault(
        _SAMPLE,
        "minibatch_repeated",
        "every minibatch holds the first rows of the rollout",
        _first_rows_only,
        algos=("ppo",),
        **_DEFECT,
    ),
)
