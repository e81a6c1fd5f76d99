"""What off-policy algorithms with an actor and a critic share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from sb3_ac_ext.algorithms.critic_rate import CriticRate
from sb3_ac_ext.algorithms.off_policy import OffPolicyUpdate


class ActorCriticUpdate(CriticRate, OffPolicyUpdate):
    """
    :param critic_learning_rate: as of :class:`CriticRate`
    :param max_grad_norm: of each network's gradient, which is scaled down to it; ``None`` for none
    :raises ValueError: for a norm that is not positive
    """

    actor: Any
    critic: Any

    def __init__(self, *args: Any, max_grad_norm: float | None = None, **kwargs: Any) -> None:
        if max_grad_norm is not None and not max_grad_norm > 0.0:
            raise ValueError(
                f"max_grad_norm={max_grad_norm!r} is not accepted: give a positive number or None"
            )
        self.max_grad_norm = max_grad_norm
        super().__init__(*args, **kwargs)

    def critic_groups(self) -> list[dict[str, Any]]:
        groups: list[dict[str, Any]] = self.critic.optimizer.param_groups
        return groups


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Gradients pass through a network inside, and none are computed for its weights."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    _require(trained, False)
    try:
        yield
    finally:
        _require(trained, True)


def _require(parameters: Iterable[nn.Parameter], gradient: bool) -> None:
    for parameter in parameters:
        parameter.requires_grad_(gradient)
