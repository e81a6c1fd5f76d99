"""Train an algorithm on the probes, and say at which stage it is broken."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_ac_ext.doctor.deadline import Deadline, OutOfTime, enforced
from sb3_ac_ext.doctor.families import family, settings
from sb3_ac_ext.doctor.probes import Discounting, Probe
from sb3_ac_ext.doctor.readings import Reading, read
from sb3_ac_ext.doctor.records import Check, Status
from sb3_ac_ext.doctor.stages import STAGES, Answer, Stage

KINDS = ("discrete", "continuous")
ATTEMPTS = 4
_STILL = 0.02
_REMEDIES = {
    "value fit": "look at the critic's loss, its optimizer, and the targets' rewards and dones",
    "observation dependence": "look at what the critic is given, and how observations are stored",
    "discounting": "look at where gamma and the next value enter the targets",
    "policy gradient": "look at the policy's loss, its sign, its optimizer, and the advantages",
    "both": "look at what the policy is given, and how observations and actions are stored",
}


class Unsupported(ValueError):
    """The algorithm has no such actions."""


def probe_checks(
    cls: type[BaseAlgorithm], seed: int, deadline: Deadline, kinds: tuple[str, ...] = KINDS
) -> Iterator[Check]:
    """One check per stage and kind of actions that the algorithm has, by stage.

    :param cls: algorithm class
    :param seed: of networks and environments
    :param deadline: after which checks are skipped
    :param kinds: of actions: ``discrete``, ``continuous``
    :raises ValueError: for an algorithm that cannot be built, or has no critic
    """
    kinds = tuple(kind for kind in kinds if supports(cls, kind == "continuous"))
    if not kinds:
        raise ValueError(f"{cls.__name__} takes neither Discrete nor Box actions")
    broken: set[tuple[str, str]] = set()
    for stage in STAGES:
        for kind in kinds:
            missing = [name for name in _needs(stage, cls) if (name, kind) in broken]
            check = (
                _skipped(stage, kind, f"says nothing while {missing[0]!r} is not right")
                if missing
                else probe_check(cls, stage, kind, seed, deadline)
            )
            if check.status is not Status.OK:
                broken.add((stage.name, kind))
            yield check


def supports(cls: type[BaseAlgorithm], continuous: bool) -> bool:
    """Whether an algorithm takes such actions.

    :param cls: algorithm class
    :param continuous: kind of the probe's actions
    :raises ValueError: if it cannot be built for another reason
    """
    try:
        _build(cls, STAGES[0].probe, continuous, seed=0)
    except Unsupported:
        return False
    return True


def probe_check(
    cls: type[BaseAlgorithm],
    stage: Stage,
    kind: str,
    seed: int,
    deadline: Deadline,
    attempts: int = ATTEMPTS,
) -> Check:
    """Train on one probe until the answer is right.

    :param cls: algorithm class
    :param stage: of :data:`STAGES`
    :param kind: ``discrete`` or ``continuous`` actions
    :param seed: of networks and environments
    :param deadline: after which the check is skipped
    :param attempts: to train for as long as a sound algorithm needs, one after the other
    """
    if deadline.over():
        return _skipped(stage, kind, "the time is up")
    try:
        with _one_thread(), enforced(deadline), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = _train(cls, stage, kind == "continuous", seed, attempts)
    except OutOfTime:
        return _skipped(stage, kind, "the time is up")
    except Exception as error:
        text = str(error).strip().partition("\n")[0]
        message = f"training raises {type(error).__name__}: {text}"
        return Check(_name(stage, kind), Status.FAIL, message, _REMEDIES[stage.name])
    if answer.right:
        return Check(_name(stage, kind), Status.OK, answer.message)
    message = f"{stage.what}: {answer.hint}; {answer.message}"
    return Check(_name(stage, kind), Status.FAIL, message, _REMEDIES[stage.name])


def _train(
    cls: type[BaseAlgorithm], stage: Stage, continuous: bool, seed: int, attempts: int
) -> Answer:
    model, probes = _build(cls, stage.probe, continuous, seed)
    in_turn = stage.probe is Discounting
    untrained = read(model, stage.observations, in_turn)
    sign = _unlikely_sign(untrained, stage)
    for probe in probes:
        probe.sign = sign
    gamma = float(getattr(model, "gamma", 0.0))
    before = untrained
    for attempt in range(attempts):
        model.learn(family(cls).n_timesteps, reset_num_timesteps=attempt == 0)
        trained = read(model, stage.observations, in_turn)
        answer = stage.judge(trained, untrained, gamma, sign)
        if answer.right or (attempt and _settled(before, trained)):
            break
        before = trained
    return answer


def _settled(before: Reading, after: Reading) -> bool:
    """Whether more training will not change the answer."""
    values = np.allclose(before.values, after.values, atol=_STILL, equal_nan=True)
    return values and np.allclose(before.leaning, after.leaning, atol=_STILL, equal_nan=True)


def _unlikely_sign(untrained: Reading, stage: Stage) -> float:
    """Pay for what the untrained policy does not do: one that never changes must not pass."""
    does = untrained.greedy * stage.observations
    return -1.0 if bool((does > 0).all()) else 1.0


def _build(
    cls: type[BaseAlgorithm], probe: type[Probe], continuous: bool, seed: int
) -> tuple[BaseAlgorithm, list[Probe]]:
    probes = [probe(continuous) for _ in range(family(cls).n_envs)]
    env = DummyVecEnv([lambda one=one: Monitor(one) for one in probes])  # type: ignore[misc]
    kwargs: dict[str, Any] = settings(cls, continuous)
    try:
        return cls(env=env, seed=seed, device="cpu", verbose=0, **kwargs), probes
    except AssertionError as error:
        if "action space" in str(error):
            raise Unsupported(str(error)) from error
        raise ValueError(f"{cls.__name__} cannot be built: {error}") from error
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"{cls.__name__} cannot be built: {reason}") from error


def _needs(stage: Stage, cls: type[BaseAlgorithm]) -> tuple[str, ...]:
    return stage.needs + (stage.needs_critic if family(cls).learns_from_critic else ())


def _name(stage: Stage, kind: str) -> str:
    return f"probe: {stage.name} ({kind})"


def _skipped(stage: Stage, kind: str, reason: str) -> Check:
    return Check(_name(stage, kind), Status.SKIPPED, reason)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Networks this small are slower on more."""
    before = th.get_num_threads()
    th.set_num_threads(1)
    try:
        yield
    finally:
        th.set_num_threads(before)
