"""What every drop-in algorithm adds to the constructor of Stable-Baselines3's."""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm


class DropIn(BaseAlgorithm):
    """Stands before a class of Stable-Baselines3, and takes its arguments.

    :param exact: be bit-identical to SB3 for the same seed; otherwise floating-point work may be
        done in another order. Off-policy algorithms are so in any case, so far.
    """

    def __init__(self, *args: Any, exact: bool = False, **kwargs: Any) -> None:
        self.exact = exact
        if kwargs.get("policy_kwargs"):
            kwargs["policy_kwargs"] = dict(kwargs["policy_kwargs"])  # SB3 writes into it
        super().__init__(*args, **kwargs)
