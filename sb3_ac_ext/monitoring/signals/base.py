"""What every signal is: a small reader of a running model that returns named numbers."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from sb3_ac_ext.monitoring.view import View


@dataclass
class Reading:
    """Numbers of one signal at one moment, under the names of the vocabulary."""

    values: dict[str, float] = field(default_factory=dict)
    arrays: dict[str, tuple[float, ...]] = field(default_factory=dict)

    def put(self, **values: Any) -> None:
        """Add values; a double underscore stands for the slash of a name."""
        self.values.update({key.replace("__", "/"): float(v) for key, v in values.items()})

    def put_array(self, name: str, values: npt.ArrayLike) -> None:
        self.arrays[name] = tuple(np.asarray(values, dtype=np.float64).ravel().tolist())


class Signal:
    """Reads one aspect of training.

    ``collect`` runs in evaluation mode, without gradients, with all random generators restored
    afterwards. A quantity that cannot be measured is left out, never guessed.
    """

    name: ClassVar[str]
    period: ClassVar[int] = 1
    """After the first updates, read at every so many snapshots: what costs much and changes little
    from one update to the next."""

    def supports(self, model: BaseAlgorithm) -> str | None:
        """Why the signal does not apply to the model, ``None`` when it does."""
        return None

    def attach(self, model: BaseAlgorithm) -> None:
        """Training begins."""

    def before_update(self, view: View) -> None:
        """A snapshot is due after the update that comes now. May copy, must not compute."""

    def around_update(self, model: BaseAlgorithm) -> AbstractContextManager[None]:
        """Entered around some calls of ``model.train()``; must leave no hook behind."""
        return nullcontext()

    def collect(self, view: View) -> Reading:
        """The numbers of this moment."""
        raise NotImplementedError

    def detach(self) -> None:
        """Training ended. May be called without ``attach`` and more than once."""


def needs_on_policy(model: BaseAlgorithm) -> str | None:
    if isinstance(model, OnPolicyAlgorithm):
        return None
    return f"{type(model).__name__} is not an on-policy algorithm"


def needs_off_policy(model: BaseAlgorithm) -> str | None:
    if isinstance(model, OffPolicyAlgorithm):
        return None
    return f"{type(model).__name__} is not an off-policy algorithm"


def flat(tensor: object) -> npt.NDArray[np.float64]:
    """A tensor as a one-dimensional float64 array."""
    return tensor.detach().cpu().numpy().astype(np.float64).ravel()  # type: ignore[attr-defined,no-any-return]
