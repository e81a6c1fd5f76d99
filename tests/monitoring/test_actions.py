"""Actions: what is accepted, what each changes and leaves alone, when it acts, how it is told."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from sb3_contrib import TRPO
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from sb3_ac_ext import DiagnosticsCallback
from sb3_ac_ext.monitoring.actions import (
    ACTIONS,
    Action,
    Call,
    Case,
    Checkpoint,
    ClipRewards,
    RollBack,
    ScaleLearningRate,
    SetEntropyCoefficient,
    Stop,
    parse_actions,
)
from sb3_ac_ext.monitoring.detectors import Detector
from sb3_ac_ext.monitoring.history import read_history
from sb3_ac_ext.monitoring.records import Event, Finding
from sb3_ac_ext.monitoring.sinks.plain import PlainConsole
from sb3_ac_ext.monitoring.watch import judge
from sb3_ac_ext.report import render_report
from tests.monitoring.acting import (
    ALGORITHMS,
    CRITICAL,
    FINDING,
    INFO,
    WARNING,
    Scripted,
    case,
    changed,
    fingerprint,
    learnt,
    make,
    normalised,
    once,
    same,
    watch,
)

# ---------------------------------------------------------------- what is accepted


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({}, []),
        ({"critical": Stop()}, [("critical", ["stop"])]),
        ({"critical": "stop"}, [("critical", ["stop"])]),
        ({"info": ["checkpoint", "stop"]}, [("info", ["checkpoint", "stop"])]),
        ({"warning": {"checkpoint": None}}, [("warning", ["checkpoint"])]),
        (
            {
                "critical": "stop",
                "learning_rate_too_high": ["roll_back", {"scale_learning_rate": {"factor": 0.3}}],
            },
            [
                ("critical", ["stop"]),
                ("learning_rate_too_high", ["roll_back", "scale_learning_rate"]),
            ],
        ),
        (
            {"reward_outliers": {"clip_rewards": {"limit": 5}}},
            [("reward_outliers", ["clip_rewards"])],
        ),
        ({"critical": {"call": {"function": "json.dumps"}}}, [("critical", ["call"])]),
    ],
)
def test_what_is_written_becomes_rules(written: Any, expected: Any) -> None:
    rules = parse_actions(written)
    assert [(rule.key, [action.name for action in rule.actions]) for rule in rules] == expected


def test_arguments_from_yaml_reach_the_action() -> None:
    (rule,) = parse_actions(
        {
            "critical": [
                {"scale_learning_rate": {"factor": 0.3, "times": 2}},
                {"roll_back": {"every": 500, "keep": 3}},
                {"set_entropy_coefficient": {"value": 0.01}},
            ]
        }
    )
    scale, back, entropy = rule.actions
    assert isinstance(scale, ScaleLearningRate) and (scale.factor, scale.times) == (0.3, 2)
    assert isinstance(back, RollBack) and back.every == 500
    assert isinstance(entropy, SetEntropyCoefficient) and entropy.value == 0.01


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (["stop"], "give severities or causes"),
        ({"critcal": "stop"}, "'critcal', did you mean 'critical'"),
        ({"learning_rate_to_high": "stop"}, "did you mean 'learning_rate_too_high'"),
        ({7: "stop"}, "unknown severity or cause in actions 7"),
        ({"critical": "stpo"}, "unknown action 'stpo', did you mean 'stop'"),
        ({"critical": None}, "None is no action"),
        ({"critical": []}, "holds no action"),
        ({"critical": Stop}, "is no action"),
        ({"critical": {"stop": None, "checkpoint": None}}, "is no action"),
        ({"critical": {"scale_learning_rate": 0.3}}, "must be a mapping, not 0.3"),
        ({"critical": "scale_learning_rate"}, "scale_learning_rate: missing .*'factor'"),
        ({"critical": {"scale_learning_rate": {"facter": 0.3}}}, "did you mean 'factor'"),
        ({"critical": {"scale_learning_rate": {"factor": -1}}}, "factor=-1 is not accepted"),
        ({"critical": {"scale_learning_rate": {"factor": "x"}}}, "factor='x' is not accepted"),
        ({"critical": {"scale_learning_rate": {"factor": True}}}, "factor=True is not accepted"),
        ({"critical": {"clip_rewards": {"limit": float("inf")}}}, "limit=inf is not accepted"),
        ({"critical": {"set_entropy_coefficient": {}}}, "give exactly one"),
        ({"critical": {"set_entropy_coefficient": {"value": 1, "factor": 1}}}, "give exactly one"),
        ({"critical": {"set_entropy_coefficient": {"value": -0.1}}}, "value=-0.1 is not accepted"),
        ({"critical": {"roll_back": {"keep": 0}}}, "keep=0 is not accepted"),
        ({"critical": {"roll_back": {"every": 0.5}}}, "every=0.5 is not accepted"),
        ({"critical": {"roll_back": {"times": 0}}}, "times=0 is not accepted"),
        ({"critical": {"call": {"function": "no_such_module.f"}}}, "no module 'no_such_module'"),
        ({"critical": {"call": {"function": "json.dumbs"}}}, "did you mean json.dumps"),
        ({"critical": {"call": {"function": "json.__name__"}}}, "cannot be called"),
    ],
)
def test_what_is_not_accepted_is_named_with_the_nearest(written: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        DiagnosticsCallback(actions=written)


def test_every_action_has_a_name_in_yaml() -> None:
    assert set(ACTIONS) == {
        "stop",
        "checkpoint",
        "roll_back",
        "scale_learning_rate",
        "set_entropy_coefficient",
        "clip_rewards",
        "call",
    }


# ---------------------------------------------------------------- when


class Count(Action):
    """Remembers the steps at which it acted."""

    name = "count"

    def __init__(self, times: int = 1, remedy: bool = True) -> None:
        super().__init__(times)
        self.remedy = remedy  # type: ignore[misc]
        self.steps: list[int] = []

    def apply(self, case: Case) -> str:
        self.steps.append(case.step)
        return "counted"


def snapshots_acted(rules: Any, *detectors: Detector, snapshots: int = 12) -> list[Any]:
    """Numbers of the snapshots after which the action of each rule acted."""
    actions = rules.values()
    make("ppo").learn(16 * snapshots, callback=watch(rules, *detectors))
    return [[step // 16 for step in action.steps] for action in actions]


LASTING = Scripted(tuple((n, CRITICAL, n - 3) for n in range(3, 13)))
RETURNING = Scripted(tuple((n, CRITICAL, 0) for n in (3, 6, 9)))


@pytest.mark.parametrize(
    ("key", "times", "remedy", "detectors", "expected"),
    [
        ("critical", 1, True, [LASTING], [3]),
        ("critical", 5, True, [LASTING], [3]),  # it never began anew
        ("critical", 1, True, [RETURNING], [3]),
        ("critical", 2, True, [RETURNING], [3, 6]),
        ("critical", 9, False, [RETURNING], [3, 6, 9]),
        ("critical", 1, True, [once(3, WARNING)], []),
        ("warning", 1, True, [once(3, CRITICAL)], [3]),
        ("info", 1, True, [once(3, INFO)], [3]),
        # graver at snapshot 5 than before
        ("critical", 1, True, [Scripted(((3, WARNING, 0), (5, CRITICAL, 2)))], [5]),
        # another finding whose symptom began before the remedy: treated, but not told
        ("critical", 1, True, [once(3), once(5, ago=3, label="other")], [3]),
        ("critical", 1, False, [once(3), once(5, ago=3, label="other")], [3, 5]),
        ("critical", 1, True, [once(3), once(5, ago=1, label="other")], [3, 5]),
        ("learning_rate_too_high", 1, True, [once(4)], [4]),
        ("learning_rate_too_high", 1, True, [once(4, INFO)], []),  # confidence 0.4
        ("learning_rate_too_high", 1, True, [once(4, cause="reward_outliers")], []),
        # ranked second, behind a cause of higher certainty
        (
            "learning_rate_too_high",
            1,
            True,
            [once(4), once(4, cause="nonfinite_environment", label="other")],
            [],
        ),
    ],
)
def test_when_a_rule_acts(
    key: str, times: int, remedy: bool, detectors: list[Detector], expected: list[int]
) -> None:
    assert snapshots_acted({key: Count(times, remedy)}, *detectors) == [expected]


def test_findings_of_two_workers_are_two() -> None:
    first, second = (replace(FINDING, worker=worker) for worker in (0, 1))
    action = Count(remedy=False)
    for finding in (first, second, first):
        if action.due(finding):
            action.run(Case(None, finding, 100, 90, Path()))
    assert len(action.steps) == 2


def test_a_new_run_with_the_same_callback_starts_afresh_and_a_continued_one_does_not() -> None:
    action = Count()
    callback = watch({"critical": action})
    model = make("ppo")
    model.learn(64, callback=callback)
    model.learn(64, callback=callback, reset_num_timesteps=False)
    assert action.steps == [48]
    model.learn(64, callback=callback)
    assert action.steps == [48, 48] and len(callback.history.events) == 1


# ---------------------------------------------------------------- what each changes


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_learning_rate_is_scaled_where_training_reads_it(algo: str) -> None:
    model = make(algo, learning_rate=1e-3).learn(64)
    before = fingerprint(model)
    assert "from 0.001 to 0.0003" in ScaleLearningRate(0.3).apply(case(model))
    assert changed(before, model) == {"rate", "learning_rate"}
    model.learn(64)
    owner = getattr(model.policy, "actor", model.policy)
    assert owner.optimizer.param_groups[0]["lr"] == pytest.approx(3e-4)


def test_a_scaled_schedule_stays_one_and_is_saved(tmp_path: Path) -> None:
    model = make("ppo", learning_rate=lambda remaining: remaining)
    ScaleLearningRate(0.5).apply(case(model))
    ScaleLearningRate(0.5).apply(case(model))
    assert model.lr_schedule(0.8) == pytest.approx(0.2)
    model.save(tmp_path / "model")
    assert PPO.load(tmp_path / "model").lr_schedule(0.8) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("algo", "ent_coef", "arguments", "expected"),
    [
        ("ppo", 0.5, {"value": 0.01}, 0.01),
        ("ppo", 0.5, {"factor": 0.1}, 0.05),
        ("a2c", 0.0, {"value": 0.2}, 0.2),
        ("sac", 0.5, {"factor": 0.1}, 0.05),
        ("sac", 0.5, {"value": 0.0}, 0.0),
        ("sac", "auto_0.5", {"value": 0.2}, 0.2),
        ("sac", "auto_0.5", {"factor": 0.1}, 0.05),
    ],
)
def test_entropy_coefficient_is_set_where_training_reads_it(
    algo: str, ent_coef: Any, arguments: dict[str, float], expected: float
) -> None:
    model: Any = make(algo, ent_coef=ent_coef)
    before = fingerprint(model)
    SetEntropyCoefficient(**arguments).apply(case(model))
    if isinstance(ent_coef, str):
        assert float(model.log_ent_coef.detach().exp()) == pytest.approx(expected)
        assert model.log_ent_coef.requires_grad and changed(before, model) == {"state"}
        optimized = model.ent_coef_optimizer.param_groups[0]["params"]
        assert optimized[0] is model.log_ent_coef
    elif algo == "sac":
        assert float(model.ent_coef_tensor) == pytest.approx(expected)
        assert changed(before, model) == {"ent_coef", "ent_coef_tensor"}
    else:
        assert model.ent_coef == pytest.approx(expected)
        assert changed(before, model) == {"ent_coef"}


@pytest.mark.parametrize("model", [make("td3"), TRPO("MlpPolicy", "CartPole-v1", n_steps=16)])
def test_algorithms_without_an_entropy_coefficient_say_so(model: Any) -> None:
    with pytest.raises(ValueError, match="has no entropy coefficient"):
        SetEntropyCoefficient(value=0.1).apply(case(model))


def test_a_learnt_coefficient_cannot_become_zero() -> None:
    with pytest.raises(ValueError, match="learnt"):
        SetEntropyCoefficient(value=0).apply(case(make("sac")))


class Outliers(gym.RewardWrapper):
    """Every reward is 1,000."""

    def reward(self, reward: Any) -> float:
        return 1000.0


def outliers(normalise: bool) -> Any:
    env = make_vec_env("Pendulum-v1", n_envs=2, seed=0, wrapper_class=Outliers)
    return VecNormalize(env, norm_reward=False) if normalise else env


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("algo", ["ppo", "sac"])
def test_rewards_are_clipped_from_the_action_on_until_the_end(algo: str, normalise: bool) -> None:
    env = outliers(normalise)
    callback = watch({"critical": ClipRewards(5)})
    model: Any = make(algo, env)
    model.learn(160, callback=callback)
    if algo == "sac":
        stored = model.replay_buffer.rewards[: model.replay_buffer.pos]
        assert stored.max() == 5.0 and "stored ones too" in callback.history.events[0].text
    else:  # the buffer of the last rollout
        assert model.rollout_buffer.rewards.max() == 5.0
    assert all("step_wait" not in vars(e) for e in (env, getattr(env, "venv", env)))
    env.reset()
    assert float(env.step(np.zeros((2, 1)))[1].max()) == 1000.0


def test_stored_rewards_can_be_left_and_a_continued_run_clips_again() -> None:
    env = outliers(False)
    model: Any = make("sac", env)
    callback = watch({"critical": ClipRewards(5, stored=False)})
    model.learn(96, callback=callback)
    model.learn(32, callback=callback, reset_num_timesteps=False)
    rewards = model.replay_buffer.rewards[: model.replay_buffer.pos, 0]
    begin = callback.history.events[0].step // 2
    assert set(rewards[:begin]) == {1000.0} and set(rewards[begin:]) == {5.0}
    model.learn(32, callback=callback)
    assert model.replay_buffer.rewards[model.replay_buffer.pos - 1, 0] == 1000.0


def test_evaluation_goes_on_beside_clipped_training() -> None:
    env, eval_env = outliers(True), outliers(True)
    evaluation = EvalCallback(eval_env, eval_freq=20, n_eval_episodes=1, verbose=0)
    callback = watch({"critical": ClipRewards(5)})
    make("ppo", env).learn(128, callback=[callback, evaluation])
    assert len(callback.history.events) == 1 and np.isfinite(evaluation.last_mean_reward)


@pytest.mark.parametrize("algo", ["ppo", "sac"])
def test_a_checkpoint_is_the_model_at_the_finding(algo: str, tmp_path: Path) -> None:
    kept: dict[str, Any] = {}

    def note(model: Any, finding: Finding) -> str:
        kept.update(model.policy.state_dict(), obs=model.get_env().obs_rms.mean.copy())
        kept.update({name: tensor.clone() for name, tensor in model.policy.state_dict().items()})
        return "noted"

    actions = {"critical": [Checkpoint(replay_buffer=True), Call(note)]}
    callback = watch(actions, log_dir=tmp_path, report=False)
    make(algo, normalised()).learn(96, callback=callback)
    step = callback.history.events[0].step
    saved = ALGORITHMS[algo][0].load(tmp_path / f"checkpoints/finding_scripted_{step}_steps")
    for name, tensor in saved.policy.state_dict().items():
        assert th.equal(tensor, kept[name]), name
    path = tmp_path / f"checkpoints/finding_scripted_vecnormalize_{step}_steps.pkl"
    mean = VecNormalize.load(str(path), make_vec_env("Pendulum-v1")).obs_rms.mean
    np.testing.assert_array_equal(mean, kept["obs"])
    buffer = tmp_path / f"checkpoints/finding_scripted_replay_buffer_{step}_steps.pkl"
    assert buffer.exists() == (algo == "sac")
    assert callback.history.events[1].text.endswith("note: noted")


# ---------------------------------------------------------------- how it is told


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_stop_ends_training_cleanly_and_the_verdict_says_why(algo: str) -> None:
    stream = StringIO()
    model = make(algo)
    callback = watch({"critical": Stop()}, sinks=[PlainConsole(stream)])
    model.learn(2000, callback=callback)
    (event,) = callback.verdict.events
    assert event.step <= model.num_timesteps <= event.step + 1 < 200
    assert event.text == "training ends here, because it was scripted"
    assert "train" not in vars(model)
    live, verdict = stream.getvalue().split("Verdict:")
    assert f"ACTION   step {event.step:,}: stop: training ends here" in live
    assert "because it was scripted (for scripted)" in verdict
    model.learn(48, callback=watch({"warning": Stop()}, once(99)))
    assert model.num_timesteps >= 48


def test_stop_reaches_a_second_run_of_the_same_callback_anew() -> None:
    callback = watch({"critical": Stop()})
    for _ in range(2):
        model = make("ppo").learn(400, callback=callback)
        assert model.num_timesteps == 49


def test_an_action_that_fails_is_told_and_training_goes_on() -> None:
    def broken(model: Any, finding: Finding) -> None:
        raise RuntimeError("no such luck")

    action = Count()
    callback = watch({"critical": [Call(broken), action]})
    with pytest.warns(UserWarning, match="action call at step 48 failed: no such luck"):
        model = make("ppo").learn(96, callback=callback)
    assert model.num_timesteps == 96 and action.steps == [48]
    assert [event.failed for event in callback.history.events] == [True, False]


def test_events_are_recorded_read_back_and_change_no_judgement(tmp_path: Path) -> None:
    callback = DiagnosticsCallback(
        log_dir=tmp_path, every=16, canary_freq=0, verbose=0, actions={"info": ["roll_back"]}
    )
    make("ppo", learning_rate=0.3).learn(400, callback=callback)
    assert callback.history.events
    read = read_history(tmp_path / "monitor.jsonl")
    assert read.events == callback.history.events
    assert judge(read) == callback.verdict and callback.verdict.events == tuple(read.events)
    lines = (tmp_path / "monitor.jsonl").read_text().splitlines()
    without = [line for line in lines if json.loads(line)["kind"] != "event"]
    assert len(without) < len(lines)
    older = tmp_path / "older.jsonl"
    older.write_text("\n".join(without) + "\n")
    assert replace(judge(read_history(older)), events=callback.verdict.events) == callback.verdict
    assert "Actions taken" in (tmp_path / "report.html").read_text()


def test_events_go_with_the_steps_that_are_superseded(tmp_path: Path) -> None:
    path = tmp_path / "monitor.jsonl"
    run, point = {"kind": "run"}, {"kind": "snapshot", "seconds": 0, "values": {}}
    event = {"kind": "event", **Event(20, "stop", "kl", "x").to_json()}
    rows = [run, {**point, "step": 10}, {**event, "step": 10}, {**point, "step": 20}, event]
    rows += [run, {**point, "step": 15}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    history = read_history(path)
    assert [event.step for event in history.events] == [10]
    assert history.until(0).events == []


def test_the_report_lists_and_marks_events() -> None:
    callback = watch({"critical": "stop"}, signals=None)
    make("ppo", "CartPole-v1").learn(400, callback=callback)
    page = render_report(callback.history, callback.verdict)
    assert "Step 48: stop" in page and "because it was scripted (for scripted)" in page
    assert '"action"' in page


# ---------------------------------------------------------------- opt-in


@pytest.mark.parametrize("algo", ["ppo", "sac"])
def test_actions_that_are_not_called_for_leave_training_bit_identical(algo: str) -> None:
    everything = {
        "critical": [RollBack(), ScaleLearningRate(0.1), ClipRewards(0.1), Stop()],
        "reward_outliers": ["checkpoint", {"set_entropy_coefficient": {"value": 1}}],
    }
    plain = make(algo, normalised()).learn(112)
    watched = make(algo, normalised()).learn(112, callback=watch(everything, once(2, INFO)))
    assert same(learnt(plain), learnt(watched))
    assert same(watched.get_vec_normalize_env().returns, plain.get_vec_normalize_env().returns)  # type: ignore[union-attr]


def test_two_callbacks_measure_an_update_before_one_of_them_acts() -> None:
    """The second one's view of the update must not be of the model that was put back."""
    acting = watch({"critical": RollBack()}, once(3, ago=1))
    observing = DiagnosticsCallback(every=16, canary_freq=0, verbose=0)
    alone = DiagnosticsCallback(every=16, canary_freq=0, verbose=0)
    make("ppo").learn(48, callback=[acting, observing])
    make("ppo").learn(48, callback=alone)
    name = "weights/policy/update_ratio"
    seen, expected = (c.history.series(name).values for c in (observing, alone))
    assert len(seen) == 3 and acting.history.events
    np.testing.assert_array_equal(seen, expected)
