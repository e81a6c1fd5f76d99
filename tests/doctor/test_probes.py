"""Sound algorithms pass every probe; a planted bug fails at the stage that it breaks."""

from __future__ import annotations

import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_ac_ext import registry
from sb3_ac_ext.doctor import Status
from sb3_ac_ext.doctor.algorithm import probe_check, probe_checks, supports
from sb3_ac_ext.doctor.deadline import Deadline
from sb3_ac_ext.doctor.probes import Both, Discounting, Probe
from sb3_ac_ext.doctor.readings import CHOICES, Reading
from sb3_ac_ext.doctor.stages import STAGES
from tests.doctor import planted

BY_NAME = {stage.name: stage for stage in STAGES}
# the algorithm, the stage that must fail, and what must be said of it
PLANTED = [
    (planted.FrozenCritic, "value fit", "does not learn"),
    (planted.DonesIgnored, "value fit", "dones are ignored"),
    (planted.RewardsFlipped, "value fit", "sign of rewards"),
    (planted.SacFrozenCritic, "value fit", "does not learn"),
    (planted.Td3NeverDone, "value fit", "dones are ignored"),
    (planted.CriticBlind, "observation dependence", "does not see the observation"),
    (planted.ObservationsShuffled, "observation dependence", "observation"),
    (planted.GammaIgnored, "discounting", "not multiplied by gamma"),
    (planted.NoBootstrap, "discounting", "next step is not used"),
    (planted.Td3GammaIgnored, "discounting", "not multiplied by gamma"),
    (planted.DdpgFrozenTarget, "discounting", "next step is not used"),
    (planted.DqnAlwaysDone, "discounting", "next step is not used"),
    (planted.AdvantageFlipped, "policy gradient", "away from what pays"),
    (planted.AdvantageZero, "policy gradient", "does not change"),
    (planted.ActionsRandom, "policy gradient", "the policy is wrong"),
    (planted.SacFrozenActor, "policy gradient", "does not change"),
    (planted.SacActorFlipped, "policy gradient", "away from what pays"),
    (planted.DqnShuffledActions, "policy gradient", "does not tell actions apart"),
    (planted.DqnWorstAction, "policy gradient", "known and not taken"),
    (planted.PolicyBlind, "both", "policy does not see the observation"),
    (planted.SacPolicyBlind, "both", "policy does not see the observation"),
]
QUICK = {"DonesIgnored", "CriticBlind", "Td3GammaIgnored", "AdvantageFlipped", "PolicyBlind"}


def kind(cls: type[BaseAlgorithm]) -> str:
    return "discrete" if supports(cls, continuous=False) else "continuous"


@pytest.mark.parametrize(
    ("cls", "stage", "words"),
    [
        pytest.param(*row, id=row[0].__name__)
        if row[0].__name__ in QUICK
        else pytest.param(*row, id=row[0].__name__, marks=pytest.mark.slow)
        for row in PLANTED
    ],
)
def test_a_planted_bug_fails_at_its_stage(cls, stage, words):
    if cls.__name__ in QUICK:
        check = probe_check(cls, BY_NAME[stage], kind(cls), 0, Deadline(60), attempts=1)
    else:
        checks = probe_checks(cls, 0, Deadline(300), (kind(cls),))
        check = next(check for check in checks if check.status is Status.FAIL)
    assert check.status is Status.FAIL and check.name.startswith(f"probe: {stage}")
    assert words in check.message and check.remedy


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("algo", ["ppo", "a2c", "sac", "td3", "ddpg", "dqn", "trpo", "tqc"])
def test_sound_algorithms_pass(algo, seed):
    checks = list(probe_checks(registry.algorithm(algo), seed, Deadline(300)))
    assert [check for check in checks if check.status is not Status.OK] == []


@pytest.mark.parametrize("algo", ["a2c", "dqn", "td3"])
@pytest.mark.parametrize("stage", ["discounting", "both"])
def test_sound_algorithms_pass_the_hardest_stages(algo, stage):
    cls = registry.algorithm(algo)
    check = probe_check(cls, BY_NAME[stage], kind(cls), 1, Deadline(60))
    assert check.status is Status.OK, check.message


