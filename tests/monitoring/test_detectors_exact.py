"""Detectors of exact invariants as tables of numbers."""

from typing import Any

import pytest

from sb3_ac_ext.monitoring.detectors import (
    BareTimeouts,
    Detector,
    FrozenTarget,
    GradientDirection,
    Invariant,
    OldReset,
    Overlong,
    PolicyImprovement,
    SameSeeds,
    StaleObservation,
    TerminatedAtLimit,
    TruncatedEarly,
    Untrained,
    exact_invariants,
)
from sb3_ac_ext.monitoring.records import Severity
from tests.monitoring.histories import findings, table

OLD_RESETS = {"probe__old_resets": [9], "probe__ends": [9]}


def causes(detector: Detector, **columns: Any) -> list[str]:
    """The main cause of every finding, with dots and double underscores for names."""
    arrays = {"probe/worker_moving": columns.pop("moving")} if "moving" in columns else None
    info = columns.pop("info", {})
    history = table({k.replace("__", "/"): v for k, v in columns.items()}, arrays, **info)
    return [max(f.causes, key=lambda c: f.causes[c]) for f in findings(detector, history)]


@pytest.mark.parametrize("invariant", exact_invariants(), ids=lambda i: i.name)
def test_every_invariant_fires_once_its_tolerance_is_passed(invariant: Invariant) -> None:
    healthy = [0.0, invariant.tolerance, invariant.tolerance]
    assert not findings(invariant, table({invariant.series: healthy}))
    [finding] = findings(invariant, table({invariant.series: [0.0, 2.0 * invariant.tolerance + 1]}))
    assert finding.step == 200 and finding.severity >= Severity.INFO
    assert "{" not in finding.message


def test_names_of_invariants_are_unique() -> None:
    names = [invariant.name for invariant in exact_invariants()]
    assert len(names) == len(set(names)) > 15


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"probe__policy_change": [0.01, 0.0]}, ["policy_not_updated"]),
        ({"probe__value_change": [0.01, 0.0]}, ["critic_not_updated"]),
        ({"probe__critic_trained_share": [0.0]}, ["critic_not_updated"]),
        ({"probe__actor_trained_share": [0.4]}, ["policy_not_updated"]),
        ({"probe__actor_trained_share": [0.7], "probe__actor_change": [0.01]}, []),
        # a rate below float32's resolution: gradients are right, nothing moves
        (
            {"probe__policy_change": [0.0], "probe__policy_cosine": [1.0]},
            ["learning_rate_too_low"],
        ),
        # nothing to learn: a single action
        ({"probe__policy_change": [0.0], "probe__policy_has_gradient": [0.0]}, []),
        ({"probe__policy_change": [0.0], "hyper__learning_rate": [0.0]}, []),
        (
            {"probe__value_change": [0.0], "info": {"hyperparameters": {"vf_coef": 0.0}}},
            ["value_coefficient"],
        ),
    ],
)
def test_untrained(columns: dict[str, Any], expected: list[str]) -> None:
    assert causes(Untrained(), **columns) == expected


@pytest.mark.parametrize(
    ("net", "cosines", "stock", "expected"),
    [
        ("policy", [1.0, 0.9999], 1.0, []),
        ("policy", [-1.0], 1.0, ["policy_update_sign"]),
        ("actor", [-0.4], 1.0, ["gradients_altered"]),
        ("critic", [-1.0], 1.0, ["critic_update_sign"]),
        ("value", [0.0], 1.0, ["critic_not_updated"]),
        ("policy", [0.7], 1.0, ["gradients_altered"]),
        # an update of one's own may differ on purpose; against its loss it may not, twice
        ("policy", [0.7, 0.7], 0.0, []),
        ("policy", [-1.0, 0.5], 0.0, []),
        ("policy", [-1.0, -1.0], 0.0, ["policy_update_sign"]),
    ],
)
def test_gradient_direction(
    net: str, cosines: list[float], stock: float, expected: list[str]
) -> None:
    columns = {f"probe__{net}_cosine": cosines, "probe__stock_update": [stock] * len(cosines)}
    assert causes(GradientDirection(), **columns) == expected


def test_a_gradient_that_is_not_quite_turned_may_be_noise() -> None:
    columns = {"probe/policy_cosine": [-0.4], "probe/stock_update": [1.0]}
    [finding] = findings(GradientDirection(), table(columns))
    assert finding.causes == {"policy_update_sign": 0.6, "gradients_altered": 0.9}
    [finding] = findings(GradientDirection(), table({**columns, "probe/policy_cosine": [-1.0]}))
    assert finding.causes == {"policy_update_sign": 1.0}
    with pytest.raises(ValueError, match=r"turned=0\.1 is not accepted"):
        GradientDirection(turned=0.1)


def test_policy_improvement_combines_updates() -> None:
    name = "probe__policy_improvement_z"
    assert not causes(PolicyImprovement(), **{name: [-3.0, 2.0, -2.0, 1.0, 0.0]})
    assert not causes(PolicyImprovement(), **{name: [-9.0, -9.0]}), "two updates are no evidence"
    assert causes(PolicyImprovement(), **{name: [-3.0] * 3}) == ["policy_update_sign"]


