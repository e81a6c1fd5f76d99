"""Policies that are nothing but fully connected layers between observations and a distribution."""

from __future__ import annotations

from typing import Any

from gymnasium import spaces
from stable_baselines3.common.distributions import CategoricalDistribution, DiagGaussianDistribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.torch_layers import FlattenExtractor, MlpExtractor
from torch import nn


def is_plain(policy: Any) -> bool:
    """Whether an on-policy actor-critic is such a policy, on the CPU."""
    return (
        type(policy) is ActorCriticPolicy
        and type(policy.mlp_extractor) is MlpExtractor
        and type(policy.action_dist) in (CategoricalDistribution, DiagGaussianDistribution)
        and sees_plain_arrays(policy, policy.pi_features_extractor)
        and sees_plain_arrays(policy, policy.vf_features_extractor)
    )


def sees_plain_arrays(policy: Any, extractor: nn.Module) -> bool:
    """Whether layers get observations as they are, on the CPU: SB3 divides images by 255, whichever
    policy sees them.

    :param extractor: of features
    """
    space = policy.observation_space
    return (
        policy.device.type == "cpu"
        and isinstance(space, spaces.Box)
        and type(extractor) is FlattenExtractor
        and not (policy.normalize_images and is_image_space(space))
    )


def actor_layers(policy: ActorCriticPolicy) -> list[nn.Module]:
    """From observations to what the distribution is made of."""
    return [*policy.mlp_extractor.policy_net, policy.action_net]


def critic_layers(policy: ActorCriticPolicy) -> list[nn.Module]:
    """From observations to values."""
    return [*policy.mlp_extractor.value_net, policy.value_net]
