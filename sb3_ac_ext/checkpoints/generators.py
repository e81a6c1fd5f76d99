"""States of random generators, read and put back in place."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch as th

from sb3_ac_ext.checkpoints.codec import copied

_BITS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")
Generator = np.random.Generator | np.random.RandomState | random.Random | th.Generator
GENERATORS = (np.random.Generator, np.random.RandomState, random.Random, th.Generator)


def generator_state(generator: Generator) -> list[Any]:
    """
    :param generator: of Python, NumPy or PyTorch; nothing is drawn
    :return: its kind and its state, plain
    """
    if isinstance(generator, np.random.Generator):
        bits = generator.bit_generator
        return [type(bits).__name__, copied(dict(bits.state))]
    if isinstance(generator, np.random.RandomState):
        return ["RandomState", copied(generator.get_state(legacy=False))]
    if isinstance(generator, random.Random):
        return ["Random", generator.getstate()]
    return ["torch", generator.get_state().clone()]


def set_generator(state: list[Any], generator: Generator | None) -> Generator:
    """
    :param state: from :func:`generator_state`
    :param generator: one of that kind, which whoever holds it keeps; else a new one is made
    :raises ValueError: for an unknown kind
    """
    kind, content = state
    if kind in _BITS:
        if not _has_bits(generator, kind):
            generator = np.random.Generator(getattr(np.random, kind)(0))
        assert isinstance(generator, np.random.Generator)
        generator.bit_generator.state = content
    elif kind == "RandomState":
        if not isinstance(generator, np.random.RandomState):
            generator = np.random.RandomState(0)
        generator.set_state(content)
    elif kind == "Random":
        generator = generator if isinstance(generator, random.Random) else random.Random(0)
        generator.setstate(content)
    elif kind == "torch":
        generator = generator if isinstance(generator, th.Generator) else th.Generator()
        generator.set_state(content)
    else:
        raise ValueError(f"the generator {kind!r} is not known: known are {', '.join(_BITS)}")
    return generator


def _has_bits(generator: Any, kind: str) -> bool:
    return (
        isinstance(generator, np.random.Generator)
        and type(generator.bit_generator).__name__ == kind
    )
