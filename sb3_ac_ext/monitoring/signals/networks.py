"""Which parameters belong to which network, under the names that people use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch as th


@dataclass(frozen=True)
class Group:
    """Trainable parameters of one network: policy, value, shared, actor, critic or temperature."""

    net: str
    parameters: tuple[th.Tensor, ...]


def parameter_groups(model: Any) -> dict[th.optim.Optimizer, list[Group]]:
    """Every optimizer of the model with the networks that it trains.

    On-policy: policy, value, and what both share; off-policy: actor, critic, temperature.
    """
    policy = model.policy
    found: dict[th.optim.Optimizer, list[Group]] = {}
    for net in ("actor", "critic"):
        module = getattr(policy, net, None)
        optimizer = getattr(module, "optimizer", None)
        if optimizer is not None:
            found[optimizer] = [Group(net, tuple(_trainable(optimizer)))]
    temperature = getattr(model, "ent_coef_optimizer", None)
    if temperature is not None:
        found[temperature] = [Group("temperature", tuple(_trainable(temperature)))]
    optimizer = getattr(policy, "optimizer", None)
    if not found and optimizer is not None:
        found[optimizer] = _split_on_policy(policy, optimizer)
    trained = {
        optimizer: [g for g in groups if g.parameters] for optimizer, groups in found.items()
    }
    return {optimizer: groups for optimizer, groups in trained.items() if groups}


def networks(model: Any) -> dict[str, list[th.Tensor]]:
    """All parameters that updates should move, by network, whether an optimizer has them or not.

    Target networks are left out, and features that actor and critic share count for one of them.
    """
    policy = model.policy
    if hasattr(policy, "actor") and hasattr(policy, "critic"):
        actor = [p for _, p in policy.actor.named_parameters()]
        known = {id(p) for p in actor}
        return {
            "actor": actor,
            "critic": [p for _, p in policy.critic.named_parameters() if id(p) not in known],
        }
    return _by_net((n, p) for n, p in policy.named_parameters() if "target" not in n)


def _trainable(optimizer: th.optim.Optimizer) -> list[th.Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]


def _split_on_policy(policy: Any, optimizer: th.optim.Optimizer) -> list[Group]:
    owned = {id(p) for p in _trainable(optimizer)}
    nets = _by_net((n, p) for n, p in policy.named_parameters() if id(p) in owned)
    return [Group(net, tuple(parameters)) for net, parameters in nets.items()]


def _by_net(named: Iterable[tuple[str, th.Tensor]]) -> dict[str, list[th.Tensor]]:
    nets: dict[str, list[th.Tensor]] = {"policy": [], "value": [], "shared": []}
    for name, parameter in named:
        nets[_net_of(name)].append(parameter)
    if not nets["policy"]:  # a critic alone, such as DQN's
        nets = {"critic": nets["value"] + nets["shared"]}
    return {net: parameters for net, parameters in nets.items() if parameters}


def _net_of(name: str) -> str:
    value_parts = ("value_net", "vf_features_extractor", "lstm_critic", "critic.", "q_net")
    policy_parts = ("policy_net", "action_net", "pi_features_extractor", "log_std", "lstm_actor")
    if any(part in name for part in (*value_parts, "quantile_net")):
        return "value"
    return "policy" if any(part in name for part in policy_parts) else "shared"
