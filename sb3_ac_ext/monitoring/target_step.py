"""How target networks follow, seen from outside: networks before and after an update."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch as th
from gymnasium import spaces

Tensors = list[th.Tensor]
_PAIRS = (("critic", "critic_target"), ("actor", "actor_target"))


@dataclass(frozen=True)
class Before:
    """Target networks before an update, by name, and the number of updates until then."""

    targets: dict[str, Tensors]
    updates: int


@dataclass(frozen=True)
class TargetStep:
    """What one update did to the targets.

    :param error: distance from (1 - tau) target + tau online, or from staying where no move is due,
        relative to their size; ``None`` after several gradient steps at once
    :param moved: whether they moved at all
    :param due: whether they should have
    :param shared: whether a target is its online network
    """

    error: float | None
    moved: bool
    due: bool
    shared: bool


def remember(model: Any) -> Before | None:
    """Copies of the targets; ``None`` for models without any."""
    policy = model.policy
    if not isinstance(model.action_space, spaces.Box):
        return None  # DQN moves its target between updates
    targets = {name: getattr(policy, name, None) for _, name in _PAIRS}
    if targets["critic_target"] is None:
        return None
    return Before(
        {name: _copies(net) for name, net in targets.items() if net is not None},
        int(getattr(model, "_n_updates", 0)),
    )


@th.no_grad()
def compare(model: Any, before: Before) -> TargetStep:
    """:param before: from before ``train()``"""
    delay = _delay(model)
    updates = int(model._n_updates)
    steps = updates - before.updates
    due = updates % delay == 0 if steps == 1 else steps >= delay
    worst, moved, shared = 0.0, False, False
    for online_name, name in _PAIRS:
        old = before.targets.get(name)
        if old is None:
            continue
        online = list(getattr(model.policy, online_name).parameters())
        new = list(getattr(model.policy, name).parameters())
        shared |= new[0].data_ptr() == online[0].data_ptr()
        unmoved = _distance(new, old)
        moved |= unmoved > 0.0
        polyak = [(1.0 - model.tau) * o + model.tau * w for o, w in zip(old, online, strict=True)]
        error = _distance(new, polyak) if due else unmoved
        worst = max(worst, error / max(_size(old), 1e-12))
    frozen = due and not moved  # another fault than a wrong move
    return TargetStep(None if steps != 1 or frozen else worst, moved, due, shared)


def _delay(model: Any) -> int:
    """Updates from one of the targets' to the next. SAC's own interval counts within a call of
    ``train()``; the drop-in TD3 has one that counts them all."""
    delay = int(getattr(model, "policy_delay", 0))
    interval = getattr(model, "target_update_interval", None) if delay else None
    return max(1, int(interval or delay))


def _copies(net: Any) -> Tensors:
    return [p.detach().clone() for p in net.parameters()]


def _size(tensors: Sequence[th.Tensor]) -> float:
    return float(th.stack([t.norm() for t in tensors]).norm())


def _distance(a: Sequence[th.Tensor], b: Sequence[th.Tensor]) -> float:
    return float(th.stack([(x - y).norm() for x, y in zip(a, b, strict=True)]).norm())
