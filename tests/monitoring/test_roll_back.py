"""Roll back: what goes back to the bit and what does not, to where, how often, and what is told."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stable_baselines3 import SAC
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

import sb3_ac_ext as ours
from sb3_ac_ext.checkpoints.bundle import bundles, read_manifest, verified
from sb3_ac_ext.checkpoints.callback import BundleCallback
from sb3_ac_ext.checkpoints.resume import resume
from sb3_ac_ext.checkpoints.rows import columns
from sb3_ac_ext.monitoring.actions import Call, RollBack, ScaleLearningRate
from sb3_ac_ext.monitoring.history import read_history
from sb3_ac_ext.monitoring.records import Finding
from sb3_ac_ext.schedules import KLAdaptiveSchedule
from sb3_ac_ext.wrappers import VecWorkerNormalizeReward
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

OFF_POLICY = [name for name in ALGORITHMS if name in ("sac", "td3")]


def went_on(model: Any, steps: int) -> None:
    model.learn(steps, reset_num_timesteps=False)


def steps_of(back: RollBack) -> list[int]:
    return [point.step for point in back.points()][::-1]


# ---------------------------------------------------------------- what goes back


@pytest.mark.parametrize("folder", [False, True], ids=["memory", "folder"])
@pytest.mark.parametrize("algo", ALGORITHMS)
def test_it_is_bit_identical_and_touches_nothing_else(
    algo: str, folder: bool, tmp_path: Path
) -> None:
    env = normalised(2)
    model: Any = make(algo, env).learn(64)
    action = RollBack(folder=tmp_path / "kept" if folder else None)
    step = model.num_timesteps
    action.start(model, step, fresh=True)
    kept, pos = learnt(model), model.replay_buffer.pos if algo in OFF_POLICY else None
    went_on(model, 64)
    network, optimizer = model.policy, getattr(model, "actor", model.policy).optimizer
    before = fingerprint(model)
    for name in ("policy", "optimizers", "normaliser"):
        assert not same(kept[name], before["state"][name]), name
    text = action.apply(case(model, since=100))
    assert text.startswith(f"back to the model of step {step}: the trouble began at step 100")
    assert changed(before, model) == {"state"} and model.policy is network
    assert getattr(model, "actor", model.policy).optimizer is optimizer
    assert same(learnt(model), kept)
    assert (f"bundle-{step}" in text) == folder
    if algo in OFF_POLICY:
        assert (model.replay_buffer.pos, model.replay_buffer.full) == (pos, False)
        assert "64 transitions are forgotten" in text
    went_on(model, 32)
    assert not same(learnt(model), kept)


@pytest.mark.parametrize("where", ["memory", "folder"])
@pytest.mark.parametrize("size", [500, 48], ids=["whole", "wrapped"])
@pytest.mark.parametrize("algo", OFF_POLICY)
def test_sampled_transitions_all_precede_the_checkpoint(
    algo: str, size: int, where: str, tmp_path: Path
) -> None:
    """Rewards are numbered, so that each row tells when it was added."""
    model: Any = make(algo, buffer_size=size).learn(64)
    action = RollBack(folder=tmp_path if where == "folder" else None)
    action.start(model, 64, fresh=True)
    kept = {name: part.copy() for name, part in columns(model.replay_buffer).items()}
    at = (model.replay_buffer.pos, model.replay_buffer.full)
    went_on(model, 32)
    action.apply(case(model))
    buffer = model.replay_buffer
    if size == 48 and where == "memory":  # 32 of 48 rows are overwritten
        assert (buffer.pos, buffer.full) == (16, False)
        survivors = np.arange(48, 64) % 48
    else:
        assert (buffer.pos, buffer.full) == at
        survivors = np.arange(buffer.size())
    for name, part in columns(buffer).items():
        if name not in ("dones", "timeouts"):
            np.testing.assert_array_equal(part[: buffer.size()], kept[name][survivors])
    assert set(buffer.sample(200).rewards.numpy().ravel()) <= set(kept["rewards"].ravel())
    # the next row is of another episode than the last one that is left
    assert buffer.dones[buffer.pos - 1] == buffer.timeouts[buffer.pos - 1] == 1
    went_on(model, 10)
    assert buffer.pos == ((16 if size == 48 and where == "memory" else at[0]) + 10) % size


def test_rows_of_several_checkpoints_are_counted_through_all_that_was_forgotten() -> None:
    model: Any = make("sac", buffer_size=300)
    action = RollBack(most=9)
    action.start(model, 0, fresh=True)
    for steps, back_to in ((40, None), (80, None), (100, 80), (130, None), (150, 130), (155, 40)):
        if steps > model.num_timesteps:
            went_on(model, steps - model.num_timesteps)
        if back_to is None:
            action._keep(model, steps)
            continue
        action.shelf._points = [p for p in action.shelf._points if p.step <= back_to]  # type: ignore
        action.apply(replace(case(model, since=back_to + 1), step=steps))
        # 130 was taken 20 steps after going back from 100 to 80
        assert model.replay_buffer.pos == {80: 80, 130: 110, 40: 40}[back_to], back_to


def test_a_step_that_ended_training_is_not_counted_as_stored() -> None:
    model: Any = make("sac", buffer_size=300).learn(40)
    action = RollBack()
    action.start(model, 40, fresh=True)
    went_on(model, 10)
    model.num_timesteps += 1  # SB3 counts, asks the callbacks, and stores only if they go on
    action.start(model, 51, fresh=False)
    went_on(model, 5)
    action.apply(case(model, since=45))
    assert model.replay_buffer.pos == 40


@pytest.mark.parametrize("seconds", [0, 1])
def test_in_the_middle_of_a_step_its_row_is_not_there_yet(seconds: int) -> None:
    model: Any = make("sac").learn(40)
    action = RollBack()
    action.start(model, 40, fresh=True)
    went_on(model, 10)
    model.num_timesteps += seconds
    action.apply(replace(case(model), within_step=bool(seconds)))
    assert model.replay_buffer.pos == 40


def test_learning_waits_for_the_buffer_to_be_filled_again() -> None:
    model: Any = make("sac", learning_starts=20)
    action = RollBack()
    action.start(model, 0, fresh=True)
    model.learn(50)
    updates = model._n_updates
    action.apply(case(model, since=30))
    assert model.replay_buffer.size() == 0 and model.learning_starts == 70
    went_on(model, 20)
    assert model._n_updates == updates and model.replay_buffer.size() == 20
    went_on(model, 5)
    assert model._n_updates > updates


def test_a_buffer_that_saves_memory_knows_no_next_observation_at_the_seam() -> None:
    extra = {
        "optimize_memory_usage": True,
        "replay_buffer_kwargs": {"handle_timeout_termination": False},
    }
    model: Any = make("sac", buffer_size=48, **extra).learn(64)
    action = RollBack()
    action.start(model, 64, fresh=True)
    old = model.replay_buffer.observations.copy()
    went_on(model, 32)
    action.apply(case(model))
    buffer = model.replay_buffer
    # rows 49 to 63 and, as the next one of the last, the observation of row 64; that of row 48 has
    # made place for the next one of row 95
    np.testing.assert_array_equal(buffer.observations[:16], old[np.arange(49, 65) % 48])
    assert buffer.pos == 15 and buffer.dones[14] == 1


def test_priorities_follow_their_rows() -> None:
    kwargs = {"replay_buffer_class": ours.buffers.PrioritizedReplayBuffer, "buffer_size": 48}
    model = ours.SAC(
        "MlpPolicy",
        make_vec_env("Pendulum-v1", n_envs=2, seed=0),
        policy_kwargs={"net_arch": [8]},
        learning_starts=20,
        seed=0,
        device="cpu",
        **kwargs,  # type: ignore[arg-type]
    ).learn(64)
    action = RollBack()
    action.start(model, 64, fresh=True)
    buffer: Any = model.replay_buffer
    priorities, rewards = buffer._tree[np.arange(48)], buffer.rewards.copy()
    went_on(model, 24)  # rows 32 to 43, in 24 slots: 20 to 31 are left
    action.apply(case(model))
    slots = np.arange(20, 32) % 24
    buffer = model.replay_buffer
    assert (buffer.pos, buffer.full) == (12, False)
    np.testing.assert_array_equal(buffer.rewards[:12], rewards[slots])
    np.testing.assert_array_equal(
        buffer._tree[np.arange(24)], priorities.reshape(24, 2)[slots].ravel()
    )
    assert buffer.sample(500).rows.max() < 24 and (buffer._tree[np.arange(24, 48)] == 0).all()


class Hindsight:
    """SAC with a ``HerReplayBuffer`` on a task of goals whose episodes take 10 steps."""

    @staticmethod
    def make(size: int) -> Any:
        from stable_baselines3.common.envs import BitFlippingEnv
        from stable_baselines3.her import HerReplayBuffer

        env = BitFlippingEnv(n_bits=2, continuous=True, max_steps=10)
        return SAC(
            "MultiInputPolicy",
            env,
            replay_buffer_class=HerReplayBuffer,
            buffer_size=size,
            learning_starts=20,
            batch_size=16,
            policy_kwargs={"net_arch": [8]},
            seed=0,
            device="cpu",
        )


def test_hindsight_replay_closes_the_episode_that_does_not_go_on() -> None:
    model = Hindsight.make(200).learn(45)
    action = RollBack()
    action.start(model, 45, fresh=True)
    starts = model.replay_buffer.ep_start[:45].copy()
    went_on(model, 30)
    action.apply(case(model))
    buffer = model.replay_buffer
    assert buffer.pos == 45 and buffer._current_ep_start[0] == 45
    assert (buffer.ep_length[:45] > 0).all() and not buffer.ep_length[45:].any()
    np.testing.assert_array_equal(buffer.ep_start[:45], starts)
    went_on(model, 30)
    # of what is there, no episode reaches over the seam
    ends = buffer.ep_start[:45, 0] + buffer.ep_length[:45, 0]
    assert ends.max() == 45


def test_hindsight_replay_needs_the_rows_that_it_has_overwritten(tmp_path: Path) -> None:
    for folder in (None, tmp_path):
        model = Hindsight.make(50).learn(70)
        action = RollBack(folder=folder)
        action.start(model, 70, fresh=True)
        kept = learnt(model)
        rows = {name: part.copy() for name, part in columns(model.replay_buffer).items()}
        went_on(model, 20)
        if folder is None:
            before = learnt(model)
            with pytest.raises(ValueError, match="HerReplayBuffer has overwritten rows"):
                action.apply(case(model, since=80))
            assert same(before, learnt(model)) and model.replay_buffer.pos == 40
        else:
            action.apply(case(model, since=80))
            assert same(kept, learnt(model)) and model.replay_buffer.pos == 20
            for name in rows.keys() - {"dones", "timeouts", "infos"}:
                np.testing.assert_array_equal(rows[name], columns(model.replay_buffer)[name])
            went_on(model, 20)


def test_an_adaptive_rate_goes_back_under_the_scale_that_an_action_gave_it() -> None:
    schedule = KLAdaptiveSchedule(3e-4, target_kl=1e-9)
    model: Any = ours.PPO(
        "MlpPolicy", "Pendulum-v1", schedule, n_steps=16, batch_size=16, seed=0, device="cpu"
    )
    model.learn(32)
    action = RollBack()
    action.start(model, 32, fresh=True)
    rate = schedule.rate
    went_on(model, 32)
    assert schedule.rate < rate
    action.apply(case(model))
    assert schedule.rate == model.lr_schedule(0.5) == rate
    ScaleLearningRate(0.5).apply(case(model))
    schedule.rate = 1.0
    action._went.clear()
    action.apply(case(model))
    assert schedule.rate == rate and model.lr_schedule(0.5) == rate / 2


def test_reward_statistics_of_workers_go_back() -> None:
    venv = VecWorkerNormalizeReward(make_vec_env("Pendulum-v1", n_envs=2, seed=0))
    env = VecNormalize(venv, norm_reward=False)
    model: Any = make("ppo", env).learn(64)
    action = RollBack()
    action.start(model, 64, fresh=True)
    kept = venv.worker_rewards.get_state()
    went_on(model, 64)
    venv.worker_rewards.clip_reward = 3.0
    assert not same(kept["mean"], venv.worker_rewards.get_state()["mean"])
    action.apply(case(model))
    assert same({**kept, "clip_reward": 3.0}, venv.worker_rewards.get_state())


def test_the_policy_acts_on_the_newest_observation_as_it_is_normalised_now() -> None:
    env = normalised()
    model: Any = make("ppo", env).learn(64)
    action = RollBack()
    action.start(model, 64, fresh=True)
    went_on(model, 16)
    env.obs_rms.mean[:] = np.nan  # type: ignore[union-attr]
    model._last_obs = env.normalize_obs(env.get_original_obs())
    assert np.isnan(model._last_obs).all()
    action.apply(case(model))
    np.testing.assert_array_equal(model._last_obs, env.normalize_obs(env.get_original_obs()))
    assert np.isfinite(model._last_obs).all()


def test_other_peoples_hooks_stay() -> None:
    model: Any = make("sac").learn(40)
    action = RollBack()
    action.start(model, 40, fresh=True)
    called: list[int] = []
    model.actor.register_forward_hook(lambda *_: called.append(1))
    action.apply(case(model))
    model.predict(np.zeros(3, np.float32))
    assert called


# ---------------------------------------------------------------- to where


def test_it_takes_the_last_checkpoint_from_before_the_finding_began() -> None:
    """Raised at snapshot 8, begun at 5; checkpoints after every second snapshot."""
    seen: dict[int, Any] = {}

    def note(model: Any, finding: Finding) -> None:
        seen[model.num_timesteps] = learnt(model)

    back = RollBack()
    callback = watch(
        {"info": Call(note, times=99), "critical": back},
        Scripted(tuple((n, INFO, 0) for n in range(1, 8))),
        once(8, ago=3, label="crash"),
    )
    captured: list[Any] = []
    back_apply = back.apply
    back.apply = lambda c: (back_apply(c), captured.append(learnt(c.model)))[0]  # type: ignore
    make("ppo").learn(160, callback=callback)
    (event,) = [event for event in callback.history.events if event.action == "roll_back"]
    assert event.step == 8 * 16 and event.finding == "crash"
    assert "model of step 64: the trouble began at step 80" in event.text
    assert same(captured[0], seen[64])


def test_other_troubles_that_are_open_count_unless_they_are_older_than_any_checkpoint() -> None:
    model, back = make("ppo"), RollBack(every=1, keep=99)
    for others, expected in (((), 80), ((60,), 50), ((0, 5), 80), ((70, 5), 60)):
        back.start(model, 10, fresh=True)
        for step in range(20, 100, 10):
            back.observe(model, step, [])
        text = back.apply(replace(case(model, since=90), others=others))
        assert text.startswith(f"back to the model of step {expected}:")


def test_a_trouble_that_was_left_behind_does_not_count_again() -> None:
    model, back = make("ppo"), RollBack(every=1, keep=99)
    back.start(model, 10, fresh=True)
    for step in range(20, 100, 10):
        back.observe(model, step, [])
    back.apply(replace(case(model, since=45), step=95))
    assert steps_of(back) == [10, 20, 30, 40]  # 50 to 90 are of the stretch that is forgotten
    back.observe(model, 110, [])
    text = back.apply(replace(case(model, since=120), step=130, others=(45, 95)))
    assert text.startswith("back to the model of step 110:")


def test_no_checkpoint_is_taken_while_a_trouble_is_open_unless_it_is_chronic() -> None:
    back = RollBack(every=16, keep=99)
    lasting = Scripted(tuple((n, WARNING, n - 3) for n in range(3, 40)))
    make("ppo").learn(16 * 30, callback=watch({"critical": back}, lasting))
    assert [step // 16 for step in steps_of(back)] == [0, 1, 2, *range(23, 31)]


@pytest.mark.parametrize("folder", [False, True], ids=["memory", "folder"])
def test_the_window_rolls_and_a_new_run_begins_with_an_empty_one(
    folder: bool, tmp_path: Path
) -> None:
    model, back = make("ppo"), RollBack(every=1, keep=2, folder=tmp_path if folder else None)
    model.learn(16)
    for run in range(2):
        back.start(model, 10 * run, fresh=True)
        for step in (20, 30, 40):
            model.num_timesteps = step
            back.observe(model, step, [])
        assert steps_of(back) == [30, 40]
        if folder:
            assert {path.name for path in tmp_path.iterdir()} >= {"bundle-30", "bundle-40"}
        with pytest.raises(ValueError, match=r"no checkpoint from before step 20 .* step 30"):
            back.apply(case(model, since=20))
        model.num_timesteps = 10


def test_a_folder_holds_bundles_without_pickles(tmp_path: Path) -> None:
    model, back = make("sac").learn(8), RollBack(folder=tmp_path)
    back.start(model, 8, fresh=True)
    back.end()
    (path,) = bundles(tmp_path)
    assert verified(path).steps == 8
    assert {part.suffix for part in path.iterdir()} == {".json", ".npz"}


# ---------------------------------------------------------------- bundles of the run


class Waiting(BundleCallback):
    """Takes a bundle whenever one is due, however long that takes, and notes what is in it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.states: dict[int, Any] = {}

    def _affordable(self) -> bool:
        return True

    def take(self) -> None:
        super().take()
        self.writer.result()
        self.states[self.num_timesteps] = learnt(self.model)


