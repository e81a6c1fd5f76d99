"""Detectors of what the environment does, as tables of numbers."""

from typing import Any

import numpy as np
import pytest

from sb3_ac_ext.monitoring.detectors import (
    ActionAgreement,
    ActionParity,
    ClippedActions,
    DeadAction,
    DeadObservations,
    Detector,
    EnvironmentShift,
    LateAction,
    LateReward,
    LengthParity,
    NetworkState,
    NoisyObservations,
    ObservationScale,
    OldReset,
    RewardParity,
    StartParity,
    WaveringActions,
    WorkerObservations,
    WorkerResponse,
    WorkerStuck,
)
from sb3_ac_ext.monitoring.diagnosis import diagnose
from sb3_ac_ext.monitoring.records import Severity
from tests.monitoring.histories import findings, table


def causes(detector: Detector, columns: dict[str, Any], **info: Any) -> list[str]:
    history = table({k: v for k, v in columns.items()}, **info)
    return [max(f.causes, key=lambda c: f.causes[c]) for f in findings(detector, history)]


def rewards(n: int = 3, **ratios: Any) -> dict[str, list[float]]:
    """Parity columns: all ratios 1 unless given; a number holds for all evaluations."""
    usual = {"scale": 1.0, "median": 1.0, "level": 1.0, "std": 1.0, "max": 1.0, "zeros": 0.0}
    columns = {f"parity/reward_{k}": v for k, v in {**usual, **ratios}.items() if k != "sign"}
    columns["parity/return_sign"] = ratios.get("sign", 9.0)
    return {k: v if isinstance(v, list) else [v] * n for k, v in columns.items()}


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (rewards(), None),
        (rewards(scale=5.0, median=5.0, level=5.0, std=5.0, max=5.0), None),
        (rewards(scale=20.0, median=20.0, level=20.0, std=20.0, max=20.0, n=4), "reward_scale"),
        (rewards(scale=20.0, median=20.0, level=20.0, std=20.0, max=20.0, n=3), None),
        (rewards(scale=0.001, median=0.001, level=0.001, std=0.001, max=0.001), "reward_scale"),
        # a few episodes near the goal may pay that much less
        (rewards(scale=0.01, median=0.01, level=0.01, std=0.01, max=0.01), None),
        (
            rewards(scale=[1, 1, 100, 100], median=[1, 1, 100, 100], max=[1, 1, 90, 90], n=4),
            "environment_drift",
        ),
        # the largest reward stays: no other scale
        (rewards(scale=[40, 40, 100, 100], median=100.0, n=4), None),
        (rewards(sign=-9.0), "reward_sign"),
        (rewards(sign=[9.0, 9.0, -9.0, -9.0], n=4), "environment_drift"),
        (rewards(sign=-2.0), None),
        (rewards(scale=0.0), "reward_constant"),
        (rewards(std=0.0, level=-3.0, median=3.0, sign=-9.0), "reward_constant"),
        (rewards(std=0.0), None),
        (rewards(zeros=0.97, level=0.2), "reward_delay"),
        (rewards(zeros=0.33, n=4), "reward_delay"),
        (rewards(zeros=0.33), None),
        (rewards(zeros=0.8, level=0.2, median=0.0, n=4), "reward_noise"),
        (rewards(zeros=[0.3, 0.8, 0.5, 0.9], level=0.2, n=4), None),
        (rewards(zeros=0.1, level=0.9, n=4), None),
        (rewards(zeros=0.8, level=0.2, n=4, transfer=0.1), None),
        (rewards(max=1e4, scale=3.0, std=50.0), "reward_outliers"),
        (rewards(scale=4.0, std=9.0), "reward_noise"),
        (rewards(scale=[1.0, 10.0, 1.0]), None),
        # magnitudes grow while mean and largest reward do not: noise around them
        (rewards(scale=58.0, median=200.0, level=-2.0, std=5.0, max=1.3), "reward_noise"),
        # one factor in every evaluation is a matter of units
        (rewards(scale=9.9, median=10.0, level=9.9, std=9.5, max=10.0, n=4), "evaluation_mismatch"),
        (rewards(scale=3.9, median=[4.0, 3.6, 4.4, 4.0], level=3.9, std=3.9, max=4.0, n=4), None),
        (rewards(median=0.5, std=1.1, n=4), None),
        # actions alone explain the difference
        (rewards(scale=500.0, median=500.0, transfer=0.1), None),
        (rewards(scale=500.0, median=500.0, max=400.0, transfer=40.0), "reward_scale"),
    ],
)
def test_reward_parity(columns: dict[str, list[float]], expected: str | None) -> None:
    found = causes(RewardParity(), columns)
    assert (found[-1] if found else None) == expected


