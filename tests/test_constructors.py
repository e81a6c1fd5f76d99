from typing import Any

import pytest
import stable_baselines3 as sb3
from sb3_contrib import TQC, TRPO
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

import sb3_ac_ext
from sb3_ac_ext import DiagnosticsCallback
from sb3_ac_ext.constructors import settings_of
from sb3_ac_ext.monitoring.describe import hyperparameters


class Narrow(sb3.PPO):
    def __init__(self, env: Any, weight: float = 1.0) -> None:
        super().__init__("MlpPolicy", env, n_steps=64)
        self.weight = weight


class Own(OnPolicyAlgorithm):
    def __init__(self, policy: Any, env: Any, weight: float = 1.0, **kwargs: Any) -> None:
        super().__init__(policy, env, **kwargs)


class OwnNarrow(OnPolicyAlgorithm):
    def __init__(self, env: Any, weight: float = 1.0) -> None:
        super().__init__("MlpPolicy", env, vf_coef=0.0)


@pytest.mark.parametrize(
    ("cls", "has", "lacks"),
    [
        (sb3.PPO, {"ent_coef", "vf_coef", "max_grad_norm"}, {"self", "supported_action_spaces"}),
        (TRPO, {"n_steps", "gamma", "cg_damping"}, {"ent_coef", "vf_coef", "max_grad_norm"}),
        (sb3.DDPG, {"tau", "policy_delay"}, {"ent_coef", "use_sde", "sde_support"}),
        (sb3.DQN, {"exploration_fraction"}, {"ent_coef", "action_noise"}),
        (TQC, {"ent_coef"}, {"vf_coef"}),
        (sb3_ac_ext.SAC, {"ent_coef", "critic_learning_rate", "compile"}, {"args", "kwargs"}),
        (Narrow, {"weight", "vf_coef", "n_steps"}, {"supported_action_spaces"}),
        (Own, {"weight", "vf_coef", "n_steps"}, {"kwargs"}),
        (OwnNarrow, {"weight"}, {"vf_coef"}),
    ],
)
def test_settings_are_those_that_the_algorithm_reads(
    cls: type, has: set[str], lacks: set[str]
) -> None:
    found = set(settings_of(cls))
    assert has <= found and not lacks & found


def test_constants_that_an_algorithm_hands_on_are_no_settings() -> None:
    model = TRPO("MlpPolicy", "CartPole-v1", n_steps=256, seed=0)
    assert model.vf_coef == 0.0 and "vf_coef" not in hyperparameters(model)
    callback = DiagnosticsCallback(canary_freq=0, verbose=0)
    model.learn(1024, callback=callback)
    found = " ".join(finding.message for finding in callback.verdict.findings)
    assert "vf_coef" not in found and "max_grad_norm" not in found
