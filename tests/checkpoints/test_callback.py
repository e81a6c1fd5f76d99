"""When bundles are taken, which are kept, and what a run that goes on refuses."""

from __future__ import annotations

import shutil
import time
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stable_baselines3 as sb3
import torch as th
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import SubprocVecEnv

from sb3_ac_ext.checkpoints.bundle import bundles, newest_complete, read_manifest, verified
from sb3_ac_ext.checkpoints.callback import BundleCallback
from sb3_ac_ext.checkpoints.resume import resume
from sb3_ac_ext.checkpoints.settings import check


def ppo(n_envs: int = 2, env: str = "CartPole-v1", **kwargs: Any) -> sb3.PPO:
    settings: dict[str, Any] = {"n_steps": 16, "n_epochs": 1, "batch_size": 16, "device": "cpu"}
    made = make_vec_env(env, n_envs, seed=0, vec_env_cls=kwargs.pop("vec_env_cls", None))
    return sb3.PPO("MlpPolicy", made, seed=0, **{**settings, **kwargs})


def sac(**kwargs: Any) -> sb3.SAC:
    settings: dict[str, Any] = {"learning_starts": 20, "batch_size": 8, "device": "cpu"}
    small = {"net_arch": [8, 8]}
    env = make_vec_env("Pendulum-v1", 1, seed=0)
    return sb3.SAC("MlpPolicy", env, seed=0, policy_kwargs=small, **{**settings, **kwargs})


class Slow(BaseCallback):
    """Training as slow as it usually is, beside which a bundle costs little."""

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        time.sleep(0.05)


class Preemption(BaseCallback):
    """A signal arrives at this step."""

    def __init__(self, at: int, keeper: BundleCallback, seconds: float = 60.0) -> None:
        super().__init__()
        self.at, self.keeper, self.seconds = at, keeper, seconds

    def _on_step(self) -> bool:
        if self.num_timesteps == self.at:
            self.keeper.end_soon(self.seconds)
        return True


def steps(folder: Path) -> list[int]:
    return sorted(int(path.name.split("-")[1]) for path in bundles(folder))


def keep(folder: Path, **kwargs: Any) -> BundleCallback:
    return BundleCallback(folder, **{"every": 32, "share": 1.0, **kwargs})


def test_a_rolling_window_of_complete_bundles(tmp_path: Path) -> None:
    ppo().learn(320, [Slow(), keep(tmp_path, keep_last=3, keep_best=0)])
    found = steps(tmp_path)
    assert found == [256, 288, 320]
    assert all(verified(tmp_path / f"bundle-{n}").manifest["exact"] for n in found)
    assert not list(tmp_path.glob(".*"))


