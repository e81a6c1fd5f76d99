"""Each detector as a table of values and the verdict they must get."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sb3_ac_ext.monitoring.causes import CAUSES
from sb3_ac_ext.monitoring.detectors import (
    CanaryGap,
    Detector,
    EntropyCollapse,
    EntropyStuck,
    GradientSpike,
    LargeKL,
    LowExplainedVariance,
    NonFinite,
    OddSetting,
    Patience,
    Plateau,
    QBound,
    QGrowth,
    RewardCrash,
    SameAction,
    TiedCritics,
    WorkerRewards,
    WorkerSign,
    WorkerSilent,
    default_detectors,
)
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Severity
from tests.monitoring.histories import findings, rising, table

CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO


def test_nonfinite_fires_at_once_and_names_the_place() -> None:
    [finding] = findings(NonFinite(), table({"rewards/nonfinite": [0, 0, 3]}))
    assert finding.severity is CRITICAL and finding.step == 300 and finding.value == 3
    assert "rewards" in finding.message and finding.causes == {"nonfinite_environment": 1.0}


def test_nonfinite_losses_count_but_an_absent_explained_variance_does_not() -> None:
    assert findings(NonFinite(), table({"train/loss": [1.0, math.nan]}))
    assert not findings(NonFinite(), table({"train/loss": [1.0, 1e30], "policy/kl": [0.0, 0.0]}))


@pytest.mark.parametrize(
    ("kl", "severity"),
    [
        ([0.02] * 6, None),
        ([0.02, 0.5, 0.02, 0.5, 0.02, 0.02], None),
        ([0.02, 0.3, 0.02, 0.3, 0.3, 0.02], WARNING),
        ([3.0] * 6, CRITICAL),
    ],
)
def test_large_kl_needs_three_of_five(kl: list[float], severity: Severity | None) -> None:
    found = findings(LargeKL(), table({"policy/kl": kl}))
    assert (found[-1].severity if found else None) is severity


@pytest.mark.parametrize(
    ("steps", "clip", "cause"),
    [
        (256, 0.2, "learning_rate_too_high"),
        (4, 0.2, "rollout_too_short"),
        (256, 10.0, "clip_range"),
    ],
)
def test_large_kl_blames_a_setting_that_explains_it(steps: int, clip: float, cause: str) -> None:
    columns = {"policy/kl": [0.5] * 5, "hyper/clip_range": [clip] * 5}
    facts = {"n_steps": steps, "n_epochs": 10}
    found = findings(LargeKL(), table(columns, hyperparameters=facts, n_envs=4))
    assert max(found[-1].causes.items(), key=lambda item: item[1])[0] == cause


def test_large_kl_of_a_policy_that_was_narrow_from_the_first() -> None:
    def cause(log_std: list[float]) -> str:
        columns = {"policy/kl": [0.5] * 5, "policy/log_std_max": log_std}
        found = findings(LargeKL(), table(columns))
        return max(found[-1].causes.items(), key=lambda item: item[1])[0]

    assert cause([-5.0] * 5) == "exploration_too_low"
    assert cause([0.0, -1.0, -3.5, -4.0, -4.0]) == "learning_rate_too_high"


def test_large_kl_says_since_when() -> None:
    found = findings(LargeKL(), table({"policy/kl": [0.01, 0.01, 0.5, 0.5, 0.5]}))
    assert found[0].step == 500 and found[0].since == 300


def test_entropy_collapse_is_only_a_fault_without_learning() -> None:
    low = [0.5] * 4 + [0.01] * 16
    flat, up = [20.0 + (i % 3) for i in range(20)], rising(20)
    stuck = table({"policy/entropy_relative": low, "episodes/return_mean": flat})
    assert findings(EntropyCollapse(), stuck)[0].severity is CRITICAL
    learnt = table({"policy/entropy_relative": low, "episodes/return_mean": up})
    assert not findings(EntropyCollapse(), learnt)
    solved = table(
        {"policy/entropy_relative": low, "episodes/return_mean": [500.0] * 20},
        reward_threshold=475.0,
    )
    assert not findings(EntropyCollapse(), solved)


def test_entropy_stuck_is_said_late_and_only_without_learning() -> None:
    high, flat = [0.995] * 20, [20.0 + (i % 3) for i in range(20)]
    found = findings(
        EntropyStuck(), table({"policy/entropy_relative": high, "episodes/return_mean": flat})
    )
    assert found[0].step >= 800
    learning = table({"policy/entropy_relative": high, "episodes/return_mean": rising(20)})
    assert not findings(EntropyStuck(), learning)


def test_explained_variance_low_late_and_falling() -> None:
    varied = {"returns/mean": [10.0] * 40, "returns/std": [5.0] * 40}
    low = table({"value/explained_variance": [-0.5] * 40, **varied})
    found = findings(LowExplainedVariance(), low)
    assert found[0].step >= 800 and found[0].severity is WARNING
    fallen = table({"value/explained_variance": [0.9] * 25 + [0.0] * 15, **varied})
    assert "no longer" in findings(LowExplainedVariance(), fallen)[0].message
    good = table({"value/explained_variance": [0.1] * 10 + [0.8] * 30, **varied})
    assert not findings(LowExplainedVariance(), good)


def test_a_constant_return_is_no_fault_of_the_critic() -> None:
    converged = table(
        {
            "value/explained_variance": [-5.0] * 30,
            "returns/mean": [100.0] * 30,
            "returns/std": [0.5] * 30,
        }
    )
    assert not findings(LowExplainedVariance(), converged)


def test_gradient_spike_is_relative_to_the_run_itself() -> None:
    rng = np.random.default_rng(0)
    quiet = list(1e5 * rng.lognormal(0.0, 0.3, 40))
    name = "gradients/critic/norm_mean"
    assert not findings(GradientSpike(), table({name: quiet}))
    assert not findings(GradientSpike(), table({name: [*quiet, 1e7, quiet[0]]}))
    found = findings(GradientSpike(), table({name: [*quiet, 2e7, 2e7]}))
    assert found[0].severity is WARNING and "critic" in found[0].message


def test_q_bound_needs_two_snapshots() -> None:
    assert not findings(QBound(), table({"q/bound_ratio": [0.9, 1.5, 0.9, 1.05, 1.05]}))
    assert not findings(QBound(), table({"q/bound_ratio": [4.3, 4.1, 3.0, 1.5, 0.9]}))
    [finding] = findings(QBound(), table({"q/bound_ratio": [0.9, 1.5, 2.0]}))
    assert finding.severity is CRITICAL and finding.since == 200


def test_q_growth_needs_growth_and_a_growing_bias() -> None:
    size = [2.0**k for k in range(12)]
    grow = {"q/max": size, "q/min": [0.0] * 12, "q/bias": size}
    assert findings(QGrowth(), table({**grow, "q/bias_relative": [9.0] * 12}))
    assert not findings(QGrowth(), table({**grow, "q/bias_relative": [0.5] * 12}))
    steady = {"q/max": [100.0] * 12, "q/min": [0.0] * 12, "q/bias": size}
    assert not findings(QGrowth(), table({**steady, "q/bias_relative": [9.0] * 12}))


def test_a_critic_that_grows_to_where_the_returns_are_is_learning() -> None:
    # as SAC did on Pendulum-v1 when most steps had come to be alike: a small bias in small units
    low = [-1, -34, -55, -73, -88, -90, -105, -109, -121, -134, -144]
    bias = [412, 402, 382, 357, 315, 242, 163, 98, 46]
    learning = {
        "q/min": [float(value) for value in low],
        "q/max": [2.0] * 11,
        "q/bias": [float("nan")] * 2 + [float(value) for value in bias],
        "q/bias_relative": [1.9] * 10 + [35.7],
    }
    assert not findings(QGrowth(), table(learning))
    learning["q/bias"][-1] = 420.0
    assert findings(QGrowth(), table(learning))


def workers(
    rows: list[list[float]], spread: float = 0.1, steps: float = 256.0, zero: Any = None
) -> History:
    """Rewards whose magnitudes have the given means and lie within ``spread`` of them."""
    scale = np.array(rows)
    size = np.abs(scale)
    arrays = {
        "rewards/worker_scale": size,
        "rewards/worker_abs_mean": size,
        "rewards/worker_mean": scale,
        "rewards/worker_std": spread * size,
        "rewards/worker_q25": size * (1.0 - spread),
        "rewards/worker_q75": size * (1.0 + spread),
        "rewards/worker_zero_share": np.zeros_like(scale) if zero is None else np.array(zero),
    }
    columns = {"rewards/steps": [steps] * len(rows)}
    return table(columns, {name: values.tolist() for name, values in arrays.items()})


def test_a_worker_ten_times_larger_is_named_after_two_snapshots() -> None:
    normal, broken = [1.0, 1.1, 0.9, 1.0], [1.0, 1.1, 9.0, 1.0]
    found = findings(WorkerRewards(), workers([normal] * 3 + [broken] * 3))
    assert found[0].worker == 2 and found[0].step == 500 and found[0].since == 300
    assert found[0].severity is CRITICAL and found[0].value == pytest.approx(9.0)
    assert "worker 2" in found[0].message and "since step 300" in found[0].message


def test_a_ratio_that_is_not_steady_takes_three() -> None:
    drifting = [[1.0, 1.0, 1.0, factor] for factor in (4.0, 5.5, 7.5)]
    found = findings(WorkerRewards(), workers(drifting))
    assert [finding.step for finding in found] == [300]


@pytest.mark.parametrize(
    "rows",
    [
        [[1.0, 1.3, 0.7, 1.1]] * 10,
        [[1.0, 1.0, 1.0, 4.0], [4.0, 1.0, 1.0, 1.0]] * 5,
        [[1.0, 10.0]] * 10,
        [[math.nan, 1.0, 1.0, 1.0]] * 10,
    ],
    ids=["spread", "changing", "two-workers", "silent-worker"],
)
def test_workers_that_are_not_persistently_apart(rows: list[list[float]]) -> None:
    assert not findings(WorkerRewards(), workers(rows))


def test_overlapping_magnitudes_need_fifteen_snapshots_and_three_thousand_steps() -> None:
    rng = np.random.default_rng(0)
    rows = rng.lognormal(0.0, 1.0, size=(40, 4)) * [1.0, 1.0, 10.0, 1.0]
    found = findings(WorkerRewards(), workers(rows.tolist(), spread=0.95, steps=250.0))
    assert 1500 <= found[0].step <= 3000 and found[0].worker == 2
    assert not findings(WorkerRewards(), workers(rows.tolist(), spread=0.95, steps=50.0))


def test_a_nearly_solved_task_with_unlucky_episodes_is_healthy() -> None:
    """Magnitudes as in Pendulum: small once upright, large in an episode that fails."""
    rng = np.random.default_rng(0)
    for n_envs in (3, 4, 8, 16):
        upright = rng.lognormal(np.log(0.05), 1.0, size=(400, n_envs))
        hanging = rng.uniform(7.0, 11.0, size=(400, n_envs))
        rows = np.where(rng.random((400, n_envs)) < 0.05, hanging, upright)
        assert not findings(WorkerRewards(), workers(rows.tolist(), spread=0.9, steps=200.0))


def test_a_silent_worker_among_paying_ones() -> None:
    rows, zero = [[1.0, 1.0, 0.0, 1.0]] * 4, [[0.1, 0.0, 1.0, 0.2]] * 4
    found = findings(WorkerSilent(), workers(rows, zero=zero))
    assert found[0].worker == 2 and found[0].step == 300
    sparse = [[0.99, 0.98, 1.0, 0.97]] * 4
    assert not findings(WorkerSilent(), workers(rows, zero=sparse))


def test_a_worker_of_the_opposite_sign() -> None:
    found = findings(WorkerSign(), workers([[-1.0, -1.1, 0.9, -1.0]] * 4))
    assert found[0].worker == 2 and found[0].causes == {"worker_reward_sign": 1.0}
    chance = workers([[-0.1, -0.1, 0.1, -0.1]] * 4, spread=20.0)
    assert not findings(WorkerSign(), chance)
    assert not findings(WorkerSign(), workers([[-1.0, 1.0, -1.0]] * 4))


def gap(
    p_value: float,
    effect: float,
    difference: float,
    to: str = "train_",
    n: int = 10,
) -> History:
    return table(
        {
            f"canary/{to}p_value": [p_value] * n,
            f"canary/{to}effect_size": [effect] * n,
            f"canary/{to}gap": [difference] * n,
            "canary/return_mean": [100.0] * n,
            "episodes/return_mean": [20.0, *[180.0] * (n - 1)],
        }
    )


def test_canary_gap_in_both_directions() -> None:
    worse = findings(CanaryGap(), gap(1e-5, -0.95, -80.0))
    assert worse[0].severity is WARNING and worse[0].step == 500
    better = findings(CanaryGap(), gap(1e-5, 0.95, 80.0))
    assert better[0].severity is INFO and better[0].step == 500
    assert not findings(CanaryGap(), gap(0.2, -0.95, -80.0))
    assert not findings(CanaryGap(), gap(1e-5, -0.3, -80.0))
    assert not findings(CanaryGap(), gap(1e-5, -0.95, -8.0)), "too small to matter"


@pytest.mark.parametrize(
    ("effect", "cause"),
    [(-0.95, "deterministic_mode_collapse"), (0.95, "exploration_masks_policy")],
)
def test_what_noise_does_is_only_noted(effect: float, cause: str) -> None:
    found = findings(CanaryGap(), gap(1e-5, effect, 80.0 * np.sign(effect), to=""))[0]
    assert found.severity is INFO and [*found.causes] == [cause]


def test_tied_critics_are_equal_to_the_last_bit() -> None:
    spread = {"q/std": [1.0] * 3}
    assert findings(TiedCritics(), table({"q/twin_gap": [0.0] * 3, **spread}))
    assert not findings(TiedCritics(), table({"q/twin_gap": [0.0, 1e-9, 0.0], **spread}))
    assert not findings(TiedCritics(), table({"q/twin_gap": [0.0] * 3, "q/std": [0.0] * 3}))


def test_reward_crash() -> None:
    up = rising(30)
    crashed = table({"episodes/return_mean": [*up, *[25.0] * 8]})
    found = findings(RewardCrash(), crashed)
    assert found[-1].severity is CRITICAL and 3000 <= found[0].since <= 3300
    assert not findings(RewardCrash(), table({"episodes/return_mean": up}))
    dip = table({"episodes/return_mean": [*up, 25.0, 25.0, *up[-8:]]})
    assert not findings(RewardCrash(), dip)


def test_reward_crash_does_not_depend_on_scale_or_sign() -> None:
    up = rising(30, -1500.0, -200.0)
    assert findings(RewardCrash(), table({"episodes/return_mean": [*up, *[-1500.0] * 8]}))
    assert not findings(RewardCrash(), table({"episodes/return_mean": [*up, *[-300.0] * 8]}))


def test_plateau_below_the_threshold() -> None:
    rng = np.random.default_rng(1)
    learnt = [*rising(20, 0.0, 100.0), *rng.normal(100.0, 3.0, 30)]
    found = findings(Plateau(), table({"episodes/return_mean": learnt}, reward_threshold=200.0))
    assert found and found[-1].severity is INFO
    never = list(rng.normal(-200.0, 3.0, 40))
    found = findings(Plateau(), table({"episodes/return_mean": never}, reward_threshold=-110.0))
    assert found and found[-1].severity is WARNING
    assert not findings(Plateau(), table({"episodes/return_mean": learnt}))
    assert not findings(
        Plateau(), table({"episodes/return_mean": rising(50)}, reward_threshold=1e3)
    )


def test_same_action_needs_blindness_and_monotony() -> None:
    patient = Patience(SameAction(), times=3)
    n = 12
    blind = {"policy/state_dependence": [0.0] * n}
    assert not findings(patient, table({**blind, "actions/top_share": [0.6] * n}))
    assert not findings(
        patient, table({"policy/state_dependence": [0.5] * n, "actions/top_share": [1.0] * n})
    )
    found = findings(patient, table({**blind, "actions/top_share": [1.0] * n}))
    assert found[0].step == 500 and found[0].since == 300
    assert found[-1].severity is WARNING
    saturated = {**blind, "actions/saturation": [1.0] * n, "actions/std": [0.0] * n}
    assert findings(patient, table(saturated))


def test_patience_counts_only_snapshots_that_hold_the_series() -> None:
    ratios = [0.1, 1.5, None, 1.5, 1.5, 1.5]
    found = findings(Patience(QBound(), times=2), table({"q/bound_ratio": ratios}))  # type: ignore[dict-item]
    assert [finding.step for finding in found] == [500, 600]


@pytest.mark.parametrize("detector", default_detectors(), ids=lambda d: d.name)
def test_every_detector_is_silent_on_an_empty_history(detector: Detector) -> None:
    assert detector.check(History()) is None
    assert detector.check(table({"unrelated/series": [1.0, 2.0]})) is None


@pytest.mark.parametrize("detector", default_detectors(), ids=lambda d: d.name)
def test_every_detector_names_known_causes(detector: Detector) -> None:
    inner = detector.detector if isinstance(detector, Patience) else detector
    causes = (
        {inner.rule.cause: inner.rule.weight} if isinstance(inner, OddSetting) else inner.causes
    )
    assert causes and set(causes) <= set(CAUSES)
    assert all(0.0 < weight <= 1.0 for weight in causes.values())
    assert inner.advice and inner.__doc__


@pytest.mark.parametrize(
    "make",
    [
        lambda: LargeKL(warning=-1.0),
        lambda: LargeKL(warning=2.0, critical=1.0),
        lambda: LargeKL(needed=9),
        lambda: LargeKL(rows=0),
        lambda: EntropyCollapse(floor=0.0),
        lambda: EntropyStuck(ceiling=1.5),
        lambda: LowExplainedVariance(low=0.5),
        lambda: GradientSpike(factor=0.5),
        lambda: QBound(slack=0.5),
        lambda: QGrowth(bias=-1.0),
        lambda: WorkerRewards(ratio=0.5),
        lambda: WorkerRewards(times=1),
        lambda: CanaryGap(alpha=1.5),
        lambda: RewardCrash(loss=0.0),
        lambda: Plateau(window=0.0),
        lambda: SameAction(dependence=1.0),
        lambda: Patience(QBound(), times=0),
    ],
)
def test_nonsense_thresholds_are_refused_by_name(make: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match="is not accepted: give"):
        make()