def test_frozen_target_needs_two_snapshots_in_which_it_was_due() -> None:
    moved, due = "probe__target_moved", "probe__target_due"
    assert not causes(FrozenTarget(), **{moved: [1.0, 0.5], due: [1.0, 0.5]})
    assert not causes(FrozenTarget(), **{moved: [0.0, 0.0], due: [0.0, 0.0]})
    assert not causes(FrozenTarget(), **{moved: [1.0, 0.0], due: [1.0, 1.0]})
    assert causes(FrozenTarget(), **{moved: [0.0, 0.0], due: [0.5, 0.5]}) == ["target_network"]


@pytest.mark.parametrize(
    ("detector", "columns", "expected"),
    [
        (StaleObservation(), {"probe__stale_starts": [10], "probe__starts": [10]}, 1),
        (StaleObservation(), {"probe__stale_starts": [4], "probe__starts": [4]}, 0),
        (StaleObservation(), {"probe__stale_starts": [5], "probe__starts": [10]}, 0),
        (
            StaleObservation(),
            {"probe__stale_starts": [10], "probe__starts": [10], "moving": [[0.1, 0.2]]},
            0,
        ),
        (
            OldReset(),
            {"probe__old_resets": [9], "probe__ends": [9], "probe__distinct_old": [5]},
            1,
        ),
        (
            OldReset(),
            {"probe__old_resets": [9], "probe__ends": [9], "probe__distinct_old": [1]},
            0,
        ),
        (
            SameSeeds(),
            {"probe__twin_resets": [8], "probe__resets": [8], "probe__distinct_resets": [2]},
            1,
        ),
        (
            SameSeeds(),
            {"probe__twin_resets": [8], "probe__resets": [8], "probe__distinct_resets": [1]},
            0,
        ),
        (
            SameSeeds(),
            {
                "probe__twin_resets": [8],
                "probe__resets": [8],
                "probe__distinct_resets": [1],
                "parity__distinct_starts": [10],
            },
            1,
        ),
        (TerminatedAtLimit(), {"probe__limit_terminated": [3], "probe__limit_ends": [3]}, 1),
        (TerminatedAtLimit(), {"probe__limit_terminated": [0], "probe__limit_ends": [9]}, 0),
        (
            TruncatedEarly(),
            {
                "probe__early_truncated": [20],
                "probe__finished": [20],
                "probe__early_lengths": [12],
            },
            1,
        ),
        # a shorter TimeLimit of one's own ends all episodes at one length
        (
            TruncatedEarly(),
            {
                "probe__early_truncated": [20],
                "probe__finished": [20],
                "probe__early_lengths": [1],
            },
            0,
        ),
        (Overlong(), {"probe__overlong": [1.0, 1.5]}, 1),
    ],
)
def test_boundaries(detector: Detector, columns: dict[str, Any], expected: int) -> None:
    n = len(next(iter(columns.values())))
    columns = {"observations__constant_dims": [0.0] * n, **columns}
    assert len(causes(detector, **columns)) == expected


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        (Untrained, {"share": 0.0}),
        (GradientDirection, {"stock": 1.0}),
        (GradientDirection, {"against": 0.1}),
        (PolicyImprovement, {"z": 0.0}),
        (PolicyImprovement, {"window": 2}),
        (FrozenTarget, {"needed": 0}),
        (StaleObservation, {"least": 0}),
        (OldReset, {"share": 1.5}),
        (Overlong, {"slack": 0.5}),
    ],
)
def test_nonsense_is_refused(cls: Any, arguments: dict[str, Any]) -> None:
    [name] = arguments
    with pytest.raises(ValueError, match=f"{name}=.* is not accepted"):
        cls(**arguments)


def test_resets_that_are_skipped_now_and_then() -> None:
    def found(old: int, distinct: int) -> bool:
        columns = {
            "probe__old_resets": [old],
            "probe__ends": [40],
            "probe__distinct_old": [20],
            "probe__distinct_resets": [distinct],
        }
        return bool(causes(OldReset(), **columns))

    assert found(15, 20) and not found(2, 20), "resets differ, so an old one is no accident"
    assert not found(15, 4) and found(40, 4), "few states: an old one may be"


def test_an_unmoved_network_at_a_usual_rate_is_saturated() -> None:
    columns = {"probe__policy_change": [0.0], "probe__policy_cosine": [1.0]}
    assert causes(Untrained(), hyper__learning_rate=[0.3], **columns) == ["network_saturated"]
    assert causes(Untrained(), hyper__learning_rate=[1e-9], **columns) == ["learning_rate_too_low"]


@pytest.mark.parametrize(
    ("bare", "timeouts", "expected"),
    [(0.0, 9.0, []), (0.0, 0.0, []), (1.0, 1.0, ["time_limit_handling"]), (3.0, 6.0, [])],
)
def test_bare_timeouts(bare: float, timeouts: float, expected: list[str]) -> None:
    columns = {"probe__bare_timeouts": [bare], "probe__timeouts": [timeouts]}
    assert causes(BareTimeouts(), **columns) == expected
