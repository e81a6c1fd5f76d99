"""Replay buffers that store or hand out something else than what happened."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch as th

from sb3_ac_ext.faults.base import OFF_POLICY, Fault, Kind
from sb3_ac_ext.faults.buffer import BufferFault, Methods
from sb3_ac_ext.faults.overriding import overridden
from sb3_ac_ext.faults.rollout_data import delayed

_COLUMNS = ("obs", "next_obs", "action", "reward", "done", "infos")


class TerminalObservationLost(Fault):
    """The last observation of an episode is lost between ``env.step()`` and the buffer."""

    def patch(self, model: Any, severity: float) -> AbstractContextManager[None]:
        def store(original: Any, *arguments: Any) -> None:
            *others, infos = arguments
            lost = {"terminal_observation": None}
            original(*others, [{**info, **lost} for info in infos])

        return overridden(model, _store_transition=store)


def _stored(change: Callable[..., dict[str, Any]]) -> Any:
    """Change transitions on their way into the buffer.

    :param change: called with the row by name; the columns to replace
    """

    def methods(model: Any, severity: float) -> Methods:
        def add(original: Any, *values: Any) -> None:
            row = dict(zip(_COLUMNS, values, strict=True))
            original(**{**row, **change(row, severity)})

        return {"add": add}

    return methods


def _late(column: str) -> Any:
    """An earlier value of one column."""

    def methods(model: Any, severity: float) -> Methods:
        earlier = delayed(model, severity)

        def add(original: Any, *values: Any) -> None:
            row = dict(zip(_COLUMNS, values, strict=True))
            original(**{**row, column: earlier(row[column])})

        return {"add": add}

    return methods


def _shuffled_actions(model: Any, severity: float) -> Methods:
    """An action out of the last hundred takes the place of each."""
    recent: list[Any] = []
    rng = np.random.default_rng(0)

    def add(original: Any, obs: Any, next_obs: Any, action: Any, *rest: Any) -> None:
        recent.append(np.array(action))
        del recent[:-100]
        other = recent[rng.integers(len(recent))] if rng.random() < severity else action
        original(obs, next_obs, other, *rest)

    return {"add": add}


def _flags(value: Callable[[Any], bool]) -> Callable[..., dict[str, Any]]:
    """Other flags of time limits, in copies of the infos.

    :param value: of the flag, called with ``done``
    """

    def change(row: dict[str, Any], _: float) -> dict[str, Any]:
        pairs = zip(row["infos"], row["done"], strict=True)
        return {"infos": [{**info, "TimeLimit.truncated": value(done)} for info, done in pairs]}

    return change


def _sampled(change: Callable[[Any], Any]) -> Any:
    def methods(model: Any, severity: float) -> Methods:
        def sample(original: Any, *args: Any, **kwargs: Any) -> Any:
            return change(original(*args, **kwargs))

        return {"sample": sample}

    return methods


def _first_rows_only(model: Any, severity: float) -> Methods:
    """As when the position in the buffer is not passed on."""

    def sample(original: Any, batch_size: int, env: Any = None) -> Any:
        buffer = model.replay_buffer
        n_rows = min(buffer.size(), int(severity))
        rows = np.random.randint(0, n_rows, size=batch_size)  # noqa: NPY002  as SB3 draws
        return buffer._get_samples(rows, env=env)

    return {"sample": sample}


def _permuted(tensor: th.Tensor) -> th.Tensor:
    order = np.random.default_rng(len(tensor)).permutation(len(tensor))
    return tensor[th.as_tensor(order, device=tensor.device)]


def _fault(
    name: str, summary: str, methods: Any, cause: str = "buffer_corrupted", **knobs: Any
) -> BufferFault:
    return BufferFault(
        buffer="replay_buffer",
        name=name,
        component="replay buffer",
        cause=cause,
        summary=summary,
        methods=methods,
        **{"kind": Kind.HARMFUL, "algos": OFF_POLICY, **knobs},
    )


_DEFECT = {"kind": Kind.DEFECT}
_SAMPLE = {"cause": "sample_corrupted"}

FAULTS = (
    _fault(
        "replay_done_always",
        "every transition is stored as the last of its episode",
        _stored(lambda row, _: {"done": np.ones_like(row["done"])}),
    ),
    _fault(
        "replay_done_never",
        "no transition is stored as the last of its episode",
        _stored(lambda row, _: {"done": np.zeros_like(row["done"])}),
        needs=("terminations",),
        **_DEFECT,
    ),
    _fault(
        "replay_actions_shuffled",
        "transitions are stored with actions of other transitions",
        _shuffled_actions,
        unit="probability",
    ),
    _fault(
        "replay_actions_delayed",
        "transitions are stored with an earlier action",
        _late("action"),
        unit="steps",
    ),
    _fault(
        "replay_next_obs_is_obs",
        "the observation before the action is stored as the one after it",
        _stored(lambda row, _: {"next_obs": row["obs"]}),
    ),
    _fault(
        "replay_obs_is_next_obs",
        "the observation after the action is stored as the one before it, as when both share one "
        "array",
        _stored(lambda row, _: {"obs": row["next_obs"]}),
    ),
    _fault(
        "replay_reward_delayed",
        "transitions are stored with an earlier reward",
        _late("reward"),
        severity=5.0,
        unit="steps",
        needs=("varied_rewards",),
        **_DEFECT,
    ),
    _fault(
        "replay_reward_sign",
        "rewards are stored with the opposite sign",
        _stored(lambda row, severity: {"reward": -severity * row["reward"]}),
        unit="factor beside the sign",
    ),
    _fault(
        "replay_timeouts_ignored",
        "ends by time limit are stored like terminations",
        _stored(_flags(lambda done: False)),
        cause="time_limit_handling",
        needs=("truncations",),
        **_DEFECT,
    ),
    _fault(
        "replay_terminations_as_timeouts",
        "terminations are stored like ends by time limit, so the value after them counts",
        _stored(_flags(bool)),
        cause="time_limit_handling",
        needs=("terminations",),
        **_DEFECT,
    ),
    TerminalObservationLost(
        name="replay_terminal_obs_is_reset_obs",
        component="replay buffer",
        cause="buffer_corrupted",
        kind=Kind.DEFECT,
        summary="the last transition of an episode is stored with the first observation of the "
        "next",
        algos=OFF_POLICY,
    ),
    _fault(
        "sample_rewards_shuffled",
        "batches pair transitions with the rewards of others",
        _sampled(lambda samples: samples._replace(rewards=_permuted(samples.rewards))),
        needs=("varied_rewards",),
        **_SAMPLE,
    ),
    _fault(
        "sample_actions_shuffled",
        "batches pair transitions with the actions of others",
        _sampled(lambda samples: samples._replace(actions=_permuted(samples.actions))),
        **_SAMPLE,
    ),
    _fault(
        "sample_stale",
        "batches are drawn from the first transitions only",
        _first_rows_only,
        severity=300.0,
        unit="transitions per worker",
        **_SAMPLE,
    ),
)