@pytest.mark.parametrize(
    ("columns", "fires"),
    [
        ({"parity/start_shift": [0.5, 0.9], "parity/start_spread": [1.1, 0.8]}, False),
        ({"parity/start_shift": [9.0, 9.0], "parity/start_spread": [1.0, 1.0]}, True),
        ({"parity/start_shift": [0.1, 0.1], "parity/start_spread": [1000.0, 1000.0]}, True),
        ({"parity/start_shift": [0.1, 0.1], "parity/start_spread": [0.01, 0.01]}, True),
        ({"parity/start_shift": [9.0, 0.1], "parity/start_spread": [1.0, 1.0]}, False),
    ],
)
def test_start_parity(columns: dict[str, list[float]], fires: bool) -> None:
    assert bool(causes(StartParity(), columns)) is fires


def test_length_parity_needs_a_large_ratio_and_a_small_p_twice() -> None:
    def found(ratio: float, p: float) -> bool:
        columns = {"parity/length_ratio": [ratio] * 2, "parity/length_p": [p] * 2}
        return bool(causes(LengthParity(), columns))

    assert found(0.05, 1e-6) and found(20.0, 1e-6)
    assert not found(0.05, 0.01) and not found(0.4, 1e-6)


def test_noise_is_told_from_worlds_that_are_rough_by_nature() -> None:
    def severity(**bare: float) -> Severity:
        columns = actions(0.03, 0.0, r2=0.4, rough=1.5, **bare)
        return findings(NoisyObservations(), table(columns))[-1].severity

    assert severity(bare=0.1) is Severity.WARNING
    assert severity(bare=1.4) is Severity.INFO and severity() is Severity.INFO


def test_old_resets_among_noisy_observations_are_lost_frames() -> None:
    facts = {"probe/old_resets": 15, "probe/ends": 40, "probe/distinct_old": 9}
    resets = {k: [v] * 8 for k, v in {**facts, "probe/distinct_resets": 20}.items()}
    history = table({**resets, **actions(0.03, 0.0, r2=0.4, rough=1.5, bare=0.1)})
    some, noise = findings(OldReset(), history)[-1], findings(NoisyObservations(), history)[-1]
    assert diagnose([some])[0].cause == "reset_broken"
    assert diagnose([some, noise])[0].cause == "observation_noise"


def test_longer_episodes_in_training_are_a_failing_evaluation() -> None:
    columns = {"parity/length_ratio": [20.0] * 2, "parity/length_p": [1e-6] * 2}
    assert causes(LengthParity(), columns) == ["evaluation_mismatch"]
    columns["parity/length_ratio"] = [0.05] * 2
    assert causes(LengthParity(), columns) == ["episode_ends"]


@pytest.mark.parametrize(
    ("limits", "limited", "expected"),
    [(20.0, 0.0, ["episode_ends"]), (19.0, 0.0, []), (20.0, 1.0, [])],
)
def test_training_in_which_only_time_limits_end_episodes(
    limits: float, limited: float, expected: list[str]
) -> None:
    columns = {
        "parity/length_ratio": [2.4, 2.2, 3.0],
        "parity/length_p": [1e-6] * 3,
        "probe/finished": [20.0] * 3,
        "probe/limit_ends": [limits] * 3,
        "canary/truncated_share": [limited] * 3,
    }
    assert sorted(set(causes(LengthParity(), columns))) == expected


def test_few_episodes_that_only_limits_end_are_judged_over_more_evaluations() -> None:
    def found(n: int) -> list[str]:
        columns = {
            "parity/length_ratio": [2.0] * n,
            "parity/length_p": [1e-3] * n,
            "probe/finished": [20.0] * n,
            "probe/limit_ends": [20.0] * n,
            "canary/truncated_share": [0.3] * n,
        }
        return causes(LengthParity(), columns)

    assert found(4) == ["episode_ends"] and not found(3)


