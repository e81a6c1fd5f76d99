"""Which entries of the recorded data a bad row of a batch goes back to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from sb3_ac_ext.flight.arrays import Array
from sb3_ac_ext.flight.data import RolloutData

_OWN = ("observations", "actions", "rewards", "values", "log_probs")
_CHAINED = ("rewards", "values")
"""What the advantages and returns of all earlier steps of the worker are computed from."""


class RolloutRows:
    """Rows of minibatches as steps and workers of a rollout.

    :param data: of the update
    """

    def __init__(self, data: RolloutData) -> None:
        self._arrays = data.arrays
        self._n_steps = len(np.asarray(self._arrays["rewards"]))

    def at(self, index: int) -> tuple[int, int]:
        """(step, worker) of an entry of the flattened buffer, which goes worker by worker."""
        worker, step = divmod(int(index), self._n_steps)
        return step, worker

    def own(self, step: int, worker: int) -> str | None:
        """The entry of this very step that is not finite."""
        return next(self._bad(_OWN, step, worker), None)

    def origin(self, step: int, worker: int) -> str | None:
        """The entry that made a step's advantage and return what they are."""
        own = self.own(step, worker)
        if own is not None:
            return own
        for later in range(step + 1, self._n_steps):
            found = next(self._bad(_CHAINED, later, worker), None)
            if found is not None:
                return found
        for name in ("advantages", "returns"):
            if not np.isfinite(np.asarray(self._arrays[name])[step, worker]):
                return f"the value of the observation after the last step of worker {worker}"
        return None

    def _bad(self, names: tuple[str, ...], step: int, worker: int) -> Iterator[str]:
        for name in names:
            value = self._arrays.get(name)
            parts: dict[str, Any] = value if isinstance(value, dict) else {"": value}
            for key, part in parts.items():
                if part is None:
                    continue
                found = _first_bad(part[step, worker])
                if found is not None:
                    full = f"{name}[{key}]" if key else name
                    yield f"{full}[{step}, worker {worker}]{found}"


def _first_bad(entry: Array | np.generic) -> str | None:
    """Index and value of the first entry that is not finite, as ``[2] = nan``."""
    array = np.asarray(entry)
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return None
    at = np.argwhere(~np.isfinite(array))[0]
    return "".join(f"[{int(i)}]" for i in at) + f" = {array[tuple(at)]}"
