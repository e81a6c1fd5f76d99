"""The state of one environment, and of all workers of a vectorised one."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.monitor import ResultsWriter
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

from sb3_ac_ext.checkpoints.codec import copied
from sb3_ac_ext.checkpoints.graph import Capture, Restore, Special
from sb3_ac_ext.checkpoints.specials import SPECIALS

State = dict[str, Any]


class OwnState:
    """An environment that knows best: it has ``get_state()`` and ``set_state(state)``.

    The state is what :func:`~sb3_ac_ext.checkpoints.codec.encode` takes: numbers, text, arrays and
    containers of these.
    """

    def handles(self, value: Any) -> bool:
        offers = callable(getattr(value, "get_state", None)) and callable(
            getattr(value, "set_state", None)
        )
        return offers and isinstance(value, gym.Env) and not isinstance(value, gym.Wrapper)

    def capture(self, value: Any, capture: Capture, path: str) -> Any:
        return [copied(value.get_state()), capture.node(value._np_random, f"{path}._np_random")]

    def restore(self, content: Any, value: Any, restore: Restore, path: str) -> None:
        state, generator = content
        value.set_state(copied(state))
        value._np_random = restore.put(generator, value._np_random, f"{path}._np_random")


class WrittenRows:
    """How far ``monitor.csv`` is written; what came after is cut off."""

    def handles(self, value: Any) -> bool:
        return isinstance(value, ResultsWriter)

    def capture(self, value: ResultsWriter, capture: Capture, path: str) -> Any:
        value.file_handler.flush()
        return value.file_handler.tell()

    def restore(self, content: int, value: ResultsWriter, restore: Restore, path: str) -> None:
        handler = value.file_handler
        handler.flush()
        handler.seek(0, 2)
        if handler.tell() > content:
            handler.truncate(content)
            handler.seek(content)


_INSIDE: dict[str, Special] = {"own": OwnState(), "written": WrittenRows(), **SPECIALS}
OUTSIDE: dict[str, Special] = {"written": WrittenRows(), **SPECIALS}
"""For vectorised environments, which do not hold their workers' states themselves."""


def worker_state(env: gym.Env[Any, Any]) -> State:
    """
    :param env: with all its wrappers
    :return: ``tree``, its state, and ``opaque``, where it holds what cannot be read
    """
    from sb3_ac_ext.checkpoints.episode_log import find_log

    tree, opaque = read(env)
    log = find_log(env) if opaque else None
    return {"tree": tree, "opaque": opaque, "episode": None if log is None else log.episode}


def read(env: gym.Env[Any, Any]) -> tuple[Any, list[str]]:
    """
    :param env: with all its wrappers
    :return: the state that can be read, and where something is that cannot
    """
    capture = Capture(_INSIDE)
    return capture.node(env, "env"), capture.opaque


def set_worker_state(env: gym.Env[Any, Any], state: State) -> str | None:
    """Put the state of an environment back, by playing the episode again where need be.

    :param env: of the same make, reset once
    :param state: from :func:`worker_state`
    :return: why it is not the same, ``None`` if it is
    """
    if not state["opaque"]:
        return _put(env, state["tree"])
    episode = state["episode"]
    if episode is None:
        _put(env, state["tree"])
        return (
            f"{state['opaque'][0]} cannot be read: wrap the environment in EpisodeLog, "
            "which replays its episode"
        )
    from sb3_ac_ext.checkpoints.episode_log import replay

    _put(env, episode["before"])
    reason = replay(env, episode)
    _put(env, state["tree"])
    return reason


def _put(env: gym.Env[Any, Any], tree: Any) -> str | None:
    restore = Restore(_INSIDE)
    restore.put(tree, env, "env")
    return f"{restore.misfits[0]} has no place for its state" if restore.misfits else None


class Workers:
    """The environments of a ``DummyVecEnv`` or ``SubprocVecEnv``, each where it lives."""

    def handles(self, value: Any) -> bool:
        return isinstance(value, DummyVecEnv | SubprocVecEnv)

    def capture(self, value: Any, capture: Capture, path: str) -> Any:
        if isinstance(value, DummyVecEnv):
            states: Any = [worker_state(env) for env in value.envs]
        elif all(value.has_attr(name) for name in ("worker_state", "set_worker_state")):
            states = value.env_method("worker_state")
        else:
            states = None
        capture.lost += [f"{path}: {reason}" for reason in _lost(states)]
        return {
            "workers": states,
            "rest": capture.attributes(value, path, _OUTSIDE),
        }

    def restore(self, content: Any, value: Any, restore: Restore, path: str) -> None:
        states = content["workers"]
        if states is None:
            reasons: list[Any] = [
                "environments in processes of their own cannot be read: wrap them in EpisodeLog"
            ]
        elif len(states) != value.num_envs:
            raise ValueError(
                f"the bundle has {len(states)} environments and the model has {value.num_envs}"
            )
        elif isinstance(value, DummyVecEnv):
            pairs = zip(value.envs, states, strict=True)
            reasons = [set_worker_state(env, state) for env, state in pairs]
        else:
            reasons = [
                value.env_method("set_worker_state", state, indices=index)[0]
                for index, state in enumerate(states)
            ]
        restore.attributes(content["rest"], value, path)
        restore.misfits += [
            f"worker {index}: {reason}" for index, reason in enumerate(reasons) if reason
        ]


# where the environments are, and what they told in the last step
_OUTSIDE = frozenset(
    (
        *("envs", "remotes", "work_remotes", "processes", "waiting", "closed"),
        *("buf_infos", "buf_obs", "reset_infos"),
    )
)


def _lost(states: Any) -> list[str]:
    """Why these states of workers are not enough to go on exactly."""
    if states is None:
        return ["environments in processes of their own cannot be read"]
    return [
        f"worker {index}: {state['opaque'][0]} cannot be read"
        for index, state in enumerate(states)
        if state["opaque"] and state["episode"] is None
    ]


def same(a: Any, b: Any) -> bool:
    """Whether two observations are the same to the bit."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    left, right = np.asarray(a), np.asarray(b)
    return left.dtype == right.dtype and left.tobytes() == right.tobytes()
