"""Exact invariants: numbers that are zero in every healthy run, whatever the task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sb3_ac_ext.monitoring.detectors.base import Detector, require
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Finding, Severity


@dataclass(frozen=True)
class Invariant(Detector):
    """One number that healthy training keeps at zero up to rounding; a single violation counts.

    Tolerances are a thousand times what was measured on CPU and ten times what reduced precision
    makes of it on a GPU.

    :param name: of the finding
    :param causes: cause -> weight
    :param advice: what to try
    :param series: the probe that measures it
    :param message: what a violation means; ``{value}`` stands for the number
    :param tolerance: largest healthy value, not negative
    :param severity: of a violation
    :raises ValueError: for a negative tolerance
    """

    name: str  # type: ignore[misc]
    causes: Mapping[str, float]  # type: ignore[misc]
    advice: str  # type: ignore[misc]
    series: str
    message: str
    tolerance: float = 1e-3
    severity: Severity = Severity.CRITICAL

    def __post_init__(self) -> None:
        require(self.tolerance >= 0.0, "tolerance", self.tolerance, "a number of at least 0")

    def check(self, history: History) -> Finding | None:
        last = history.last
        value = None if last is None else last.values.get(self.series)
        if value is None or value <= self.tolerance:
            return None
        return self.finding(
            history,
            self.severity,
            self.message.format(value=f"{value:.3g}"),
            value,
            self.tolerance,
            (self.series,),
        )


def _exact(
    name: str,
    series: str,
    message: str,
    causes: Mapping[str, float],
    advice: str,
    tolerance: float = 1e-3,
    severity: Severity = Severity.CRITICAL,
) -> Invariant:
    return Invariant(name, causes, advice, f"probe/{series}", message, tolerance, severity)


def _stored(
    what: str, cause: str = "buffer_corrupted", severity: Severity = Severity.CRITICAL
) -> Invariant:
    return _exact(
        f"stored_{what}",
        f"stored_{what}_error",
        f"the buffer's {what.replace('_', ' ')} differs from what happened by up to {{value}}",
        {cause: 1.0},
        "follow this field from env.step() to buffer.add(): wrappers, subclasses, patches",
        1e-4,
        severity,
    )


def exact_invariants() -> list[Invariant]:
    """Of rollouts, buffers and batches."""
    return [
        _stored("obs"),
        _stored("next_obs"),
        _stored("action"),
        _stored("clipped", "log_prob_mismatch"),
        _stored("reward"),
        _exact(
            "timeout_reward",
            "timeout_reward_error",
            "at time limits the buffer's reward is not reward + gamma V(last state): off by up to "
            "{value}",
            {"time_limit_handling": 0.95},
            "let infos[i]['TimeLimit.truncated'] and ['terminal_observation'] reach the algorithm",
            1e-4,
        ),
        _stored("start"),
        _stored("done"),
        _stored("timeout", "time_limit_handling", severity=Severity.WARNING),
        _exact(
            "log_prob",
            "log_prob_error",
            "stored log-probabilities are not the policy's for the stored actions: off by up to "
            "{value}",
            {"log_prob_mismatch": 0.95},
            "store the sampled action unclipped, with the log_prob of the same forward pass",
        ),
        _exact(
            "mode",
            "log_prob_mode_error",
            "the policy acts in one mode and learns in another: log-probabilities differ by up to "
            "{value}",
            {"network_mode": 0.95},
            "remove dropout or batch norm from the policy",
            severity=Severity.WARNING,
        ),
        _exact(
            "action_mode",
            "action_mode_error",
            "the policy acts in one mode and learns in another: its actions differ by up to "
            "{value}",
            {"network_mode": 0.95},
            "remove dropout or batch norm from the actor",
            severity=Severity.WARNING,
        ),
        _exact(
            "stored_value",
            "value_error",
            "stored values are not the critic's: off by up to {value} of their size",
            {"buffer_corrupted": 0.6, "log_prob_mismatch": 0.2},
            "store values of the same forward pass as the action",
        ),
        _exact(
            "advantages",
            "advantage_error",
            "advantages differ from the generalised advantage estimate by up to {value} standard "
            "deviations",
            {"advantage_computation": 0.95},
            "compare compute_returns_and_advantage with SB3's",
        ),
        _exact(
            "returns",
            "return_error",
            "returns are not advantages plus values: off by up to {value} standard deviations",
            {"advantage_computation": 0.9},
            "the critic's targets are advantages + values",
        ),
        _exact(
            "batch",
            "batch_error",
            "the update received a batch that the buffer does not hold: off by up to {value}",
            {"sample_corrupted": 0.95},
            "look at get() or sample() of the buffer class",
            1e-4,
        ),
        _exact(
            "target_polyak",
            "target_error",
            "target networks are not (1 - tau) target + tau online: off by {value} of their size",
            {"target_network": 0.95},
            "let train() call polyak_update once per update with tau",
            1e-5,
        ),
        _exact(
            "target_shared",
            "target_shared",
            "a target network shares its weights with the online network",
            {"target_network": 1.0},
            "make the target a deep copy",
            0.0,
        ),
        _exact(
            "terminal_observation",
            "no_terminal",
            "{value} episodes ended without infos['terminal_observation']: time limits are learnt "
            "as deaths",
            {"time_limit_handling": 0.9},
            "set infos[i]['terminal_observation'] and ['TimeLimit.truncated'] in the VecEnv",
            0.0,
        ),
        _exact(
            "double_obs_normaliser",
            "obs_normalisers",
            "{value} wrappers normalise observations",
            {"double_normalisation": 0.9},
            "keep one of VecNormalize and NormalizeObservation",
            1.0,
            Severity.WARNING,
        ),
        _exact(
            "double_reward_normaliser",
            "reward_normalisers",
            "{value} wrappers normalise rewards",
            {"double_normalisation": 0.9},
            "keep one of VecNormalize and NormalizeReward",
            1.0,
            Severity.WARNING,
        ),
        _exact(
            "normaliser_gamma",
            "normaliser_gamma_gap",
            "VecNormalize discounts with another gamma than the algorithm: {value} apart",
            {"double_normalisation": 0.1},
            "VecNormalize(gamma=...) must be the algorithm's",
            1e-9,
            Severity.INFO,
        ),
        _exact(
            "eval_training",
            "eval_training",
            "the normaliser of {value} evaluation environment learns from evaluation",
            {"evaluation_normaliser": 0.9},
            "set eval_env.training = False",
            0.0,
            Severity.WARNING,
        ),
        _exact(
            "eval_norm_reward",
            "eval_norm_reward",
            "{value} evaluation environment reports normalised rewards",
            {"evaluation_normaliser": 0.9},
            "set eval_env.norm_reward = False",
            0.0,
            Severity.WARNING,
        ),
        _exact(
            "eval_unlike",
            "eval_unlike",
            "{value} evaluation environment normalises unlike training",
            {"evaluation_normaliser": 0.7, "evaluation_mismatch": 0.3},
            "wrap both in one VecNormalize each and call sync_envs_normalization",
            0.0,
            Severity.WARNING,
        ),
    ]
