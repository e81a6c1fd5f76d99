"""Layer normalisation (arXiv 1607.06450) for policies of Stable-Baselines3, by policy_kwargs."""

from __future__ import annotations

from typing import Any

import torch as th
import torch.nn.functional as F
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.torch_layers import (
    BaseFeaturesExtractor,
    CombinedExtractor,
    FlattenExtractor,
    NatureCNN,
)
from torch import nn


class LayerNormExtractor(BaseFeaturesExtractor):
    """An encoder whose features are normalised: ``features_extractor_class=LayerNormExtractor``.

    :param observation_space: of the environment
    :param encoder_class: any features extractor; by default SB3's usual one for a dictionary, for
        images of whole numbers up to 255, and for vectors
    :param encoder_kwargs: of the encoder
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        encoder_class: type[BaseFeaturesExtractor] | None = None,
        **encoder_kwargs: Any,
    ) -> None:
        make = encoder_class or _usual_encoder(observation_space)
        encoder: Any = make(observation_space, **encoder_kwargs)
        super().__init__(observation_space, encoder.features_dim)
        self.encoder = encoder
        self.norm = nn.LayerNorm(encoder.features_dim)

    def forward(self, observations: Any) -> th.Tensor:
        """:return: shape (n, features_dim)"""
        normalised: th.Tensor = self.norm(self.encoder(observations))
        return normalised


def _usual_encoder(space: spaces.Space[Any]) -> Any:
    if isinstance(space, spaces.Dict):
        return CombinedExtractor
    return NatureCNN if is_image_space(space) else FlattenExtractor


class LayerNormReLU(nn.ReLU):
    """ReLU of features with mean 0 and variance 1: ``activation_fn=LayerNormReLU`` normalises
    every hidden layer of actor and critic. It has no parameters: SB3 loads the file, too."""

    def forward(self, input: th.Tensor) -> th.Tensor:
        """:param input: shape (n, units)"""
        return super().forward(F.layer_norm(input, input.shape[-1:]))


class LayerNormTanh(nn.Tanh):
    """As :class:`LayerNormReLU`, with a hyperbolic tangent."""

    def forward(self, input: th.Tensor) -> th.Tensor:
        """:param input: shape (n, units)"""
        return super().forward(F.layer_norm(input, input.shape[-1:]))
