"""What off-policy algorithms with an actor and a critic share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch as th
from torch import nn

from sb3_ac_ext.algorithms.critic import CriticSettings
from sb3_ac_ext.algorithms.exploring_actor import ExploringActor, exploring_actor
from sb3_ac_ext.algorithms.off_policy import OffPolicyUpdate


class ActorCriticUpdate(CriticSettings, OffPolicyUpdate):
    """
    :param critic_learning_rate: as of :class:`CriticSettings`
    :param critic_head_scale: as of :class:`CriticSettings`
    :param max_grad_norm: of each network's gradient, which is scaled down to it; ``None`` for none
    :param critic_subset: how many of the ``n_critics`` (of ``policy_kwargs``), drawn anew for each
        batch, a target is the least of, as in REDQ (arXiv 2101.05982); SAC's actor then follows the
        mean of all. ``None`` for all, and for SB3's actor.
    :raises ValueError: for a norm that is not positive, and for more critics than there are
    """

    actor: Any
    critic: Any

    critic_target: Any

    _explorer: ExploringActor | None = None

    def __init__(
        self,
        *args: Any,
        max_grad_norm: float | None = None,
        critic_subset: int | None = None,
        **kwargs: Any,
    ) -> None:
        if max_grad_norm is not None and not max_grad_norm > 0.0:
            raise ValueError(
                f"max_grad_norm={max_grad_norm!r} is not accepted: give a positive number or None"
            )
        self.max_grad_norm = max_grad_norm
        self.critic_subset = critic_subset
        super().__init__(*args, **kwargs)

    def _sample_action(
        self, learning_starts: int, action_noise: Any = None, n_envs: int = 1
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """As SB3's, up to rounding; a plain actor explores in NumPy."""
        if self.exact or self.num_timesteps < learning_starts:
            return super()._sample_action(learning_starts, action_noise, n_envs)
        self._explorer = explorer = exploring_actor(self.policy, self._explorer)
        if explorer is None or explorer.watched:
            return super()._sample_action(learning_starts, action_noise, n_envs)
        scaled = explorer(np.asarray(self._last_obs))
        if action_noise is not None:
            scaled = np.clip(scaled + action_noise(), -1.0, 1.0)
        return self.policy.unscale_action(scaled), scaled

    def critic_groups(self) -> list[dict[str, Any]]:
        groups: list[dict[str, Any]] = self.critic.optimizer.param_groups
        return groups

    def critic_heads(self) -> Iterable[nn.Linear]:
        return [net[-1] for nets in (self.critic, self.critic_target) for net in nets.q_networks]

    def _setup_model(self) -> None:
        super()._setup_model()
        subset, n = self.critic_subset, len(self.critic.q_networks)
        if subset is not None and not 1 <= subset <= n:
            raise ValueError(
                f"critic_subset={subset!r} is not accepted: give 1 to {n}, which is n_critics of "
                "policy_kwargs, or None"
            )

    def least_of(self, values: Sequence[th.Tensor]) -> th.Tensor:
        """The least of all critics' values, or of ``critic_subset`` drawn at random, shape (n, 1).

        :param values: one of shape (n, 1) per critic
        """
        chosen = list(values)
        if self.critic_subset is not None:
            chosen = [values[k] for k in th.randperm(len(values))[: self.critic_subset].tolist()]
        least, _ = th.min(th.cat(chosen, dim=1), dim=1, keepdim=True)
        return least


@contextmanager
def frozen(network: nn.Module, but: nn.Module) -> Iterator[None]:
    """Gradients pass through a network inside, and none are computed for its weights.

    :param but: whose weights, such as an encoder of both, are trained all the same
    """
    kept = {id(parameter) for parameter in but.parameters()}
    trained = [p for p in network.parameters() if p.requires_grad and id(p) not in kept]
    _require(trained, False)
    try:
        yield
    finally:
        _require(trained, True)


def _require(parameters: Iterable[nn.Parameter], gradient: bool) -> None:
    for parameter in parameters:
        parameter.requires_grad_(gradient)