@pytest.mark.parametrize(
    ("ratios", "fires"),
    [([0.2] * 6, True), ([0.2] * 5, False), ([0.5, *[0.2] * 6], False), ([0.45] * 6, False)],
)
def test_episodes_that_have_been_shorter_all_the_time(ratios: list[float], fires: bool) -> None:
    columns = {"parity/length_ratio": ratios, "parity/length_p": [1e-6] * len(ratios)}
    assert causes(LengthParity(), columns) == ["episode_ends"] * fires


@pytest.mark.parametrize(
    ("cosines", "fires"),
    [
        ([0.98, 0.99, -0.98, 0.99, 0.97, -0.9, 0.99], True),
        ([0.98, 0.99, -0.98, 0.99, 0.97, 0.98, 0.99], False),  # the world has changed once
        ([0.5, 0.4, -0.98, 0.6, 0.2, -0.9, 0.3], False),
    ],
)
def test_actions_that_waver(cosines: list[float], fires: bool) -> None:
    found = causes(WaveringActions(), {"probe/action_effect": cosines})
    assert set(found) == ({"action_path"} if fires else set())


def test_unlike_time_limits() -> None:
    def found(limited: float) -> list[str]:
        alike = [50.0] * 6
        columns = {
            "parity/length_ratio": [2.0] * 6,
            "parity/length_p": [1e-6] * 6,
            "episodes/length_min": alike,
            "episodes/length_max": alike,
            "canary/truncated_share": [limited] * 6,
        }
        return causes(LengthParity(), columns)

    assert found(1.0)[-1] == "evaluation_mismatch" and not found(0.9)


@pytest.mark.parametrize(
    ("evaluated", "limits", "fires"),
    [
        ([20.0] * 5, 9.0, True),
        ([20.0, 20.0, 20.0, 20.0, 21.0], 9.0, False),
        ([50.0] * 5, 9.0, False),
        ([20.0] * 5, 8.0, False),
    ],
)
def test_limits_of_two_lengths_need_no_statistics(
    evaluated: list[float], limits: float, fires: bool
) -> None:
    columns = {
        "canary/length_mean": evaluated,
        "canary/truncated_share": [1.0] * 5,
        "episodes/length_min": [50.0] * 5,
        "episodes/length_max": [50.0] * 5,
        "probe/finished": [9.0] * 5,
        "probe/limit_ends": [limits] * 5,
    }
    assert causes(LengthParity(), columns) == ["evaluation_mismatch"] * fires


@pytest.mark.parametrize(
    ("evaluated", "lengths", "fires"),
    [
        ([12.0, 24.0, 15.0], 1.0, True),
        ([9.0, 11.0, 15.0], 1.0, False),
        ([12.0, 24.0, 15.0], 2.0, False),
    ],
)
def test_training_that_cuts_episodes_off(
    evaluated: list[float], lengths: float, fires: bool
) -> None:
    columns = {
        "canary/length_mean": evaluated,
        "episodes/length_max": [10.0] * 3,
        "probe/early_truncated": [16.0] * 3,
        "probe/early_lengths": [lengths] * 3,
    }
    assert set(causes(LengthParity(), columns)) == ({"episode_ends"} if fires else set())


def test_episodes_that_never_end() -> None:
    def found(running: list[float], finished: float, limited: float = 0.0) -> list[str]:
        columns = {
            "canary/truncated_share": [limited] * len(running),
            "probe/running": running,
            "probe/finished": [finished] * len(running),
            "canary/length_mean": [10.0] * len(running),
        }
        return causes(LengthParity(), columns)

    assert found([50.0, 100.0, 150.0], 0.0) == ["episode_ends"]
    assert not found([50.0, 100.0, 110.0], 0.0) and not found([150.0] * 3, 7.0)
    assert not found([150.0] * 3, 0.0, limited=1.0)


@pytest.mark.parametrize(
    ("first", "zeros", "fires"),
    [
        ([1.0] * 3, [0.04] * 3, True),
        ([0.0] * 3, [0.04] * 3, False),
        ([1.0, 1.0, 0.5], [0.04] * 3, False),  # lost now and then
        ([1.0] * 2, [0.04] * 2, False),
        ([1.0] * 3, [1.0] * 3, False),  # all of them are lost
    ],
)
def test_a_first_step_that_pays_nothing(
    first: list[float], zeros: list[float], fires: bool
) -> None:
    columns = {"parity/first_reward_zeros": first, "parity/reward_zeros": zeros}
    longer = {"parity/length_ratio": [9.0] * len(first)}  # no policy has a say in it
    assert causes(RewardParity(), {**columns, **longer}) == ["reward_delay"] * fires


