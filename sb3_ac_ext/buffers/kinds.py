"""Buffers come in pairs: for observations that are arrays, and for those that are dictionaries."""

from __future__ import annotations

from typing import Any

from gymnasium import spaces
from stable_baselines3.common.buffers import DictReplayBuffer, ReplayBuffer


def check_kind(
    buffer: ReplayBuffer, name: str, space: spaces.Space[Any], optimize_memory_usage: bool
) -> None:
    """
    :param buffer: being made
    :param name: of the class for arrays; the one for dictionaries is called ``Dict`` and that
    :param space: of observations
    :param optimize_memory_usage: as it was asked for
    :raises ValueError: if the space needs the other class, and for ``optimize_memory_usage``
    """
    if optimize_memory_usage:
        raise ValueError(f"{type(buffer).__name__} does not work with optimize_memory_usage=True")
    mapping = isinstance(space, spaces.Dict)
    if mapping != isinstance(buffer, DictReplayBuffer):
        raise ValueError(f"{space} needs replay_buffer_class={'Dict' if mapping else ''}{name}")
