"""Who learns: Stable-Baselines3's class or ours, with the same tuned settings."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_ac_ext.benchmark.faults.cases import Case, Scenario
from sb3_ac_ext.benchmark.faults.run_case import read_config, training_env
from sb3_ac_ext.models import constructor_kwargs


@dataclass(frozen=True)
class Side:
    """
    :param package: that has the algorithm's class
    :param arguments: of the constructor, besides the tuned ones
    """

    name: str
    package: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def make(self, scenario: Scenario, seed: int) -> BaseAlgorithm:
        """A new model, in a training environment of its own."""
        config = read_config(scenario)
        env = training_env(Case(scenario, seed), config, None)
        cls = getattr(importlib.import_module(self.package), scenario.algo.upper())
        kwargs = {**constructor_kwargs(config, env, scenario.env_id), **self.arguments}
        model: BaseAlgorithm = cls(env=env, device="cpu", seed=seed, **kwargs)
        return model


SB3 = Side("SB3", "stable_baselines3")
EAGER = Side("ours, eager", "sb3_ac_ext", {"compile": False})
COMPILED = Side("ours, compiled", "sb3_ac_ext", {"compile": "wait"})
IN_BACKGROUND = Side("ours, compiled meanwhile", "sb3_ac_ext", {"compile": True})
