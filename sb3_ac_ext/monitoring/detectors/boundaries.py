"""What may not happen where episodes begin and end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sb3_ac_ext.monitoring.detectors.base import Detector, require
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import Finding, Severity

_MOST = 0.9


@dataclass(frozen=True)
class _Share(Detector):
    """Nearly all of some counted events have what none should have.

    :param least: events before anything is said, at least 1
    :param share: of them, in (0, 1]
    :raises ValueError: for values out of range
    """

    least: int = 5
    share: float = _MOST

    def __post_init__(self) -> None:
        require(self.least >= 1, "least", self.least, "at least 1")
        require(0.0 < self.share <= 1.0, "share", self.share, "a share in (0, 1]")

    def found(
        self,
        history: History,
        bad: str,
        events: str,
        text: str,
        severity: Severity = Severity.CRITICAL,
        share: float | None = None,
        causes: Mapping[str, float] | None = None,
    ) -> Finding | None:
        share = self.share if share is None else share
        values: Mapping[str, float] = history.last.values if history.last else {}
        n, k = values.get(events, 0.0), values.get(bad, 0.0)
        if n < self.least or k < share * n:
            return None
        message = text.format(k=f"{k:,.0f}", n=f"{n:,.0f}")
        series = (bad, events)
        return self.finding(
            history, severity, message, k / n, share, series, since=0, causes=causes
        )


@dataclass(frozen=True)
class BareTimeouts(_Share):
    """Rewards of steps that a time limit ended are stored without gamma V(terminal).

    Exact: to the value that follows there, on-policy algorithms owe its discount, or running out of
    time is learnt as a death.
    """

    least: int = 1

    name = "bare_timeouts"
    causes = {"time_limit_handling": 1.0}  # noqa: RUF012
    advice = "add gamma V(terminal_observation) where info['TimeLimit.truncated'] is set"

    def check(self, history: History) -> Finding | None:
        return self.found(
            history,
            "probe/bare_timeouts",
            "probe/timeouts",
            "{k} of {n} steps that a time limit ended were stored without the value that follows",
        )


@dataclass(frozen=True)
class StaleObservation(_Share):
    """The first step of an episode returns the reset's observation once more.

    Judged only where observations change otherwise: in a world that can stand still it may be so.
    """

    name = "stale_observation"
    causes = {"observation_stale": 1.0}  # noqa: RUF012
    advice = "return the observation after the step, not the one before it"

    def check(self, history: History) -> Finding | None:
        last = history.last
        if last is None or last.values.get("observations/constant_dims") is None:
            return None
        moving = last.arrays.get("probe/worker_moving", (1.0,))
        if max(moving) < 0.5:
            return None
        return self.found(
            history,
            "probe/stale_starts",
            "probe/starts",
            "{k} of {n} first steps returned the observation of the reset again",
        )


@dataclass(frozen=True)
class OldReset(_Share):
    """The reset returns the terminal observation of the episode before it, always or, where resets
    differ, now and then: then it is broken, or frames get lost.

    :param varied: resets that must differ for a smaller share to count, at least 2
    :param now_and_then: that share, in (0, 1]
    """

    varied: int = 10
    now_and_then: float = 0.2

    name = "old_reset"
    causes = {"reset_broken": 1.0}  # noqa: RUF012
    advice = "let reset() put the simulator back and return its first observation"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.varied >= 2, "varied", self.varied, "at least 2")
        share = self.now_and_then
        require(0.0 < share <= 1.0, "now_and_then", share, "a share in (0, 1]")

    def check(self, history: History) -> Finding | None:
        last = history.last
        if last is None or last.values.get("probe/distinct_old", 0.0) < 3.0:
            return None
        varied = last.values.get("probe/distinct_resets", 0.0) >= self.varied
        always = last.values["probe/old_resets"] > 0.5 * last.values["probe/ends"]
        return self.found(
            history,
            "probe/old_resets",
            "probe/ends",
            "{k} of {n} resets returned the observation that the episode had ended with",
            share=self.now_and_then if varied else None,
            causes=None if always else {"reset_broken": 0.5, "observation_noise": 0.5},
        )


@dataclass(frozen=True)
class SameSeeds(_Share):
    """All workers begin their k-th episode alike, though episodes differ in time or elsewhere."""

    name = "same_seeds"
    causes = {"worker_seeding": 1.0}  # noqa: RUF012
    advice = "make_vec_env(..., seed=seed), or env.reset(seed=seed + worker)"

    def check(self, history: History) -> Finding | None:
        last = history.last
        if last is None:
            return None
        elsewhere = history.series("parity/distinct_starts", last=1).values
        alike = last.values.get("probe/distinct_resets", 0.0) < 2.0
        if alike and not (elsewhere > 1.0).any():  # a task whose episodes all begin alike
            return None
        return self.found(
            history,
            "probe/twin_resets",
            "probe/resets",
            "{k} of {n} episodes began exactly as another worker's of the same number",
            Severity.WARNING,
        )


@dataclass(frozen=True)
class TerminatedAtLimit(_Share):
    """Every episode that reached the time limit is flagged as terminated."""

    least: int = 3

    name = "terminated_at_limit"
    causes = {"time_limit_handling": 1.0}  # noqa: RUF012
    advice = "return terminated=False, truncated=True when only the time is up"

    def check(self, history: History) -> Finding | None:
        return self.found(
            history,
            "probe/limit_terminated",
            "probe/limit_ends",
            "{k} of {n} episodes that reached the time limit were flagged as terminated",
        )


@dataclass(frozen=True)
class TruncatedEarly(_Share):
    """Episodes of many different lengths, all below the time limit, are flagged as truncated."""

    least: int = 10
    share: float = 0.5

    name = "truncated_early"
    causes = {"time_limit_handling": 0.9, "episode_ends": 0.3}  # noqa: RUF012
    advice = "return terminated=True where the episode is really over"

    def check(self, history: History) -> Finding | None:
        last = history.last
        if last is None or last.values.get("probe/early_lengths", 0.0) < 5.0:
            return None
        return self.found(
            history,
            "probe/early_truncated",
            "probe/finished",
            "{k} of {n} episodes were flagged as truncated before the time limit",
            Severity.WARNING,
        )


@dataclass(frozen=True)
class Overlong(Detector):
    """An episode runs on beyond the limit of its registration.

    :param slack: ratio to ``max_episode_steps`` that is accepted, at least 1
    :raises ValueError: for less
    """

    slack: float = 1.05

    name = "overlong_episode"
    causes = {"episode_ends": 0.9}  # noqa: RUF012
    advice = "wrap the environment in TimeLimit, and let it pass truncated on"

    def __post_init__(self) -> None:
        require(self.slack >= 1.0, "slack", self.slack, "at least 1")

    def check(self, history: History) -> Finding | None:
        last = history.last
        value = last.values.get("probe/overlong") if last else None
        if value is None or value <= self.slack:
            return None
        return self.finding(
            history,
            Severity.WARNING,
            f"an episode has run for {value:.1f} times the time limit",
            value,
            self.slack,
            ("probe/overlong", "probe/running"),
        )