def test_rewards_of_other_states_are_not_compared() -> None:
    columns = rewards(scale=0.0)
    assert causes(RewardParity(), columns)
    assert not causes(RewardParity(), {**columns, "parity/length_ratio": [8.0] * 3})
    running = {"probe/running": [500.0] * 3, "canary/length_mean": [9.0] * 3}
    assert not causes(RewardParity(), {**columns, **running})


@pytest.mark.parametrize(
    ("constant", "bare", "severity"),
    [
        ([0.0] * 6, 0.0, None),
        ([3.0] * 5, 3.0, None),
        ([1.0] * 6, 1.0, None),
        ([2.0] * 6, 1.0, Severity.WARNING),
        ([2.0] * 6, None, None),
        ([2.0, 2.0, 0.0, 2.0, 2.0, 2.0], 0.0, None),
        ([3.0] * 6, None, Severity.CRITICAL),
    ],
)
def test_dead_observations(
    constant: list[float], bare: float | None, severity: Severity | None
) -> None:
    n = len(constant)
    columns = {"observations/constant_dims": constant, "observations/dims": [3.0] * n}
    if bare is not None:
        columns["parity/bare_still_dims"] = [bare] * n
    found = findings(DeadObservations(), table(columns))
    assert (found[-1].severity if found else None) == severity


@pytest.mark.parametrize(
    ("effects", "fires"),
    [
        ([1.0, 0.9, 1.2], False),
        ([0.05, 0.06], True),
        ([0.05, 0.9], False),
        ([8.0, 8.0], False),
        ([0.4] * 4, False),
        ([0.4] * 5, True),
        ([0.4, 0.4, 0.4, 0.4, 0.9], False),
        ([0.9, 0.9, 0.6, 0.4, 0.4, 0.6], False),
    ],
)
def test_action_parity(effects: list[float], fires: bool) -> None:
    assert bool(causes(ActionParity(), {"parity/action_effect": effects})) is fires


@pytest.mark.parametrize(
    ("cosines", "cause"),
    [
        ([0.99, 0.98, 0.97], None),
        ([-0.9, 0.9], None),
        ([-0.9], None),
        ([-0.9, -0.8], "evaluation_mismatch"),
        ([0.9, -0.9, -0.9], "environment_drift"),
        ([0.1, -0.1], None),
        ([0.1, -0.1, 0.2], "evaluation_mismatch"),
        ([0.9, 0.1, -0.1, 0.2], "environment_drift"),
        ([0.1, 0.4, 0.2], None),
    ],
)
def test_action_agreement(cosines: list[float], cause: str | None) -> None:
    found = findings(ActionAgreement(), table({"parity/action_agreement": cosines}))
    main = max(found[-1].causes.items(), key=lambda item: item[1])[0] if found else None
    assert main == cause


def matrix(worker: int | None, factor: float, n: int = 20, close: float = 0.1) -> np.ndarray:
    rng = np.random.default_rng(0)
    values = np.exp(rng.normal(0.0, close, (n, 4)))
    if worker is not None:
        values[:, worker] *= factor
    return values


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (matrix(None, 1.0), None),
        (matrix(None, 1.0, close=1.0), None),
        (matrix(2, 10.0), "worker_observations"),
        (matrix(2, 0.1), "worker_observations"),
        (matrix(2, 2.0), None),
        (matrix(1, 30.0, n=30, close=0.8), "worker_observations"),
        (matrix(2, 10.0, n=3), None),
    ],
)
def test_worker_observations(values: np.ndarray, expected: str | None) -> None:
    arrays = {"probe/worker_level": values.tolist()}
    history = table({**episodes(len(values), 150.0)}, arrays)
    found = findings(WorkerObservations(), history)
    assert (max(found[-1].causes, key=found[-1].causes.get) if found else None) == expected
    if found:
        assert found[0].worker in (1, 2)


@pytest.mark.parametrize(("factor", "fires"), [(6.0, True), (0.15, True), (1.8, False)])
def test_a_worker_that_is_odd_throughout_long_episodes(factor: float, fires: bool) -> None:
    values = matrix(2, factor, n=18, close=0.2).tolist()

    def found(n: int) -> bool:
        history = table(episodes(n, 599.0), {"probe/worker_level": values[:n]})
        return bool(findings(WorkerObservations(times=10), history))

    assert found(18) is fires
    assert not found(17), "four workers must be odd for six episodes, which are 18 snapshots"


