"""Observations of any space as vectors of numbers, with a name for each."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space

_MOST = 1024


@dataclass(frozen=True)
class Part:
    """
    :param name: where it stands in the observation, empty for the whole
    :param size: how many numbers
    :param measured: whether these are quantities, not pixels or numbers of a choice
    """

    name: str
    size: int
    measured: bool


class Layout:
    """Turns observations into vectors of at most about a thousand numbers.

    Of larger ones evenly spaced numbers are kept, and a checksum of all as the last number, so
    that different observations stay different.

    :param space: observation space
    """

    def __init__(self, space: spaces.Space[Any]) -> None:
        self.parts = tuple(_parts(space, ""))
        names = [name for part in self.parts for name in _names(part)]
        measured = [part.measured for part in self.parts for _ in range(part.size)]
        total = len(names)
        self._kept = np.arange(total)
        if total > _MOST:
            self._kept = np.linspace(0, total - 1, _MOST).astype(int)
        self._sum = total > _MOST
        self.names = tuple(names[index] for index in self._kept)
        """Of each number, without the checksum."""
        self.measured = np.array([measured[index] for index in self._kept], dtype=bool)
        """Which numbers are quantities."""

    def vector(self, observation: Any) -> np.ndarray:
        """
        :param observation: of the space
        :return: a copy, of type float64
        """
        flat = np.concatenate([np.asarray(part).reshape(-1) for part in _leaves(observation)])
        vector = flat[self._kept].astype(np.float64) if self._sum else flat.astype(np.float64)
        return np.append(vector, zlib.crc32(flat.tobytes())) if self._sum else vector


def _parts(space: spaces.Space[Any], name: str) -> list[Part]:
    inner = _inner(space)
    if inner is not None:
        dot = f"{name}." if name else ""
        return [part for key, one in inner for part in _parts(one, f"{dot}{key}")]
    shape = getattr(space, "shape", None)
    measured = isinstance(space, spaces.Box) and not is_image_space(space)
    return [Part(name, int(np.prod(shape)) if shape else 1, measured)]


def _inner(space: spaces.Space[Any]) -> list[tuple[str, spaces.Space[Any]]] | None:
    if isinstance(space, spaces.Dict):
        return sorted(space.spaces.items())
    if isinstance(space, spaces.Tuple):
        return [(str(index), one) for index, one in enumerate(space.spaces)]
    return None


def _leaves(observation: Any) -> list[Any]:
    if isinstance(observation, dict):
        return [leaf for _, part in sorted(observation.items()) for leaf in _leaves(part)]
    if isinstance(observation, tuple):
        return [leaf for part in observation for leaf in _leaves(part)]
    return [observation]


def _names(part: Part) -> list[str]:
    if part.size == 1 and part.name:
        return [part.name]
    return [f"{part.name or 'observation'}[{index}]" for index in range(part.size)]