def bundled(algo: str, folder: Path, back: RollBack, **kwargs: Any) -> tuple[Any, Any, list[Any]]:
    """A run with a monitor and bundles, in which a crash that began at step 100 is found at 128."""
    found: list[Any] = []

    apply = back.apply

    def noting(c: Any) -> str:
        text = apply(c)
        found.append((text, learnt(c.model), getattr(c.model, "replay_buffer", None)))
        if found[-1][2] is not None:
            buffer = found[-1][2]
            found[-1] = (*found[-1][:2], (buffer.pos, buffer.full, buffer.rewards.copy()))
        return text

    back.apply = noting  # type: ignore[method-assign]
    monitor = watch({"critical": back}, once(8, ago=3, label="crash"), log_dir=folder / "log")
    model = make(algo, normalised(), **kwargs)
    keeper = Waiting(folder / "bundles", every=16)
    model.learn(160, callback=[monitor, keeper], log_interval=1)  # bundles follow logs
    return monitor, keeper.states, found


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_bundles_of_the_run_are_its_checkpoints(algo: str, tmp_path: Path) -> None:
    back = RollBack()
    kwargs = {"buffer_size": 40} if algo in OFF_POLICY else {}
    monitor, states, found = bundled(algo, tmp_path, back, **kwargs)
    (event,) = monitor.history.events
    ((text, state, buffer),) = found
    to = back._went[0][0]
    began = int(text.split("began at step ")[1].split()[0].rstrip(";").replace(",", ""))
    assert to == max(step for step in states if step < began)
    assert f"(bundle-{to})" in event.text and not event.failed
    assert same(state, states[to])
    assert [point.step for point in back.shelf.points()] == [0]  # the beginning only
    if algo in OFF_POLICY:  # 40 rows, all of which were overwritten: the bundle has them
        pos, full, rewards = buffer
        rows = {n: a for _, _, part in verified_rows(tmp_path, to) for n, a in part.items()}
        assert (pos, full) == (to % 40, to >= 40) and set(rows["rewards"].ravel()) <= set(
            rewards.ravel()
        )


