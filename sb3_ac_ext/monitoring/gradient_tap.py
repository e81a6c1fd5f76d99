"""Compare the first gradients of an update with the reference, at the moment they are used."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch as th
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from sb3_ac_ext.monitoring import reference_gradients as reference
from sb3_ac_ext.monitoring.batches import BatchTap
from sb3_ac_ext.monitoring.neutral import undisturbed


class GradientTap:
    """Optimizer hooks that compare once and go; all are gone after :meth:`remove`.

    ``found``: agreement by network; ``rates``: learning rates that the first steps used.

    :param model: one that ``reference_gradients.refuses`` accepts
    :param tap: notes the batch of the same update
    :param nets: parameters by network
    :param values: measure the loss along its gradient, too
    """

    def __init__(
        self, model: Any, tap: BatchTap, nets: dict[str, list[th.Tensor]], values: bool
    ) -> None:
        self._values = values
        self.found: dict[str, reference.Agreement] = {}
        self.rates: list[float] = []
        self._model, self._tap, self._nets = model, tap, nets
        self._alpha = _alpha(model)
        if isinstance(model, OnPolicyAlgorithm):
            optimizers = {model.policy.optimizer: tuple(nets)}
        else:
            optimizers = {
                model.policy.critic.optimizer: ("critic",),
                model.policy.actor.optimizer: ("actor",),
            }
        self._handles = {
            names: optimizer.register_step_pre_hook(self._hook(names, optimizer))
            for optimizer, names in optimizers.items()
        }

    def remove(self) -> None:
        for handle in self._handles.values():
            handle.remove()
        self._handles = {}

    def _hook(self, names: tuple[str, ...], optimizer: th.optim.Optimizer) -> Any:
        def compare(*_: Any) -> None:
            if names in self._handles:
                self._handles.pop(names).remove()
                self.rates.extend(float(group["lr"]) for group in optimizer.param_groups)
                self._compare(names)

        return compare

    def _compare(self, names: tuple[str, ...]) -> None:
        model, batch = self._model, self._tap.newest
        if batch is None or _clips_everything(model):
            return
        with undisturbed(model):
            for name in names:
                loss = partial(self._loss, name, batch)
                found = reference.agreement(loss, self._nets[name], self._values)
                if found is not None:
                    self.found[name] = found

    def _loss(self, net: str, batch: Any, bonus: bool) -> th.Tensor:
        th.set_rng_state(self._tap.torch_state)
        if isinstance(self._model, OnPolicyAlgorithm):
            return reference.on_policy_loss(self._model, batch, net, bonus)
        if net == "critic":
            return reference.critic_loss(self._model, batch, self._alpha)
        return reference.actor_loss(self._model, batch, self._alpha, bonus)


def _clips_everything(model: Any) -> bool:
    """A clip range that its schedule has brought to zero or below leaves no gradient to compare."""
    clip_range = getattr(model, "clip_range", None)
    return callable(clip_range) and clip_range(model._current_progress_remaining) <= 0.0


def _alpha(model: Any) -> th.Tensor | None:
    """SAC's entropy coefficient before the update changes it."""
    if getattr(model, "log_ent_coef", None) is not None:
        alpha: th.Tensor = model.log_ent_coef.detach().exp()
        return alpha
    fixed: th.Tensor | None = getattr(model, "ent_coef_tensor", None)
    return fixed
