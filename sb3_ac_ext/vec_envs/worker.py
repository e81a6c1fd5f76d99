"""The other side of the pipe: one environment in a process of its own.

It speaks the protocol of SB3's ``SubprocVecEnv``, and outlives what its environment raises: the
error is sent as the answer to the command that raised it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

from stable_baselines3.common import monitor
from stable_baselines3.common.env_util import is_wrapped
from stable_baselines3.common.vec_env.base_vec_env import CloudpickleWrapper
from stable_baselines3.common.vec_env.patch_gym import _patch_env

from sb3_ac_ext.vec_envs.failures import Raised

CLOSE = "close"


def work(
    remote: Connection, parent_remote: Connection, env_fn: CloudpickleWrapper, again: bool
) -> None:
    """Answer commands until told to close or until the parent is gone.

    :param remote: this side's end of the pipe
    :param parent_remote: the other end, which is not for this process
    :param env_fn: makes the environment
    :param again: in place of a worker that failed: what that one wrote to disk is kept
    """
    parent_remote.close()
    commands: _Commands | None = None
    broken: Raised | None = None
    try:
        with _appending(again):
            commands = _Commands(env_fn.var())
    except (Exception, SystemExit) as error:
        broken = Raised.by(error)
    while True:
        try:
            command, data = remote.recv()
            if command == CLOSE:
                break
            remote.send(broken if commands is None else commands.answer(command, data))
        except (EOFError, KeyboardInterrupt):  # the parent is gone, or Ctrl-C was for all processes
            break
        except OSError:  # the parent went away before it was answered
            break
        except Exception as error:  # an answer that cannot be pickled
            remote.send(Raised.by(error))
    if commands is not None:
        with suppress(Exception):  # nobody waits for an answer any more
            commands.env.close()
    remote.close()


class _Commands:
    """What a worker can be asked for; each method is the command of its name."""

    def __init__(self, env: Any) -> None:
        self.env = _patch_env(env)
        self._reset_info: dict[str, Any] = {}

    def answer(self, command: str, data: Any) -> Any:
        """The answer to a command, or what the environment raised."""
        try:
            return getattr(self, command)(data)
        except (Exception, SystemExit) as error:
            return Raised.by(error)

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(action)
        done = terminated or truncated
        info["TimeLimit.truncated"] = truncated and not terminated
        if done:
            info["terminal_observation"] = observation
            observation, self._reset_info = self.env.reset()
        return observation, reward, done, info, self._reset_info

    def reset(self, data: tuple[int | None, dict[str, Any]]) -> Any:
        seed, options = data
        kwargs = {"options": options} if options else {}
        observation, self._reset_info = self.env.reset(seed=seed, **kwargs)
        return observation, self._reset_info

    def seed_actions(self, seed: int) -> None:
        self.env.action_space.seed(seed)

    def get_spaces(self, _: None) -> Any:
        return self.env.observation_space, self.env.action_space

    def render(self, _: None) -> Any:
        return self.env.render()

    def env_method(self, data: tuple[str, tuple[Any, ...], dict[str, Any]]) -> Any:
        name, args, kwargs = data
        return self.env.get_wrapper_attr(name)(*args, **kwargs)

    def get_attr(self, name: str) -> Any:
        return self.env.get_wrapper_attr(name)

    def has_attr(self, name: str) -> bool:
        try:
            self.env.get_wrapper_attr(name)
        except AttributeError:
            return False
        return True

    def set_attr(self, data: tuple[str, Any]) -> None:
        setattr(self.env, *data)

    def is_wrapped(self, wrapper_class: type) -> bool:
        return is_wrapped(self.env, wrapper_class)


@contextmanager
def _appending(active: bool) -> Iterator[None]:
    """Let ``Monitor`` go on with the file of the worker before, which it would begin anew."""
    if not active:
        yield
        return
    writer: Any = monitor.ResultsWriter
    monitor.ResultsWriter = functools.partial(_continued, writer)  # type: ignore[assignment, misc]
    try:
        yield
    finally:
        monitor.ResultsWriter = writer  # type: ignore[misc]


def _continued(writer: Any, *args: Any, **kwargs: Any) -> Any:
    return writer(*args, **{**kwargs, "override_existing": False})
