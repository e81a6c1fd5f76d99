"""Where policy and critic of an SB3 model lie, and small operations on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from typing import Any

import torch as th
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from torch import nn

from sb3_ac_ext.faults.base import EVERY
from sb3_ac_ext.faults.overriding import replaced

POLICY, CRITIC = "policy", "critic"


def algorithm_name(model: Any) -> str | None:
    """``ppo``, ``a2c``, ``sac``, ``td3`` or ``ddpg`` for SB3's classes and subclasses of them."""
    own = (c for c in type(model).__mro__ if c.__module__.startswith("stable_baselines3."))
    names = (cls.__name__.lower() for cls in own)
    return next((name for name in names if name in EVERY), None)


def networks(model: Any, side: str) -> list[nn.Module]:
    """The modules of the policy or the critic, without features that both share."""
    policy = model.policy
    if not isinstance(model, OnPolicyAlgorithm):
        return [policy.actor if side == POLICY else policy.critic]
    prefix, net, head = (
        ("pi", "policy_net", "action_net") if side == POLICY else ("vf", "value_net", "value_net")
    )
    found = [getattr(policy.mlp_extractor, net), getattr(policy, head)]
    if not policy.share_features_extractor:
        found.append(getattr(policy, f"{prefix}_features_extractor"))
    return found


def parameters(model: Any, side: str) -> list[nn.Parameter]:
    """All parameters of policy or critic."""
    found = [p for module in networks(model, side) for p in module.parameters()]
    log_std = getattr(model.policy, "log_std", None)
    return [*found, log_std] if side == POLICY and isinstance(log_std, nn.Parameter) else found


def optimizer(model: Any, side: str) -> Any:
    """The optimizer of policy or critic; on-policy algorithms have one for both."""
    if isinstance(model, OnPolicyAlgorithm):
        return model.policy.optimizer
    return networks(model, side)[0].optimizer


def hidden(model: Any, side: str) -> Iterator[tuple[nn.Sequential, str, nn.Linear]]:
    """Every hidden linear layer, with its stack and the name of the activation behind it."""
    for network in networks(model, side):
        for stack in network.modules():
            if isinstance(stack, nn.Sequential):
                layers = list(stack.named_children())
                # the end of a deterministic actor is no hidden layer: it squashes actions
                end = -1 if stack is getattr(network, "mu", None) else None
                for (_, layer), (name, _) in pairwise(layers[:end]):
                    if isinstance(layer, nn.Linear):
                        yield stack, name, layer


@contextmanager
def activations_with(model: Any, module: Callable[[], nn.Module]) -> Iterator[None]:
    """Put a module behind every activation of the policy; names of parameters stay as they are.

    :param module: makes one
    """
    with ExitStack() as undo:
        for stack, name, _ in list(hidden(model, POLICY)):
            both = nn.Sequential(getattr(stack, name), module())
            both.train(stack.training)
            undo.enter_context(replaced(stack, **{name: both}))
        yield


def copy_to_targets(model: Any) -> None:
    """Let target networks begin where their networks are, as SB3's constructor does."""
    for name in ("actor", "critic"):
        target = getattr(model.policy, f"{name}_target", None)
        if target is not None:
            target.load_state_dict(getattr(model.policy, name).state_dict())


@contextmanager
def without_gradient(tensors: Iterable[th.Tensor]) -> Iterator[None]:
    """Parameters that require no gradient for the time of a ``with`` block."""
    with ExitStack() as stack:
        for tensor in tensors:
            stack.enter_context(replaced(tensor, requires_grad=False))
        yield


def reversed_gradient(tensor: th.Tensor) -> th.Tensor:
    """The same numbers, exactly, with the sign of their gradient reversed."""
    return 2.0 * tensor.detach() - tensor
