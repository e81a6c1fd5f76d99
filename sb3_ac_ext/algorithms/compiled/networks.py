"""The networks of SAC, TD3 and DDPG as long vectors that compiled steps change in place."""

from __future__ import annotations

from typing import Any

import torch as th

from sb3_ac_ext.algorithms.compiled.optimizers import Adam, RMSprop, pure
from sb3_ac_ext.algorithms.compiled.replay_step import LOG_ENT_COEF
from sb3_ac_ext.algorithms.flat import FlatParameters, flattened
from sb3_ac_ext.algorithms.sac import SAC


def is_soft(model: Any) -> bool:
    """Whether a model takes SAC's step, and not TD3's."""
    return isinstance(model, SAC)


def targets_of(model: Any) -> dict[str, str]:
    """Target network -> the one that it follows."""
    critic = {"critic_target": "critic"}
    return critic if is_soft(model) else {**critic, "actor_target": "actor"}


def optimizers_of(model: Any) -> dict[str, th.optim.Optimizer]:
    """By the name of what they train, in the order in which a step takes them."""
    found = {"critic": model.critic.optimizer, "actor": model.actor.optimizer}
    if getattr(model, "ent_coef_optimizer", None) is not None:
        found[LOG_ENT_COEF] = model.ent_coef_optimizer
    return found


def _rule(optimizer: th.optim.Optimizer) -> Adam | RMSprop:
    rule = pure(optimizer)
    assert rule is not None
    return rule


class Networks:
    """A model's networks as long vectors that packages change in place.

    :param model: whose parameters become views of them
    """

    def __init__(self, model: Any) -> None:
        self.optimizers = optimizers_of(model)
        self.rules = {name: _rule(optimizer) for name, optimizer in self.optimizers.items()}
        self.trained = {
            name: FlatParameters(optimizer, self.rules[name].state)
            for name, optimizer in self.optimizers.items()
        }
        targets = targets_of(model)
        self._first = {name: next(getattr(model, name).parameters()) for name in targets}
        self.targets = {
            name: flattened(list(getattr(model, name).parameters())) for name in targets
        }

    @property
    def whole(self) -> bool:
        """Whether all parameters are still views of these: nobody has put in others."""
        return all(flat.whole for flat in self.trained.values()) and all(
            self._first[name].data_ptr() == vector.data_ptr()
            for name, vector in self.targets.items()
        )

    def parameters(self) -> list[th.Tensor]:
        """Of networks and their targets."""
        return [*(flat.vector for flat in self.trained.values()), *self.targets.values()]

    def moments(self) -> list[th.Tensor]:
        """State of all optimizers."""
        return [part for flat in self.trained.values() for part in flat.state]