def test_what_killed_runs_left_half_written_goes(tmp_path: Path) -> None:
    (tmp_path / ".bundle-7.part").mkdir()
    (tmp_path / ".bundle-7.part" / "state.json").write_text("{")
    ppo().learn(32, keep(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["bundle-32"]


def test_every_is_the_least_distance(tmp_path: Path) -> None:
    ppo().learn(320, [Slow(), keep(tmp_path, every=100)])
    assert steps(tmp_path) == [128, 256, 320]


def test_a_bundle_waits_until_its_share_of_the_time_allows_it(tmp_path: Path) -> None:
    callback = keep(tmp_path, share=1e-6)
    ppo().learn(320, [Slow(), callback])
    assert steps(tmp_path) == [32, 320]


def test_the_best_by_an_evaluation_stay(tmp_path: Path) -> None:
    class Scripted(EvalCallback):
        """Evaluations at every rollout with returns that rise and fall."""

        def _on_step(self) -> bool:
            if self.n_calls % 16 == 15:
                at = self.n_calls // 16
                value = float([1, 9, 3, 8, 2, 2, 2, 2, 2, 2][at])
                self.evaluations_results.append([value, value])
                self.evaluations_timesteps.append(self.num_timesteps)
            return True

    scripted = Scripted(make_vec_env("CartPole-v1", 1))
    ppo().learn(320, [Slow(), scripted, keep(tmp_path, keep_last=1, keep_best=2)])
    assert steps(tmp_path) == [64, 128, 320]
    assert read_manifest(tmp_path / "bundle-64").manifest["score"] == 9.0


def test_rows_are_shared_between_bundles_and_each_is_whole(tmp_path: Path) -> None:
    sac(buffer_size=100).learn(200, [Slow(), keep(tmp_path, keep_last=20)])
    names = {n: verified(tmp_path / f"bundle-{n}").row_files() for n in steps(tmp_path)}
    first, second = sorted(names)[-2:]
    shared = set(names[first]) & set(names[second])
    assert shared
    for name in shared:
        here, there = (tmp_path / f"bundle-{n}" / name for n in (first, second))
        assert here.stat().st_ino == there.stat().st_ino


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"every": 0}, "every=0 must be a whole number of at least 1"),
        ({"keep_last": 0}, "keep_last=0"),
        ({"keep_best": -1}, "keep_best=-1"),
        ({"share": 0}, "share=0 must be above 0"),
        ({"stop_at": 0}, "stop_at=0 must be a positive"),
    ],
)
def test_arguments_out_of_range(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BundleCallback(**kwargs)


def test_a_disk_that_cannot_be_written_is_told_once_and_training_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    model = ppo()
    callback = keep(tmp_path / "file")
    with pytest.warns(UserWarning, match="no bundle at step") as told:
        model.learn(320, [Slow(), callback])
    assert model.num_timesteps == 320 and callback.failed
    assert len([line for line in told if "no bundle" in str(line.message)]) == 1


def test_rows_are_written_anew_after_a_failure(tmp_path: Path) -> None:
    class Breaks(BaseCallback):
        def _on_step(self) -> bool:
            if self.num_timesteps == 60:
                shutil.rmtree(tmp_path / "b")
                (tmp_path / "b").write_text("in the way")
            if self.num_timesteps == 130:
                (tmp_path / "b").unlink()
            return True

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sac().learn(200, [Slow(), Breaks(), keep(tmp_path / "b")])
    bundle, _ = newest_complete(tmp_path / "b")
    covered = [(start, stop) for start, stop, _ in bundle.rows()]
    assert covered[0][0] == 0 and covered[-1][1] == 200
    assert all(a[1] == b[0] for a, b in pairwise(covered))


def test_ending_soon_leaves_a_bundle_of_the_last_step(tmp_path: Path) -> None:
    callback = keep(tmp_path, every=10**9)

    model = ppo()
    model.learn(10**6, [Preemption(100, callback), callback])
    assert callback.ended == "preempted"
    assert steps(tmp_path) == [128] and model.num_timesteps == 128


def test_ending_soon_does_not_wait_for_a_long_rollout(tmp_path: Path) -> None:
    callback = keep(tmp_path, every=10**9)

    model = ppo(n_steps=10**5)
    model.learn(10**6, [Preemption(100, callback, seconds=-1.0), callback])
    assert callback.ended == "preempted" and model.num_timesteps <= 102


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    ppo().learn(64, keep(folder, every=10**9))
    return folder


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ppo(n_envs=3), "n_envs differs: 2 in the bundle, 3 in the model"),
        (lambda: ppo(env="Acrobot-v1"), "observation_space differs"),
        (lambda: ppo(gamma=0.5), "gamma differs: 0.99 in the bundle, 0.5 in the model"),
        (
            lambda: ppo(policy_kwargs={"net_arch": [3]}),
            r"policy_kwargs differs: \{\} in the bundle, \{'net_arch': \[3\]\} in the model",
        ),
        (
            lambda: ppo(policy_kwargs={"activation_fn": th.nn.ReLU}),
            r"policy_kwargs differs: \{\} in the bundle, .*ReLU",
        ),
        (
            lambda: ppo(policy_kwargs={"optimizer_class": th.optim.RMSprop}),
            "policy_kwargs differs",
        ),
        (
            lambda: sb3.A2C("MlpPolicy", make_vec_env("CartPole-v1", 2)),
            r"the bundle is of .*PPO, the model of .*A2C",
        ),
    ],
)
def test_another_model_is_refused(kept: Path, make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        resume(kept, make(), BundleCallback(kept))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("make", [ppo, sac])
def test_training_that_a_callback_ends_inside_a_rollout_leaves_no_bundle_of_it(
    make: Any, tmp_path: Path
) -> None:
    """The environment has taken a step that nobody has seen."""

    class Ends(BaseCallback):
        def _on_step(self) -> bool:
            return self.num_timesteps < 77

    model = make(**({"train_freq": 8} if make is sac else {}))
    model.learn(500, [Ends(), keep(tmp_path, every=10**9)])
    assert model.num_timesteps in (77, 78) and not bundles(tmp_path)


def test_preemption_does_not_wait_for_the_rhythm_of_logs(tmp_path: Path) -> None:
    callback = keep(tmp_path, every=10**9)

    model = sb3.A2C("MlpPolicy", make_vec_env("CartPole-v1", 1, seed=0), device="cpu")
    model.learn(10**6, [Preemption(500, callback), callback])
    assert steps(tmp_path) == [500] and model.num_timesteps == 500


def test_environments_of_an_unknown_kind_are_no_exact_continuation(tmp_path: Path) -> None:
    from tests.checkpoints.chance import Foreign

    model = sb3.PPO("MlpPolicy", Foreign(), n_steps=16, batch_size=16, n_epochs=1, device="cpu")
    model.learn(32, keep(tmp_path))
    manifest = newest_complete(tmp_path)[0].manifest
    assert manifest["exact"] is False
    assert manifest["reasons"] == ["env.simulator (_Opaque) cannot be read"]


def test_an_evaluation_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    from tests.checkpoints.chance import Chance

    evaluation = EvalCallback(make_vec_env(Chance, 1), eval_freq=10**9)
    ppo().learn(64, [evaluation, keep(tmp_path)])
    manifest = newest_complete(tmp_path)[0].manifest
    assert manifest["exact"] is False
    (reason,) = manifest["reasons"]
    assert "EvalCallback.eval_env: worker 0: " in reason and "cannot be read" in reason


def test_a_callback_without_state_in_the_bundle_is_named(kept: Path) -> None:
    model, callback = ppo(), BundleCallback(kept)
    resume(kept, model, [Slow(), callback])
    with pytest.warns(UserWarning, match=r"Slow begins anew: the bundle holds no state for it"):
        model.learn(32, [Slow(), callback], reset_num_timesteps=False)


def test_errors_of_an_environment_end_no_training(tmp_path: Path) -> None:
    from tests.checkpoints.chance import Offers

    class Breaks(Offers):
        def get_state(self) -> dict[str, int]:
            raise RecursionError("the simulator is a circle")

    model = sb3.PPO("MlpPolicy", make_vec_env(Breaks, 1), n_steps=16, batch_size=16, device="cpu")
    with pytest.warns(UserWarning, match="no bundle at step 16: the simulator is a circle"):
        model.learn(64, keep(tmp_path, every=16))
    assert model.num_timesteps == 64


def test_settings_are_those_of_the_beginning(tmp_path: Path) -> None:
    model, callback = ppo(), keep(tmp_path, every=10**9)
    model.learn(32, callback)
    model.ent_coef = 0.5  # as a schedule does
    model.learn(32, callback, reset_num_timesteps=False)
    assert newest_complete(tmp_path)[0].manifest["summary"]["hyperparameters"]["ent_coef"] == 0.0


def test_going_on_needs_the_callback(kept: Path) -> None:
    with pytest.raises(ValueError, match="no BundleCallback among the callbacks"):
        resume(kept, ppo(), [Slow()])


def test_weights_of_other_shapes_are_refused(kept: Path) -> None:
    """As of a policy class that was edited meanwhile."""
    manifest = newest_complete(kept)[0].manifest
    summary = {**manifest["summary"], "parameters": {"action_net.bias": {"shape": [7]}}}
    with pytest.raises(ValueError, match=r"weights action_net\.bias differs"):
        check({**manifest, "summary": summary}, ppo())


def test_a_damaged_bundle_is_passed_over_with_a_warning(tmp_path: Path) -> None:
    ppo().learn(96, [Slow(), keep(tmp_path)])
    newest = tmp_path / "bundle-96" / "arrays.npz"
    newest.write_bytes(newest.read_bytes()[:100])
    model = ppo()
    with pytest.warns(UserWarning, match="bundle-64 is taken instead"):
        resume(tmp_path, model, BundleCallback(tmp_path))
    assert model.num_timesteps == 64


def test_workers_that_cannot_be_asked_are_reset_and_it_is_said(tmp_path: Path) -> None:
    with_processes = {"vec_env_cls": SubprocVecEnv}
    model = ppo(**with_processes)
    model.learn(64, keep(tmp_path))
    model.get_env().close()
    manifest = newest_complete(tmp_path)[0].manifest
    assert manifest["exact"] is False
    assert manifest["reasons"] == ["env: environments in processes of their own cannot be read"]
    other = ppo(**with_processes)
    with pytest.warns(UserWarning, match="cannot be continued exactly.*wrap them in EpisodeLog"):
        resume(tmp_path, other, callback := keep(tmp_path))
    other.learn(64, callback, reset_num_timesteps=False)
    assert other.num_timesteps == 128
    other.get_env().close()


def test_an_environment_that_is_not_deterministic_is_noticed(tmp_path: Path) -> None:
    from sb3_ac_ext.checkpoints.episode_log import EpisodeLog
    from tests.checkpoints.chance import Chance

    def model() -> sb3.PPO:
        env = make_vec_env(lambda: EpisodeLog(Chance()), 1)
        return sb3.PPO("MlpPolicy", env, n_steps=16, batch_size=16, n_epochs=1, device="cpu")

    model().learn(32, keep(tmp_path))
    with pytest.warns(UserWarning, match="is not deterministic: its episode came out otherwise"):
        resume(tmp_path, model(), BundleCallback(tmp_path))


def test_an_environment_that_offers_its_state_is_asked(tmp_path: Path) -> None:
    from tests.checkpoints.chance import Offers

    def model() -> sb3.PPO:
        env = make_vec_env(Offers, 1)
        return sb3.PPO("MlpPolicy", env, n_steps=16, batch_size=16, n_epochs=1, device="cpu")

    first = model()
    first.learn(32, keep(tmp_path))
    second = model()
    resume(tmp_path, second, BundleCallback(tmp_path))
    assert second.get_env().get_attr("hidden")[0].value == 32
    assert np.array_equal(first._last_obs, second._last_obs)


def test_training_is_the_same_with_bundles_and_without(tmp_path: Path) -> None:
    def weights(*callbacks: BaseCallback) -> list[th.Tensor]:
        model = sac()
        model.learn(150, list(callbacks))
        return [value.clone() for value in model.policy.state_dict().values()]

    with_bundles, without = weights(keep(tmp_path)), weights()
    assert all(th.equal(a, b) for a, b in zip(with_bundles, without, strict=True))
