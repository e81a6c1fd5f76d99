"""Odd settings, stalled updates and exploration, as tables of numbers."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from sb3_ac_ext.monitoring.detectors import (
    EntropyDominates,
    FewUpdates,
    NarrowPolicy,
    NoisyActions,
    OddSetting,
    TemperatureRuns,
    TinyUpdates,
)
from sb3_ac_ext.monitoring.detectors.settings import RULES, Settings
from sb3_ac_ext.monitoring.records import RunInfo
from sb3_ac_ext.schedules import make_schedule
from tests.monitoring.histories import findings, rising, table

HYPERPARAMS = Path(__file__).parents[2] / "hyperparams"
OFF_POLICY = {"sac", "td3", "ddpg", "tqc", "dqn", "qrdqn", "crossq"}


def odd(family: str, now: dict[str, float] | None = None, **hyperparameters: Any) -> set[str]:
    """Causes that the rules name for a run of 100,000 steps with these settings."""
    info = RunInfo(
        family=family,
        gamma=hyperparameters.get("gamma", 0.99),
        n_envs=hyperparameters.pop("n_envs", 1),
        n_actions=hyperparameters.pop("n_actions", None),
        action_size=hyperparameters.pop("action_size", None),
        total_timesteps=int(hyperparameters.pop("n_timesteps", 100_000)),
        hyperparameters=hyperparameters,
    )
    settings = Settings(info, now or {})
    return {rule.cause for rule in RULES if rule.judge(settings) is not None}


@pytest.mark.parametrize("path", sorted(HYPERPARAMS.glob("*.yml")), ids=lambda p: p.stem)
def test_no_tuned_setting_is_odd(path: Path) -> None:
    family = "off-policy" if path.stem in OFF_POLICY else "on-policy"
    for env_id, entry in yaml.safe_load(path.read_text()).items():
        numbers = {k: number(v) for k, v in entry.items() if number(v) is not None}
        now = {
            f"hyper/{name}": numbers[name]
            for name in ("learning_rate", "clip_range", "ent_coef")
            if name in numbers
        }
        if path.stem in ("dqn", "qrdqn"):
            numbers["n_actions"] = 2
        assert not odd(family, now, **numbers), env_id


def number(value: Any) -> float | None:
    """A setting at the start of training."""
    if isinstance(value, str) and value.partition("_")[0] in ("lin", "cos"):
        return float(make_schedule(value)(1.0))
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


@pytest.mark.parametrize(
    ("family", "now", "settings", "cause"),
    [
        ("on-policy", {"hyper/learning_rate": 0.05}, {}, "learning_rate_too_high"),
        ("off-policy", {"probe/learning_rate_ratio": 100.0}, {}, "learning_rate_too_high"),
        ("off-policy", {"probe/learning_rate_ratio": 0.01}, {}, "learning_rate_too_low"),
        ("on-policy", {"gradients/steps_share": 0.02}, {"target_kl": 1e-7}, "update_frequency"),
        ("on-policy", {}, {"n_epochs": 100}, "too_many_epochs"),
        ("on-policy", {}, {"batch_size": 2}, "batch_too_small"),
        ("on-policy", {}, {"n_steps": 2, "n_epochs": 10}, "rollout_too_short"),
        ("on-policy", {"hyper/clip_range": 1e-4}, {}, "clip_range"),
        ("on-policy", {"hyper/clip_range": 10.0}, {}, "clip_range"),
        ("on-policy", {}, {"max_grad_norm": 1e-6}, "gradient_clipping"),
        (
            "on-policy",
            {"hyper/clip_range_vf": 0.01, "returns/std": 20.0},
            {},
            "value_clipping",
        ),
        ("on-policy", {}, {"vf_coef": 0.0}, "value_coefficient"),
        ("on-policy", {}, {"vf_coef": 1000.0}, "value_coefficient"),
        (
            "on-policy",
            {"hyper/learning_rate": 3e-4},
            {"optimizer_class": "SGD"},
            "optimizer",
        ),
        ("on-policy", {}, {"gamma": 0.5}, "gamma_too_low"),
        ("on-policy", {}, {"gamma": 1.0}, "gamma_too_high"),
        ("on-policy", {}, {"gae_lambda": 0.0}, "gae_lambda"),
        ("on-policy", {"hyper/ent_coef": -0.1}, {}, "entropy_bonus_negative"),
        ("off-policy", {}, {"tau": 1.0}, "target_network"),
        ("off-policy", {}, {"tau": 0.0}, "target_network"),
        ("off-policy", {}, {"buffer_size": 200, "batch_size": 64}, "replay_too_small"),
        ("off-policy", {}, {"learning_starts": 99_000}, "learning_starts"),
        ("off-policy", {}, {"policy_delay": 1000}, "update_frequency"),
        ("off-policy", {}, {"action_noise_sigma": 2.0}, "exploration_too_high"),
        ("off-policy", {}, {"target_entropy": 5.0, "action_size": 1}, "entropy_bonus_too_high"),
    ],
)
def test_what_no_tuned_run_has_is_odd(
    family: str, now: dict[str, float], settings: dict[str, Any], cause: str
) -> None:
    assert odd(family, now, **settings) == {cause}


def test_a_clip_range_that_decays_to_nothing_is_a_schedule() -> None:
    [rule] = [rule for rule in RULES if rule.name == "clip_range_low"]
    decay = table({"hyper/clip_range": [0.2 * (1.0 - i / 20) for i in range(20)]})
    assert not findings(OddSetting(rule), decay)
    assert findings(OddSetting(rule), table({"hyper/clip_range": [1e-4] * 20}))


def test_dqn_copies_its_target_with_tau_1() -> None:
    assert not odd("off-policy", {}, tau=1.0, n_actions=2)


def test_tiny_updates() -> None:
    def found(policy: float, value: float) -> bool:
        columns = {"probe/policy_change": [policy] * 4, "probe/value_change": [value] * 4}
        return bool(findings(TinyUpdates(), table(columns, total_timesteps=10_000)))

    assert found(1e-6, 1e-7)
    assert not found(1e-6, 1e-3) and not found(0.01, 0.02)


def test_few_updates_counts_from_learning_starts() -> None:
    def found(updates: float, start: int = 0) -> bool:
        history = table(
            {"probe/updates": [updates * i / 10 for i in range(1, 11)]},
            family="off-policy",
            hyperparameters={"learning_starts": start},
        )
        return bool(findings(FewUpdates(), history))

    assert found(1.0) and not found(1000.0)
    assert not found(0.0, start=950), "learning has hardly begun"


def test_noisy_actions_are_wide_and_clipped() -> None:
    def found(log_std: float, saturation: float, family: str = "on-policy") -> bool:
        columns = {
            "policy/log_std_max": [log_std] * 3,
            "actions/saturation": [saturation] * 3,
        }
        return bool(findings(NoisyActions(), table(columns, family=family)))

    assert found(2.0, 0.8)
    assert not found(2.0, 0.1) and not found(0.0, 0.8) and not found(2.0, 0.8, "off-policy")


def test_narrow_policy_is_no_fault_once_it_has_learnt() -> None:
    narrow = [-4.0] * 20
    flat = {"policy/log_std_max": narrow, "episodes/return_mean": [1.0, 2.0] * 10}
    assert findings(NarrowPolicy(), table(flat))
    learnt = {"policy/log_std_max": narrow, "episodes/return_mean": rising(20)}
    assert not [f for f in findings(NarrowPolicy(), table(learnt)) if f.step > 1500]


def test_entropy_dominates_late_only() -> None:
    def found(share: list[float], alpha: list[float]) -> bool:
        columns = {"q/entropy_share": share, "hyper/ent_coef": alpha}
        return bool(findings(EntropyDominates(), table(columns)))

    assert found([5.0] * 10, [100.0] * 10)
    assert not found([5.0, 2.0, *[0.1] * 8], [0.1] * 10)
    assert not found([5.0] * 10, [0.9**i for i in range(10)]), "it is on its way down"


def test_temperature_that_rises_and_rises() -> None:
    up = [0.1 * 1.2**i for i in range(12)]
    falling = up[::-1]
    assert findings(TemperatureRuns(), table({"hyper/ent_coef": up}, family="off-policy"))
    assert not findings(TemperatureRuns(), table({"hyper/ent_coef": falling}, family="off-policy"))
    assert not findings(TemperatureRuns(), table({"hyper/ent_coef": up}, family="on-policy"))
