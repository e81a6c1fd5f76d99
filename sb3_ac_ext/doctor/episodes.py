"""Checks of how episodes end: done and truncation semantics against the environment's spec."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sb3_ac_ext.doctor.deadline import Deadline
from sb3_ac_ext.doctor.exploration import Episode, Experience, explore
from sb3_ac_ext.doctor.records import Check, Status
from sb3_ac_ext.doctor.subject import Subject

_LEAST_ENDS = 3
_SHORT_LIMIT = 5
_MANY_STEPS = 1_000


def ends(experience: Experience, limit: int | None) -> Check:
    """Episodes end, not at once, and not after their limit.

    :param experience: of a random policy
    :param limit: ``max_episode_steps`` of the spec
    """
    name = "episodes end"
    longest = max(episode.length for episode in experience.episodes)
    if limit is not None and longest > limit:
        message = f"an episode took {longest:,} steps, the spec's max_episode_steps is {limit:,}"
        remedy = "keep TimeLimit in the stack, and let no wrapper hide truncated from its caller"
        return Check(name, Status.FAIL, message, remedy)
    lengths = experience.lengths
    if not len(lengths):
        if limit is not None and longest < limit:
            message = f"none within {longest:,} steps, the limit of {limit:,} was not reached"
            return Check(name, Status.SKIPPED, message)
        if experience.n_steps < _MANY_STEPS:
            return Check(name, Status.SKIPPED, f"none within {experience.n_steps:,} slow steps")
        message = f"no episode ended in {experience.n_steps:,} steps, and the spec has no limit"
        remedy = "register with max_episode_steps, or return terminated where nothing can follow"
        return Check(name, Status.WARNING, message, remedy)
    low, middle, high = np.quantile(lengths, [0.0, 0.5, 1.0])
    steps = f"{low:,.0f} to {high:,.0f} (median {middle:,.0f})" if low < high else f"{low:,.0f}"
    message = f"{len(lengths):,} ended after {steps} step{'s' * int(high > 1)}"
    if lengths.max() == 1 and limit != 1:
        remedy = "if episodes should be longer, return terminated only when one is over"
        return Check(name, Status.WARNING, f"{message}: no second step was ever taken", remedy)
    return Check(name, Status.OK, message)


def limit_flag(experience: Experience, limit: int | None, shortened: Sequence[Episode]) -> Check:
    """A time limit flagged as termination is learnt as a death: values at it are too low.

    SB3 takes an episode that is both for terminated.

    :param experience: of a random policy
    :param limit: ``max_episode_steps`` of the spec
    :param shortened: episodes of the same environment under a limit of a few steps
    """
    name = "time limit"
    if limit is None:
        return _unregistered_limit(experience)
    at_limit = [e for e in experience.ended if e.length == limit > 1]
    at_short = [e for e in shortened if e.ended and e.length == _SHORT_LIMIT]
    reached = at_limit if len(at_limit) >= _LEAST_ENDS else at_short
    if len(reached) < _LEAST_ENDS:
        return Check(
            name, Status.SKIPPED, f"{len(reached)} episodes reached the limit of {limit:,}"
        )
    wrong = sum(episode.terminated for episode in reached)
    where = (
        f"the limit of {limit:,}" if reached is at_limit else f"a limit shortened to {_SHORT_LIMIT}"
    )
    message = f"{wrong} of {len(reached)} episodes that reached {where} are flagged terminated"
    if wrong < len(reached):
        return Check(name, Status.OK, message)
    remedy = "return truncated=True and terminated=False at a time limit, so that SB3 bootstraps"
    return Check(name, Status.FAIL, message, remedy)


def _unregistered_limit(experience: Experience) -> Check:
    name = "time limit"
    lengths = experience.lengths
    if len(lengths) < _LEAST_ENDS:
        return Check(name, Status.SKIPPED, "the spec has no max_episode_steps")
    same = len(set(lengths)) == 1 and lengths[0] > 1
    if same and all(episode.terminated for episode in experience.ended):
        message = (
            f"all {len(lengths)} episodes are flagged terminated after exactly {lengths[0]:,} "
            "steps, and the spec has no max_episode_steps"
        )
        remedy = "if it is a time limit, return truncated instead, or register max_episode_steps"
        return Check(name, Status.WARNING, message, remedy)
    return Check(name, Status.OK, "the spec has none, and episodes do not all end alike")


def early_flag(experience: Experience, limit: int | None) -> Check:
    """An early end flagged truncated is never learnt: its value is bootstrapped instead.

    :param experience: of a random policy
    :param limit: ``max_episode_steps`` of the spec
    """
    name = "early ends"
    early = [e for e in experience.ended if limit is None or e.length < limit]
    if not early:
        return Check(name, Status.OK, "none before the limit")
    cut = [episode for episode in early if not episode.terminated]
    message = f"{len(cut)} of {len(early)} ends before the limit are flagged truncated"
    another_limit = len({episode.length for episode in cut}) == 1
    if len(cut) < len(early) or len(early) < _LEAST_ENDS or another_limit:
        return Check(name, Status.OK, message)
    remedy = "return terminated=True where the task itself ends, truncated only for other reasons"
    return Check(name, Status.WARNING, message, remedy)


def shortened_episodes(subject: Subject, deadline: Deadline) -> tuple[Episode, ...]:
    """Episodes under a limit that random actions reach, whether or not they reach the spec's.

    :param subject: the environment
    :param deadline: when to stop
    """
    limit = subject.spec.max_episode_steps
    if limit is None or limit <= _SHORT_LIMIT:
        return ()
    with subject.single(max_episode_steps=_SHORT_LIMIT) as env:
        return explore(env, subject.seed, deadline, max_steps=100).episodes
