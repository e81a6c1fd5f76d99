"""When it dumps, what it keeps, what it refuses, and that it never ends a training."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from sb3_contrib import ARS
from stable_baselines3 import A2C, PPO, SAC

from sb3_ac_ext import DiagnosticsCallback
from sb3_ac_ext.flight import read_dump, replay
from sb3_ac_ext.monitoring.detectors.base import Detector
from sb3_ac_ext.monitoring.records import Severity
from tests.flight.runs import OFF_POLICY, ON_POLICY, SMALL, At, FailsOnce, asked, recorder


@pytest.mark.parametrize("updates", [-1, 2.5, True, "4"])
def test_nonsense_is_refused(updates: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"flight_recorder=.* is not accepted"):
        DiagnosticsCallback(flight_recorder=updates, log_dir=tmp_path)


def test_a_dump_is_announced_with_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    watch = recorder(tmp_path, verbose=1, sinks=[])
    model = A2C("MlpPolicy", "CartPole-v1", seed=0)
    model.learn(20, callback=[watch, At(16, asked(watch))])
    expected = (
        f"flight recorder: critical finding: asked for; see sb3-ac replay {tmp_path}/flight_16"
    )
    assert capsys.readouterr().out == expected + "\n"


def test_it_needs_a_folder() -> None:
    with pytest.raises(ValueError, match=r"flight_recorder=4 needs log_dir=\.\.\."):
        DiagnosticsCallback(flight_recorder=4)


def test_it_is_off_by_default(tmp_path: Path) -> None:
    env = FailsOnce(gym.make("CartPole-v1"), 13, float("inf"))
    watch = DiagnosticsCallback(log_dir=tmp_path, verbose=0, canary_freq=0, report=False)
    with pytest.raises(ValueError):
        A2C("MlpPolicy", env, seed=0).learn(60, callback=watch)
    assert not list(tmp_path.glob("flight_*"))


@pytest.mark.parametrize("updates", [1, 2, 5])
def test_the_ring_keeps_as_many_as_asked_for(updates: int, tmp_path: Path) -> None:
    model = A2C("MlpPolicy", "CartPole-v1", seed=0, policy_kwargs=dict(SMALL))
    watch = recorder(tmp_path, updates)
    model.learn(52, callback=[watch, At(51, asked(watch))])
    dump = read_dump(watch.flight.dumps[0])
    assert [update.step for update in dump.updates] == list(range(5, 51, 5))[-updates:]
    assert replay(watch.flight.dumps[0], 0).reproduced is True


class AtOnce(Detector):
    """Critical at the first snapshot."""

    name = "at_once"
    causes = {"reward_scale": 1.0}  # noqa: RUF012
    advice = "none"

    def check(self, history: Any) -> Any:
        found = self.finding(history, Severity.CRITICAL, "as expected", 1.0, 0.0, ("episodes/n",))
        return found if len(history) == 1 else None


def test_a_critical_finding_dumps_the_update_it_was_found_after(tmp_path: Path) -> None:
    watch = recorder(tmp_path, detectors=[AtOnce()], every=128)
    PPO("MlpPolicy", "CartPole-v1", seed=0, **ON_POLICY).learn(300, callback=watch)
    assert len(watch.flight.dumps) == 1
    dump = read_dump(watch.flight.dumps[0])
    assert dump.reasons == ["critical finding: as expected"]
    assert dump.step == dump.updates[-1].step == watch.verdict.findings[0].step


def test_an_exception_in_train_dumps_and_is_raised(tmp_path: Path) -> None:
    watch = recorder(tmp_path)
    model = PPO("MlpPolicy", "CartPole-v1", seed=0, policy_kwargs=dict(SMALL), **ON_POLICY)
    update, left = model.policy.optimizer.step, [9]

    def step() -> None:
        left[0] -= 1
        if left[0] == 0:
            raise RuntimeError("the power failed\nin a long message")
        update()

    model.policy.optimizer.step = step  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="power failed"):
        model.learn(300, callback=watch)
    path = watch.flight.dumps[0]
    dump = read_dump(path)
    assert dump.reasons == ["train() raised RuntimeError: the power failed"]
    assert [update.error is None for update in dump.updates] == [True, False]
    again = replay(path)
    assert again.reproduced is False
    assert again.note == "train() raised nothing, and RuntimeError: the power failed before"
    assert replay(path, 0).reproduced is True


def test_a_nan_observation_is_dumped_before_it_ends_the_run(tmp_path: Path) -> None:
    class Blind(gym.ObservationWrapper):
        steps = 0

        def observation(self, observation: Any) -> Any:
            self.steps += 1
            return (
                np.where([False, True, False, False], np.nan, observation).astype(np.float32)
                if self.steps > 90
                else observation
            )

    watch = recorder(tmp_path)
    model = PPO("MlpPolicy", Blind(gym.make("CartPole-v1")), seed=0, **ON_POLICY)
    with pytest.raises(ValueError):
        model.learn(300, callback=watch)
    dump = read_dump(watch.flight.dumps[0])
    assert len(dump.updates) == 1
    assert dump.reasons[0].startswith("observation[1] of worker 0 = nan at step ")


def test_consequences_of_lost_weights_are_not_dumped_again(tmp_path: Path) -> None:
    def plant(model: Any) -> None:
        model.policy.actor.mu.weight.data[:] = np.nan

    watch = recorder(tmp_path)
    model = SAC("MlpPolicy", "Pendulum-v1", seed=0, policy_kwargs=dict(SMALL), **OFF_POLICY)
    with pytest.raises(ValueError):
        model.learn(100, callback=[watch, At(80, plant)])
    assert [path.name for path in watch.flight.dumps] == ["flight_80"]


def test_an_earlier_runs_dump_is_left_alone(tmp_path: Path) -> None:
    for _ in range(2):
        watch = recorder(tmp_path)
        model = A2C("MlpPolicy", "CartPole-v1", seed=0)
        model.learn(20, callback=[watch, At(16, asked(watch))])
    assert sorted(path.name for path in tmp_path.glob("flight_*")) == ["flight_16", "flight_16-2"]


def test_a_folder_that_cannot_be_written_ends_no_training(tmp_path: Path) -> None:
    watch = recorder(tmp_path / "run")
    model = A2C("MlpPolicy", "CartPole-v1", seed=0)
    model.learn(10, callback=watch)
    watch.flight._log_dir = tmp_path / "file"
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(UserWarning, match=r"flight_16 was not written: NotADirectoryError"):
        model.learn(20, callback=[watch, At(16, asked(watch))])
    assert model.num_timesteps == 20


def test_an_algorithm_that_cannot_be_recorded_trains_on(tmp_path: Path) -> None:
    class Odd(A2C):
        def _get_torch_save_params(self) -> Any:
            raise RuntimeError("not today")

    model = Odd("MlpPolicy", "CartPole-v1", seed=0)
    with pytest.warns(UserWarning, match="no more updates are recorded: RuntimeError: not today"):
        model.learn(30, callback=recorder(tmp_path))
    assert model._n_updates == 6


def test_what_cannot_be_replayed_is_said_at_the_start(tmp_path: Path) -> None:
    class Mine(th.nn.Tanh):
        pass

    kwargs = {"policy_kwargs": {"activation_fn": Mine}}
    model = A2C("MlpPolicy", "CartPole-v1", seed=0, **kwargs)
    watch = recorder(tmp_path)
    reason = r"policy_kwargs \(the class Mine is defined inside a function"
    with pytest.warns(UserWarning, match=f"cannot be replayed for lack of {reason}"):
        model.learn(20, callback=[watch, At(16, asked(watch))])
    with pytest.raises(ValueError, match=r"cannot be replayed: policy_kwargs: the class Mine"):
        replay(watch.flight.dumps[0])


def test_an_algorithm_without_updates_says_so(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="the data of ARS, which has no buffer"):
        ARS("LinearPolicy", "CartPole-v1", n_delta=1, seed=0).learn(20, recorder(tmp_path))