def episodes(n: int, length: float) -> dict[str, list[float]]:
    return {"rewards/steps": [200.0] * n, "episodes/length_mean": [length] * n}


def test_within_an_episode_workers_are_where_they_began() -> None:
    arrays = {"probe/worker_level": matrix(2, 10.0).tolist()}
    assert not findings(WorkerObservations(), table(episodes(20, 1000.0), arrays)), "4 episodes"
    assert not findings(WorkerObservations(), table({"rewards/steps": [200.0] * 20}, arrays))
    arrays = {"probe/worker_level": matrix(2, 10.0, n=40).tolist()}
    assert findings(WorkerObservations(), table(episodes(40, 1000.0), arrays))[0].step == 2100


@pytest.mark.parametrize(
    ("factor", "n", "close", "fires"),
    [
        (1.0, 20, 1.0, False),
        (0.5, 20, 0.1, False),
        (0.05, 20, 0.6, True),
        (-1.0, 20, 0.6, True),
        (0.05, 6, 0.3, True),
        (0.05, 5, 0.3, False),
        (3.0, 20, 0.1, False),
    ],
)
def test_worker_response(factor: float, n: int, close: float, fires: bool) -> None:
    arrays = {"probe/worker_response": matrix(2, factor, n, close).tolist()}
    found = findings(WorkerResponse(), table(episodes(n, 150.0), arrays))
    assert bool(found) is fires
    assert all(finding.worker == 2 for finding in found)
    assert not found or (factor < 0.0) is ("the opposite" in found[-1].message)


def test_workers_in_which_actions_do_nothing_are_not_compared() -> None:
    rng = np.random.default_rng(0)
    arrays = {"probe/worker_response": rng.normal(0.0, 3.0, (30, 8)).tolist()}
    assert not findings(WorkerResponse(), table(episodes(30, 150.0), arrays))


def test_a_worker_that_lies_still_for_an_episode_responds_in_the_next() -> None:
    arrays = {"probe/worker_response": matrix(2, 0.05, 10).tolist()}
    assert not findings(WorkerResponse(), table(episodes(10, 1000.0), arrays)), "2 episodes"
    arrays = {"probe/worker_response": matrix(2, 0.05, 20).tolist()}
    assert findings(WorkerResponse(), table(episodes(20, 1000.0), arrays))[0].step == 1500


def test_worker_residual_points_to_its_dynamics() -> None:
    arrays = {"probe/worker_residual": (matrix(3, 20.0) * 0.1).tolist()}
    history = table(episodes(20, 150.0), arrays)
    finding = findings(WorkerObservations(), history)[0]
    assert finding.worker == 3 and finding.causes["worker_dynamics"] > 0.5
    tiny = {"probe/worker_residual": (matrix(3, 20.0) * 1e-6).tolist()}
    assert not findings(WorkerObservations(), table(episodes(20, 150.0), tiny))


def test_worker_stuck_needs_all_others_to_move() -> None:
    def found(rows: list[list[float]], paid: float = 0.0) -> list[Any]:
        arrays = {"probe/worker_moving": rows, "rewards/worker_abs_mean": [[1.0, 1.0, paid]] * 2}
        return findings(WorkerStuck(), table({"rewards/steps": [10.0] * 2}, arrays))

    [stuck] = found([[1.0, 1.0, 0.0]] * 2)
    assert stuck.worker == 2 and "worker_stuck" in stuck.causes
    [blind] = found([[1.0, 1.0, 0.0]] * 2, paid=1.0)
    assert blind.causes["worker_observations"] > blind.causes["worker_stuck"]
    assert not found([[1.0, 1.0, 0.0], [1.0, 1.0, 0.2]])
    assert not found([[1.0, 0.1, 0.0]] * 2)
    assert not found([[1.0, 0.0, 0.0]] * 2)


def actions(
    now: float, late: float, r2: float = 0.5, rough: float = 0.05, **known: float
) -> dict[str, Any]:
    names = {
        "bare": "parity/bare_roughness",
        "freedom": "probe/action_freedom",
        "effect": "parity/action_effect",
    }
    return {
        **{names[key]: [value] * 8 for key, value in known.items()},
        "probe/action_gain": [now] * 8,
        "probe/late_action_gain": [late] * 8,
        "probe/transition_r2": [r2] * 8,
        "observations/roughness": [rough] * 8,
    }


