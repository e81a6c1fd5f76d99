"""How far a compiled step leads from where an eager one leads."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch as th

PARAMETERS = 0.01
"""Weight of parameters beside moments. Adam divides a gradient by its own size, so that an entry
that is nothing but rounding moves its parameter by a whole step, and in either direction; moments
show the gradient itself."""

Triple = tuple[th.Tensor, th.Tensor, th.Tensor]
"""A vector after a compiled step, after an eager one, and before both."""


def distance(mine: th.Tensor, eager: th.Tensor, before: th.Tensor) -> float:
    """Over the length of the eager step, or a thousandth of the vector's, below which all is
    rounding."""
    length = max(float((eager - before).norm()), 1e-3 * float(before.norm()), 1e-12)
    return float((mine - eager).norm()) / length


def disagreement(parameters: Iterable[Triple], moments: Iterable[Triple]) -> float:
    """The largest distance, NaN where any is.

    :param parameters: of networks, weighted by :data:`PARAMETERS`
    :param moments: the rest of what a step changes: the optimizers' state
    """
    weighted = [PARAMETERS * distance(*vectors) for vectors in parameters]
    return float(np.max([*weighted, *(distance(*vectors) for vectors in moments)]))