def test_later_stages_are_skipped_where_they_would_say_nothing():
    checks = list(probe_checks(planted.Raises, 0, Deadline(60), ("discrete",)))
    assert [check.status for check in checks] == [
        Status.FAIL,
        Status.SKIPPED,
        Status.SKIPPED,
        Status.FAIL,
        Status.SKIPPED,
    ]
    assert checks[0].message == "training raises RuntimeError: shapes do not fit"
    assert "'value fit' is not right" in checks[1].message


def test_time_that_is_up_skips():
    checks = list(probe_checks(PPO, 0, Deadline(0.0)))
    assert len(checks) == 10 and {check.status for check in checks} == {Status.SKIPPED}


def test_training_is_interrupted_in_time():
    class Hangs(PPO):
        def train(self):
            while True:
                pass

    check = probe_check(Hangs, STAGES[0], "discrete", 0, Deadline(1.0))
    assert (check.status, check.message) == (Status.SKIPPED, "the time is up")


@pytest.mark.parametrize("probe", [stage.probe for stage in STAGES])
@pytest.mark.parametrize("continuous", [False, True])
def test_probes_are_sound_environments(probe, continuous):
    from gymnasium.utils.env_checker import check_env

    check_env(probe(continuous), skip_render_check=True)


def walk(probe: Probe, action: int) -> list[tuple[float, float]]:
    """Observation and reward of each step of an episode."""
    observation, _ = probe.reset(seed=0)
    steps, terminated = [], False
    while not terminated:
        following, reward, terminated, _, _ = probe.step(action)
        steps.append((float(observation[0]), reward))
        observation = following
    return steps


def test_what_probes_pay():
    assert walk(Discounting(False), 0) == [(-1.0, 0.0), (1.0, 1.0)]
    both = Both(False)
    for sign in (-1.0, 1.0):
        both.sign = sign
        observation, reward = walk(both, 0)[0]
        assert reward == -sign * observation


def reading(values, leaning, actions=()):
    return Reading(np.array(values, float), np.array(leaning), np.array(leaning), actions)


@pytest.mark.parametrize(
    ("stage", "values", "leaning", "actions", "hint"),
    [
        ("value fit", [[1.1]], [0.0], (), ""),
        ("value fit", [[0.05]], [0.0], (), "the critic does not learn at all"),
        ("value fit", [[np.nan]], [0.0], (), "the networks are no longer finite"),
        ("value fit", [[1.0, 0.5]], [0.0], CHOICES, "the critic fits something other than returns"),
        ("observation dependence", [[-0.9], [1.0]], [0.0], (), ""),
        ("observation dependence", [[1.0], [-1.0]], [0.0], (), "paired wrongly"),
        ("discounting", [[0.5], [1.0]], [0.0], (), ""),
        ("discounting", [[0.5], [0.5]], [0.0], (), "the last step"),
        ("discounting", [[0.25], [1.0]], [0.0], (), "put together wrongly"),
        ("policy gradient", [[0.0]], [0.6], (), ""),
        ("policy gradient", [[0.0]], [0.3], (), "does not learn what pays"),
        ("policy gradient", [[-1.0, 1.0]], [1.0], CHOICES, ""),
        ("policy gradient", [[0.0, 0.0]], [1.0], CHOICES, "does not tell actions apart"),
        ("both", [[0.0], [0.0]], [-1.0, 1.0], (), ""),
        ("both", [[0.0], [0.0]], [1.0, -1.0], (), "paired wrongly"),
    ],
)
def test_answers(stage, values, leaning, actions, hint):
    untrained = reading([[0.0]] * len(values), [0.0] * len(leaning))
    answer = BY_NAME[stage].judge(reading(values, leaning, actions), untrained, 0.5, 1.0)
    assert answer.right == (hint == "") and hint in answer.hint
    assert "expected" in answer.message and "got" in answer.message