@pytest.mark.parametrize(
    ("detector", "columns", "expected"),
    [
        (LateAction(), actions(0.1, 0.01), None),
        (LateAction(), actions(0.0, 0.2), "action_path"),
        (LateAction(), actions(0.01, 0.03), "action_path"),
        (LateAction(), actions(0.01, 0.012), None),
        (LateAction(), actions(0.0, 5e-3), None),
        (LateAction(), actions(0.0, 0.2, freedom=0.02), None),
        (LateAction(), actions(0.0, 0.2, r2=0.3), None),
        (DeadAction(), actions(0.01, 0.0), None),
        (DeadAction(), actions(0.0, 0.0), "action_path"),
        (DeadAction(), actions(0.001, 0.0), None),
        (DeadAction(), actions(0.0, 0.0, freedom=0.02), None),
        (DeadAction(), actions(0.0, 0.0, freedom=0.9), "action_path"),
        (DeadAction(), actions(0.0, 0.0, rough=1.5), None),
        (DeadAction(), actions(0.0, 0.0, r2=0.01), None),
        (DeadAction(), actions(0.0, 0.0, effect=1.1), None),
        (DeadAction(), actions(0.0, 0.0, effect=0.1), "action_path"),
        (NoisyObservations(), actions(0.03, 0.0, r2=0.4, rough=1.5), "observation_noise"),
        (NoisyObservations(), actions(0.03, 0.0, r2=0.4), None),
        # a balanced pole jumps as its actions tell it to
        (NoisyObservations(), actions(0.2, 0.0, r2=0.99, rough=1.5), None),
    ],
)
def test_actions(detector: Detector, columns: dict[str, Any], expected: str | None) -> None:
    found = causes(detector, columns)
    assert (found[-1] if found else None) == expected


@pytest.mark.parametrize(
    ("columns", "fires"),
    [
        ({"probe/reset_shift": [0.3, 0.4, 0.3]}, False),
        ({"probe/reset_shift": [0.3, 5.0, 6.0]}, True),
        ({"probe/reset_shift": [0.3, 5.0, 0.3]}, False),
        ({"probe/reset_trend_p": [0.5, 1e-5, 1e-6]}, True),
        ({"probe/reset_trend_p": [0.5, 1e-5, 1e-3]}, False),
        ({"probe/reset_trend_p": [1e-6]}, False),
        ({"probe/action_effect": [0.99, 0.99, 0.99, -0.98, 0.99]}, True),
        ({"probe/action_effect": [0.99, 0.99, 0.99, -0.98]}, False),
        ({"probe/action_effect": [0.99, 0.99, 0.99, -0.98, -0.97]}, False),
        ({"probe/action_effect": [0.99, 0.99, -0.2, -0.98, 0.99]}, False),
        ({"probe/action_effect": [0.99, 0.99, 0.99, 0.2, 0.99]}, False),
        ({"probe/action_effect": [0.4, 0.99, 0.95, 0.98, -0.98, 0.9]}, True),
    ],
)
def test_environment_shift(columns: dict[str, list[float]], fires: bool) -> None:
    assert bool(causes(EnvironmentShift(), columns)) is fires


def test_late_reward() -> None:
    def found(now: float, late: float) -> bool:
        columns = {"probe/reward_r2": [now] * 8, "probe/late_reward_r2": [late] * 8}
        return bool(causes(LateReward(), columns))

    assert not found(-0.5, 0.1)
    assert found(0.2, 0.9) and not found(0.97, 0.975) and not found(0.9, 0.2)


def test_observation_scale() -> None:
    def found(size: float, ratio: float = 10.0) -> bool:
        columns = {
            "observations/p99_abs": [size] * 3,
            "observations/scale_ratio": [ratio] * 3,
        }
        return bool(causes(ObservationScale(), columns))

    assert found(1000.0) and found(20.0, 1e4)
    assert not found(50.0) and not found(2.0, 1e4)


def test_observations_that_the_policy_drove_far_are_only_noted() -> None:
    history = table({"observations/p99_abs": [3.0, 200.0, 300.0, 300.0]})
    [found] = findings(ObservationScale(), history)
    assert found.severity is Severity.INFO


