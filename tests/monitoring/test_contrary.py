"""What speaks against a cause, and what the exact layer rules out."""

from sb3_ac_ext.monitoring.causes import CAUSES
from sb3_ac_ext.monitoring.contrary import CONTRARY, held
from sb3_ac_ext.monitoring.detectors import LargeKL, Plateau
from sb3_ac_ext.monitoring.diagnosis import diagnose
from tests.monitoring.histories import findings, rising, table


def test_the_table_of_causes_names_only_known_observations() -> None:
    assert {name for cause in CAUSES.values() for name in cause.against} <= set(CONTRARY)


def test_small_updates_speak_against_a_rate_that_is_too_high() -> None:
    history = table({"policy/kl": [0.005] * 6})
    assert "KL 0.005" in str(CONTRARY["kl_small"](history))
    assert CONTRARY["kl_small"](table({"policy/kl": [0.5] * 6})) is None
    assert CONTRARY["kl_large"](table({"policy/kl": [1e-9] * 6})) is None


def test_what_speaks_against_a_cause_halves_it_and_is_shown() -> None:
    kl = [0.001] * 8 + [0.5] * 3
    history = table({"policy/kl": kl})
    [finding] = findings(LargeKL(), history)[-1:]
    alone, weighed = diagnose([finding])[0], diagnose([finding], history)[0]
    assert alone.confidence == 2.0 * weighed.confidence
    assert any("against it: updates are small" in note for note in weighed.ruled_out)


def test_rising_returns_speak_against_a_hard_task() -> None:
    up = table({"episodes/return_mean": rising(30)})
    assert CONTRARY["returns_rise"](up) and CONTRARY["returns_rose"](up)
    flat = table({"episodes/return_mean": [5.0, 6.0] * 15})
    assert CONTRARY["returns_rise"](flat) is None and CONTRARY["returns_rose"](flat) is None


def test_a_critic_that_fits() -> None:
    assert "90%" in str(CONTRARY["critic_fits"](table({"value/explained_variance": [0.9] * 5})))
    assert CONTRARY["critic_fits"](table({"value/explained_variance": [0.1] * 5})) is None


def test_what_held_is_ruled_out_for_causes_that_are_not_exact() -> None:
    columns = {
        "probe/stored_obs_error": [0.0] * 30,
        "probe/log_prob_error": [1e-7] * 30,
        "probe/policy_cosine": [1.0] * 30,
        "episodes/return_mean": [5.0, 6.0] * 15,
    }
    history = table(columns, reward_threshold=100.0)
    note = str(held(history))
    assert "buffer holds what happened" in note and "gradients are those of the losses" in note
    assert "targets" not in note, "on-policy runs have none"
    [plateau] = findings(Plateau(), history)[-1:]
    assert note in diagnose([plateau], history)[0].ruled_out
    broken = table({**columns, "probe/log_prob_error": [0.5] * 30})
    assert "log-probabilities" not in str(held(broken))
    assert held(table({"episodes/return_mean": [1.0]})) is None