def verified_rows(folder: Path, step: int) -> list[Any]:
    return verified(folder / "bundles" / f"bundle-{step}").rows()


def test_bundles_with_something_wrong_and_those_of_earlier_runs_are_passed_over(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "bundles"
    make("ppo").learn(64, callback=BundleCallback(folder, every=16, share=1.0))
    for path in bundles(folder):
        path.rename(path.with_name(f"bundle-{read_manifest(path).steps + 1}"))
    back = RollBack()
    lasting = Scripted(((4, CRITICAL, 0), (5, CRITICAL, 1)))
    monitor = watch({"warning": back}, lasting, once(7, WARNING, label="late"))
    # the monitor judges before the bundle is taken, so those of 64 and 80 say what is wrong
    back.times = 2
    keeper = Waiting(folder, every=16, keep_last=99)
    make("ppo").learn(128, callback=[monitor, keeper], log_interval=1)
    good = {path.name: read_manifest(path).manifest["good"] for path in bundles(folder)}
    assert not good["bundle-64"] and not good["bundle-80"] and good["bundle-96"]
    assert [to for to, _ in back._went] == [48, 96]


def test_a_run_without_a_good_bundle_goes_back_to_its_beginning(tmp_path: Path) -> None:
    callback = watch({"critical": RollBack()}, once(3))
    make("ppo").learn(64, callback=[callback, BundleCallback(tmp_path, every=1000)])
    assert callback.history.events[0].text.startswith("back to the model of step 0:")


def test_a_damaged_bundle_fails_the_action_and_changes_nothing(tmp_path: Path) -> None:
    model, back = make("ppo").learn(16), RollBack(folder=tmp_path)
    back.start(model, 16, fresh=True)
    back.points()
    (tmp_path / "bundle-16" / "arrays.npz").write_bytes(b"x")
    before = fingerprint(model)
    with pytest.raises(ValueError, match="is damaged"):
        back.apply(case(model))
    assert changed(before, model) == set() and not back._went


# ---------------------------------------------------------------- how often


def test_going_back_twice_to_the_same_checkpoint_raises_the_alarm_and_ends_training(
    tmp_path: Path,
) -> None:
    returning = Scripted(((3, CRITICAL, 0), (4, CRITICAL, 0), (6, CRITICAL, 0)))
    callback = watch({"critical": RollBack(times=9)}, returning, log_dir=tmp_path)
    model = make("ppo")
    with pytest.warns(UserWarning, match="going there again would loop, and training ends"):
        model.learn(160, callback=callback)
    first, alarm = callback.history.events
    assert (first.step, first.failed, alarm.step, alarm.failed) == (48, False, 64, True)
    assert "back to step 32, where training went at step 48 already" in alarm.text
    assert model.num_timesteps == 65
    assert read_history(tmp_path / "monitor.jsonl").events == [first, alarm]
    page = (tmp_path / "report.html").read_text()
    assert "Step 48: roll back<" in page and "Step 64: roll back failed<" in page
    assert "going there again would loop" in page


def test_the_alarm_leaves_the_model_as_it_is() -> None:
    model, back = make("sac").learn(40), RollBack(times=9)  # type: ignore[var-annotated]
    back.start(model, 40, fresh=True)
    back.apply(case(model))
    went_on(model, 20)
    before, pos = fingerprint(model), model.replay_buffer.pos  # type: ignore[attr-defined]
    again = case(model, since=101)
    with pytest.raises(ValueError, match="would loop"):
        back.apply(again)
    assert again.stop and changed(before, model) == set()
    assert model.replay_buffer.pos == pos  # type: ignore[attr-defined]


@pytest.mark.parametrize("most", [1, 2])
def test_a_run_goes_back_so_often_at_most_and_then_goes_on(most: int) -> None:
    returning = Scripted(tuple((n, CRITICAL, 0) for n in (4, 8, 12, 16)))
    callback = watch({"critical": RollBack(every=16, times=9, most=most)}, returning)
    with pytest.warns(UserWarning, match=f"went back {most} times already"):
        model = make("ppo").learn(16 * 20, callback=callback)
    assert [event.failed for event in callback.history.events] == [False] * most + [True]
    assert model.num_timesteps == 16 * 20


def test_a_new_run_may_go_back_anew() -> None:
    back = RollBack(most=1)
    for _ in range(2):
        callback = watch({"critical": back})
        make("ppo").learn(96, callback=callback)
        assert [event.failed for event in callback.history.events] == [False]


def test_what_was_done_is_known_to_a_run_that_is_taken_up_again() -> None:
    model: Any = make("sac").learn(40)
    back, other = RollBack(times=9), RollBack(times=9)
    back.start(model, 40, fresh=True)
    back.run(case(model))
    went_on(model, 10)
    other.start(model, 50, fresh=False)
    other.shelf = back.shelf
    other.set_state(back.get_state())
    assert not other.due(FINDING) and other.due(replace(FINDING, since=101))
    with pytest.raises(ValueError, match="would loop"):
        other.apply(case(model))
    assert other._rows is not None and other._rows.at(50) == 50


@pytest.mark.parametrize("algo", ["ppo", "sac"])
def test_a_bundle_knows_that_the_run_went_back(algo: str, tmp_path: Path) -> None:
    back, again = RollBack(), RollBack()
    monitor, states, _ = bundled(algo, tmp_path, back)
    (to, at) = back._went[0]
    after = min(step for step in states if step > at)
    callback = watch({"critical": again}, once(99))
    callback.continue_from(monitor.history)
    keeper = BundleCallback(tmp_path / "bundles", every=1000)
    model = resume(tmp_path / "bundles" / f"bundle-{after}", make(algo, normalised()), keeper)
    model.learn(16, callback=[callback, keeper], reset_num_timesteps=False)
    assert again._went == [(to, at)] and again._treated == at
    assert not any(to < point.step <= at for point in again.points())
    assert (again._rows is None) == (algo == "ppo")
    if again._rows is not None:
        assert again._rows.at(model.num_timesteps) == model.replay_buffer.pos  # type: ignore[attr-defined]


def test_an_answer_is_not_given_twice_by_a_run_that_is_taken_up_again() -> None:
    first = watch({"critical": RollBack()})
    make("ppo").learn(48, callback=first)
    assert len(first.history.events) == 1
    second = watch({"critical": RollBack()})
    second.continue_from(first.history)
    model = make("ppo")
    model.num_timesteps = 48
    model.learn(16, callback=second, reset_num_timesteps=False)
    assert second.history.events == first.history.events


# ---------------------------------------------------------------- what is told


def test_without_a_checkpoint_from_before_it_fails_and_changes_nothing() -> None:
    back = RollBack()
    model = make("ppo")
    back.start(model, 50, fresh=True)
    before = fingerprint(model)
    with pytest.raises(ValueError, match="no checkpoint from before step 50"):
        back.apply(case(model, since=50))
    assert changed(before, model) == set()


def test_a_full_disk_for_checkpoints_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    callback = watch({"critical": RollBack(folder=tmp_path / "file")}, once(99))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make("ppo").learn(160, callback=callback)
    assert len([w for w in caught if "roll_back cannot prepare" in str(w.message)]) == 1


@pytest.mark.parametrize("algo", OFF_POLICY)
def test_the_monitor_does_not_take_forgotten_transitions_for_a_fault(algo: str) -> None:
    from sb3_ac_ext import DiagnosticsCallback
    from sb3_ac_ext.monitoring.detectors import default_detectors

    callback = DiagnosticsCallback(
        every=16,
        canary_freq=0,
        verbose=0,
        actions={"critical": RollBack()},
        detectors=[*default_detectors(), once(6, ago=1)],
    )
    make(algo).learn(200, callback=callback)
    assert len(callback.history.events) == 1
    for name in ("obs", "action", "reward", "done", "timeout", "next_obs"):
        values = callback.history.series(f"probe/stored_{name}_error").values
        assert len(values) and np.nanmax(values) < 1e-6, name
