"""Who learns: Stable-Baselines3's class or ours, with the same tuned settings."""

from __future__ import annotations

import importlib

from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_ac_ext.algorithms.compiled.processor import has_bf16
from sb3_ac_ext.benchmark.faults.cases import Case, Scenario
from sb3_ac_ext.benchmark.faults.run_case import read_config, training_env
from sb3_ac_ext.benchmark.speed import works
from sb3_ac_ext.benchmark.speed.works import Side
from sb3_ac_ext.models import constructor_kwargs

SB3 = Side("SB3", works.SB3)
EAGER = Side(works.EAGER, works.OURS, arguments={"compile": False})
COMPILED = Side(works.COMPILED, works.OURS, arguments={"compile": "wait"})
HALF = Side(works.HALF.name, works.OURS, arguments=works.HALF.arguments)
IN_BACKGROUND = Side("ours, compiled meanwhile", works.OURS, arguments={"compile": True})


def learners(scenario: Scenario) -> tuple[Side, ...]:
    """Who learns a task: in bfloat16, too, where the processor has it and layers are wide."""
    half = (HALF,) if has_bf16() and scenario.algo in ("sac", "td3") else ()
    return (SB3, EAGER, COMPILED, *half)


def make(side: Side, scenario: Scenario, seed: int) -> BaseAlgorithm:
    """The side's model with a scenario's settings, in a training environment of its own."""
    config = read_config(scenario)
    env = training_env(Case(scenario, seed), config, None)
    cls = getattr(importlib.import_module(side.package), scenario.algo.upper())
    kwargs = {**constructor_kwargs(config, env, scenario.env_id), **side.arguments}
    model: BaseAlgorithm = cls(env=env, device="cpu", seed=seed, **kwargs)
    return model
