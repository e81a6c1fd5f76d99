"""Everything about a run, between two rollouts, as one plain value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch as th
from stable_baselines3.common.buffers import BaseBuffer
from stable_baselines3.common.callbacks import BaseCallback, CallbackList

from sb3_ac_ext.checkpoints.codec import copied
from sb3_ac_ext.checkpoints.graph import Capture, Restore, Special
from sb3_ac_ext.checkpoints.workers import OUTSIDE, Workers
from sb3_ac_ext.flight.randomness import RandomState

State = dict[str, Any]
_ALL: dict[str, Special] = {"vec_env": Workers(), **OUTSIDE}
# what belongs to this process, and what learn() sets
_NOT_MODEL = frozenset(
    (
        *("env", "_vec_normalize_env", "_logger", "_custom_logger", "device", "verbose"),
        *("_total_timesteps", "_num_timesteps_at_start"),
    )
)


class CallbackState:
    """A callback that knows best: it has ``get_state()`` and ``set_state(state)``."""

    def handles(self, value: Any) -> bool:
        offers = all(callable(getattr(value, name, None)) for name in ("get_state", "set_state"))
        return isinstance(value, BaseCallback) and offers

    def capture(self, value: Any, capture: Capture, path: str) -> Any:
        return copied(value.get_state())

    def restore(self, content: Any, value: Any, restore: Restore, path: str) -> None:
        value.set_state(content)


def capture(model: Any, callbacks: Sequence[BaseCallback] = ()) -> State:
    """
    :param model: an SB3 algorithm between two rollouts
    :param callbacks: of its ``learn()``
    :return: plain and independent of the model; the rows of a replay buffer are not part of it.
        ``lost`` tells why environments cannot be gone on with exactly
    """
    reader = Capture({"callback": CallbackState(), **_ALL}, text=False)
    reader.leave_out(model)
    env = reader.node(model.get_env(), "env")
    unread = [f"{where} cannot be read" for where in reader.opaque]
    state = {
        "randomness": _randomness(model.device),
        "env": env,
        "model": reader.attributes(model, "model", _NOT_MODEL | _helpers(model)),
        "logger": reader.node(getattr(model, "_logger", None), "logger"),
        "callbacks": [
            [_kind(callback), reader.node(callback, _kind(callback))] for callback in callbacks
        ],
    }
    return {**state, "lost": [*unread, *reader.lost]}


def _helpers(model: Any) -> frozenset[str]:
    """What a model makes anew when it needs it, and does not save either.

    Networks and buffers are not saved with the rest, but elsewhere; recurrent states, which are
    tuples of tensors, are not saved at all.
    """
    state = (th.nn.Module, BaseBuffer, tuple)
    names = model._excluded_save_params()
    return frozenset(name for name in names if not isinstance(getattr(model, name, None), state))


def restore_env(model: Any, state: State) -> list[str]:
    """
    :param model: whose environment was reset once
    :return: why it is not as it was
    :raises ValueError: if it is another one, such as with more workers
    """
    restore = Restore(_ALL)
    restore.put(state["env"], model.get_env(), "env")
    return restore.misfits


def restore_model(model: Any, state: State) -> None:
    """Weights, optimizers, counters, noise, last observations and the like.

    :raises ValueError: if it is of another make
    """
    restore = Restore(_ALL, text=False)
    restore.attributes(state["model"], model, "model")
    if restore.misfits:
        raise ValueError(f"the bundle does not fit the model: {', '.join(restore.misfits)}")


def restore_logger(model: Any, state: State) -> None:
    """What was recorded before the interruption and not yet written."""
    Restore(_ALL).put(state["logger"], model.logger, "logger")


def restore_callbacks(callbacks: Sequence[BaseCallback], state: State) -> list[str]:
    """
    :return: what is not as it was, in words
    """
    saved = list(state["callbacks"])
    unlike = []
    for callback in callbacks:
        kind = _kind(callback)
        found = next((pair for pair in saved if pair[0] == kind), None)
        if found is None:
            unlike.append(f"{kind} begins anew: the bundle holds no state for it")
            continue
        saved.remove(found)
        restore = Restore({"callback": CallbackState(), **_ALL}, text=False)
        restore.put(found[1], callback, kind)
        unlike += [f"{path} stays: it has no place for its state" for path in restore.misfits]
    return unlike


def restore_randomness(model: Any, state: State) -> None:
    """The global generators."""
    random = state["randomness"]
    RandomState(random["python"], random["numpy"], random["torch"], random["cuda"]).apply(
        model.device
    )


def _randomness(device: th.device) -> State:
    found = RandomState.take(device)
    return {
        "python": found.python,
        "numpy": copied(found.numpy),
        "torch": found.torch,
        "cuda": found.cuda,
    }


def _kind(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def flat(callback: BaseCallback) -> Iterator[BaseCallback]:
    """The callbacks that ``learn()`` was given, out of SB3's lists."""
    if isinstance(callback, CallbackList):
        for child in callback.callbacks:
            yield from flat(child)
    else:
        yield callback