def test_network_state() -> None:
    dead, saturated = "weights/dormant_share", "weights/saturated_share"
    assert not causes(NetworkState(), {dead: [0.5, 0.6], saturated: [0.3, 0.3]})
    assert causes(NetworkState(), {dead: [0.95, 0.95], saturated: [0.0, 0.0]})
    assert causes(NetworkState(), {dead: [0.0, 0.0], saturated: [0.9, 0.9]})
    assert not causes(NetworkState(), {dead: [0.95, 0.2], saturated: [0.0, 0.0]})


def test_clipped_actions_from_the_beginning() -> None:
    name, on = "actions/saturation", {"family": "on-policy"}
    assert causes(ClippedActions(), {name: [0.99] * 6}, **on)
    assert not causes(ClippedActions(), {name: [0.3, *[0.99] * 6]}, **on)
    assert not causes(ClippedActions(), {name: [0.99] * 6}, family="off-policy")


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        (RewardParity, {"ratio": 1.0}),
        (RewardParity, {"noise": 0.5}),
        (RewardParity, {"needed": 0}),
        (StartParity, {"shift": 0.0}),
        (StartParity, {"ratio": 1.0}),
        (LengthParity, {"alpha": 2.0}),
        (WorkerStuck, {"times": 0}),
        (WorkerObservations, {"ratio": 0.9}),
        (WorkerObservations, {"times": 1}),
        (LateAction, {"gain": 0.0}),
        (LateAction, {"share": 0.0}),
        (LateAction, {"explained": 1.0}),
        (DeadAction, {"gain": 0.0}),
        (NoisyObservations, {"rough": 0.0}),
        (NoisyObservations, {"explained": 0.0}),
        (ActionParity, {"ratio": 1.0}),
        (RewardParity, {"factor": 1.0}),
        (RewardParity, {"transfer": 0.5}),
        (RewardParity, {"steady": 0.5}),
        (RewardParity, {"zeros": 1.0}),
        (ActionParity, {"share": 0.0}),
        (WorkerResponse, {"share": 0.5}),
        (WorkerResponse, {"alpha": 0.0}),
        (WorkerResponse, {"needed": 2}),
        (EnvironmentShift, {"steady": 0.0}),
        (WaveringActions, {"turned": 0.1}),
        (WaveringActions, {"steady": 1.0}),
        (LengthParity, {"lasting_ratio": 1.0}),
        (EnvironmentShift, {"alpha": 0.0}),
        (ActionAgreement, {"turned": 0.5}),
        (ActionAgreement, {"unlike": 0.0}),
        (ActionAgreement, {"alike": 1.0}),
        (ActionAgreement, {"needed": 0}),
        (LateReward, {"explained": 1.0}),
        (EnvironmentShift, {"turned": 0.5}),
        (LateReward, {"margin": 1.0}),
        (ObservationScale, {"largest": 0.0}),
        (NetworkState, {"dead": 1.0}),
        (ClippedActions, {"needed": 1}),
    ],
)
def test_nonsense_is_refused(cls: Any, arguments: dict[str, Any]) -> None:
    [name] = arguments
    with pytest.raises(ValueError, match=f"{name}=.* is not accepted"):
        cls(**arguments)


@pytest.mark.parametrize(
    ("largest", "scale", "fires"),
    [
        ([9.9, 10.0, 9.1, 10.1, 12.1, 9.6], [9.8, 10.8, 12.3, 11.3, 9.0, 7.6], True),
        ([0.1, 0.11, 0.09, 0.1, 0.1, 0.1], [0.1] * 6, True),
        ([9.9, 10.0, 9.1, 10.1, 12.1], [9.8] * 5, False),  # too few
        ([2.0] * 6, [2.0] * 6, False),
        ([9.9, 10.0, 4.0, 10.1, 12.1, 9.6], [9.8] * 6, False),  # not steady
        ([10.0] * 6, [1.1] * 6, False),  # outliers, not another scale
    ],
)
def test_a_steady_ratio_of_the_largest_rewards(
    largest: list[float], scale: list[float], fires: bool
) -> None:
    columns = {"parity/reward_max": largest, "parity/reward_scale": scale}
    found = findings(RewardParity(), table(columns))
    assert bool(found) is fires
    if fires:
        assert max(found[-1].causes.items(), key=lambda item: item[1])[0] == "evaluation_mismatch"
