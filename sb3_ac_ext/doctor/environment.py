"""All checks of one environment, and of a configuration for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from gymnasium import spaces
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from sb3_ac_ext import registry
from sb3_ac_ext.config import Config
from sb3_ac_ext.doctor import actions, episodes, observations, rewards, seeding, stacks, timing
from sb3_ac_ext.doctor.budget import budget, horizon
from sb3_ac_ext.doctor.checkers import gymnasium_checker, sb3_checker
from sb3_ac_ext.doctor.deadline import Deadline
from sb3_ac_ext.doctor.examiner import Examiner
from sb3_ac_ext.doctor.exploration import Experience, explore
from sb3_ac_ext.doctor.records import Check, Status
from sb3_ac_ext.doctor.replays import Replays
from sb3_ac_ext.doctor.subject import Subject
from sb3_ac_ext.models import new_model

_SECONDS = 10.0
_GRACE = 3.0
_SMALL_BUFFER = 1_000
_LEAST_STEPS = 50
_SEEN = "what a random policy sees"
_HANGS = f"a step or a reset takes more than {_GRACE:.0f} s"


@dataclass(frozen=True)
class Normalized:
    """What normalises before the agent sees it, empty for nothing."""

    obs: str = ""
    reward: str = ""


def environment_checks(subject: Subject, examiner: Examiner) -> None:
    """Examine an environment, and the configuration where there is one.

    :param subject: the environment
    :param examiner: takes the checks
    """
    normalized = Normalized()
    if subject.config is not None:
        normalized = _configuration_checks(subject, subject.config, examiner) or normalized
    experience = examiner.attempt(
        "random policy", _SECONDS + _GRACE, lambda part: _explored(subject, part), hangs=_HANGS
    )
    if experience is None:
        examiner.skip(_SEEN, "it could not be run")
    elif experience.n_steps < _LEAST_STEPS:
        examiner.skip(_SEEN, f"only {experience.n_steps} steps were taken in the time")
    else:
        _experience_checks(subject, examiner, experience, normalized)
        _action_checks(subject, examiner)
    # last, for what they complain of is often said better above
    examiner.ask("Gymnasium's checker", _SECONDS, lambda _: gymnasium_checker(subject))
    examiner.ask("SB3's checker", _SECONDS, lambda _: sb3_checker(subject))


def _explored(subject: Subject, deadline: Deadline) -> Experience:
    # by itself it ends earlier than it would be interrupted
    with subject.single() as env:
        return explore(env, subject.seed, deadline.part(max(deadline.left() - _GRACE, 1.0)))


def _experience_checks(
    subject: Subject, examiner: Examiner, experience: Experience, normalized: Normalized
) -> None:
    limit = subject.spec.max_episode_steps
    questions: list[Callable[[Experience], Check]] = [
        observations.finite,
        observations.stale,
        observations.overwritten,
        observations.old_state,
        observations.constant,
        lambda seen: observations.scale(seen, normalized.obs),
        rewards.finite,
        rewards.constant,
        lambda seen: rewards.scale(seen, subject.gamma, normalized.reward),
        rewards.outliers,
        lambda seen: episodes.ends(seen, limit),
        lambda seen: episodes.early_flag(seen, limit),
        timing.step_time,
    ]
    if (config := subject.config) is not None:
        questions.append(lambda seen: horizon(config, seen, limit))
    for question in questions:
        examiner.ask(_SEEN, _SECONDS, partial(_answer, question, experience))
    examiner.ask(
        "time limit",
        _SECONDS,
        lambda part: episodes.limit_flag(
            experience, limit, episodes.shortened_episodes(subject, part)
        ),
    )
    examiner.ask("worker seeds", _SECONDS, lambda _: seeding.workers(subject, experience))


def _answer(
    question: Callable[[Experience], Check], experience: Experience, deadline: Deadline
) -> Check:
    return question(experience)


def _action_checks(subject: Subject, examiner: Examiner) -> None:
    deterministic = examiner.attempt(
        "determinism", _SECONDS, lambda _: seeding.determinism(subject)
    )
    if deterministic is not None:
        examiner.checks.append(deterministic)
    if deterministic is None or deterministic.status is not Status.OK:
        examiner.skip("actions matter", "the same start cannot be played twice")
    else:
        examiner.ask("actions matter", _SECONDS, lambda part: list(_replayed(subject, part)))
    examiner.ask("action space", _SECONDS, lambda _: _bounds(subject))


def _replayed(subject: Subject, deadline: Deadline) -> Iterator[Check]:
    with subject.single() as env:
        replays = Replays(env, subject.seed)
        soft = deadline.part(max(deadline.left() - _GRACE, 1.0))
        yield actions.effect(replays, soft)
        if isinstance(env.action_space, spaces.Box):
            yield actions.unused(replays, soft)
        elif isinstance(env.action_space, spaces.Discrete):
            yield actions.alike(replays, soft)


def _bounds(subject: Subject) -> Check:
    rescaled = None
    if subject.config is not None:
        rescaled = issubclass(registry.algorithm(subject.config.algo), OffPolicyAlgorithm)
    with subject.single() as env:
        return actions.bounds(env.action_space, rescaled)


def _configuration_checks(
    subject: Subject, config: Config, examiner: Examiner
) -> Normalized | None:
    examiner.checks += budget(config)
    environment = subject.environment
    examiner.checks.append(
        stacks.arguments(dict(environment.env_kwargs), dict(environment.eval_env_kwargs))
    )
    factory = subject.factory
    try:
        made = examiner.attempt(
            "training and evaluation environments",
            _SECONDS,
            lambda _: (factory.training(subject.seed), factory.evaluation(1, subject.seed)),
        )
        if made is None:
            return None
        training, evaluation = made
        examiner.ask("algorithm", _SECONDS, lambda _: _fits(subject, config, training))
        examiner.ask(
            "wrappers",
            _SECONDS,
            lambda _: _stack_checks(subject, training, evaluation),
        )
        return Normalized(
            *(" and ".join(stacks.normalizers(training, what)) for what in ("obs", "reward"))
        )
    finally:
        factory.close()


def _stack_checks(subject: Subject, training: VecEnv, evaluation: VecEnv) -> list[Check]:
    return [
        stacks.normalized_once(training),
        stacks.normalizer_gamma(training, subject.gamma),
        stacks.parity(training, evaluation),
        stacks.evaluation_normalizer(training, evaluation),
    ]


def _fits(subject: Subject, config: Config, env: VecEnv) -> Check:
    """Whether the model can be built, which is tried with a small buffer."""
    name = "algorithm"
    hyperparameters: dict[str, Any] = dict(config.hyperparameters)
    if issubclass(registry.algorithm(config.algo), OffPolicyAlgorithm):
        hyperparameters["buffer_size"] = _SMALL_BUFFER
    small = replace(config, hyperparameters=hyperparameters)
    try:
        new_model(small, env, subject.spec.id, seed=subject.seed, device="cpu", verbose=0)
    except ValueError as error:
        remedy = "choose another algorithm, or wrap the environment"
        return Check(name, Status.FAIL, str(error), remedy)
    return Check(name, Status.OK, f"{config.algo} can be built for it")
