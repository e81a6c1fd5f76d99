"""The callback is SB3's to those who use it, and keeps a unit of the best."""

import numpy as np
import pytest
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.callbacks import (
    BaseCallback,
    EvalCallback,
    StopTrainingOnNoModelImprovement,
    StopTrainingOnRewardThreshold,
)
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from sb3_ac_ext import UnitEvalCallback, read_unit
from sb3_ac_ext.evaluation.episodes import play_episodes
from tests.evaluation.envs import Graded, Uneven


def make(env=Graded, **kwargs):
    vec_env = make_vec_env(env, 2, seed=0) if isinstance(env, type) else env
    return A2C("MlpPolicy", vec_env, seed=0, device="cpu", **kwargs)


def evaluation(path=None, env=Graded, n_envs=1, **kwargs):
    kwargs = {"n_eval_episodes": 2, "eval_freq": 20, "verbose": 0, **kwargs}
    folder = None if path is None else str(path)
    env = make_vec_env(env, n_envs)
    return UnitEvalCallback(env, log_path=folder, best_model_save_path=folder, **kwargs)


def test_files_and_log_keys_are_those_of_sb3(tmp_path):
    """Of an environment where every episode is alike, the numbers agree, too."""
    files, logs = [], []
    for name, cls in (("ours", UnitEvalCallback), ("sb3", EvalCallback)):
        path = tmp_path / name
        model = make(Uneven)
        model.set_logger(configure(str(path), ["csv"]))
        env = make_vec_env(Uneven, 2, seed=0)
        kwargs = {"n_eval_episodes": 4, "eval_freq": 20, "verbose": 0}
        model.learn(100, callback=cls(env, log_path=path, best_model_save_path=path, **kwargs))
        files.append(np.load(path / "evaluations.npz"))
        logs.append(set((path / "progress.csv").read_text().splitlines()[0].split(",")))
        assert (path / "best_model.zip").is_file()
    assert set(files[0]) == set(files[1]) == {"timesteps", "results", "ep_lengths", "successes"}
    for key in files[0]:
        assert files[0][key].shape == files[1][key].shape
    assert files[0]["timesteps"].tolist() == files[1]["timesteps"].tolist() == [40, 80]
    assert {"eval/mean_reward", "eval/mean_ep_length", "eval/success_rate"} <= logs[0]
    assert {key for key in logs[0] if key.startswith("eval/")} == {
        key for key in logs[1] if key.startswith("eval/")
    }


def test_every_evaluation_plays_the_same_episodes():
    class Still(A2C):
        def train(self):
            self._n_updates += 1

    callback = evaluation(deterministic=False, n_envs=2, n_eval_episodes=4)
    env = make_vec_env(Graded, 2)
    Still("MlpPolicy", env, seed=0, device="cpu").learn(160, callback=callback)
    first, *others = callback.evaluations_results
    assert len(others) == 3 and all(other == first for other in others)
    assert len(set(first)) == 4


def test_seeds_change_the_episodes():
    results = []
    for seed in (1, 1, 2):
        callback = evaluation(seed=seed, n_envs=3)
        assert callback.seeds == (seed, seed + 1), "no more workers than episodes have one"
        make().learn(40, callback=callback)
        results.append(callback.evaluations_results)
    assert results[0] == results[1] != results[2]


@pytest.mark.parametrize("deterministic", [True, False])
def test_a_unit_can_be_played_again(tmp_path, deterministic):
    """The saved model in its saved statistics returns exactly what the record says."""
    env = VecNormalize(make_vec_env(Graded, 2, seed=0))
    eval_env = VecNormalize(make_vec_env(Graded, 2), training=False)
    callback = UnitEvalCallback(
        eval_env,
        n_eval_episodes=6,
        eval_freq=20,
        best_model_save_path=tmp_path,
        deterministic=deterministic,
        verbose=0,
    )
    make(env).learn(200, callback=callback)
    found = read_unit(tmp_path)
    again = VecNormalize.load(str(found.vecnormalize), make_vec_env(Graded, 2))
    again.training = again.norm_reward = False
    unit = found.unit
    played = play_episodes(A2C.load(found.model), again, unit.seeds, 6, unit.deterministic)
    assert [e.total_reward for e in played] == [e["return"] for e in unit.episodes]
    assert (
        unit.mean.value
        == callback.best_mean_reward
        == max(np.mean(results) for results in callback.evaluations_results)
    )
    assert unit.num_timesteps in callback.evaluations_timesteps
    assert unit.deterministic is deterministic


def test_only_the_best_is_saved(tmp_path):
    class Worse(BaseCallback):
        """Every update after the first evaluation makes the policy choose what pays nothing."""

        def _on_step(self):
            model.policy.action_net.bias.data[0] = 50.0 if self.num_timesteps >= 40 else -50.0
            return True

    model = make(learning_rate=0.0)
    callback = evaluation(tmp_path)
    model.learn(120, callback=[callback, Worse()])
    means = [np.mean(results) for results in callback.evaluations_results]
    assert means[0] > means[1]
    assert read_unit(tmp_path).unit.num_timesteps == 40
    assert read_unit(tmp_path).unit.evaluation == 1


def continued(tmp_path, **kwargs):
    """A second process that goes on with the first one's model; what it saved, if anything."""
    model = make(learning_rate=0.0)
    model.learn(40, callback=evaluation(tmp_path))
    before = read_unit(tmp_path).unit
    again = A2C.load(tmp_path / "best_model.zip", env=make_vec_env(Graded, 2))
    again.policy.action_net.bias.data[0] += 50.0
    reset = kwargs.pop("reset_num_timesteps", False)
    callback = evaluation(tmp_path, **kwargs)
    again.learn(40, callback=callback, reset_num_timesteps=reset)
    assert callback.last_mean_reward < before.mean.value
    return before, read_unit(tmp_path).unit


def test_a_training_that_goes_on_keeps_the_better_unit(tmp_path):
    before, after = continued(tmp_path)
    assert after == before


@pytest.mark.parametrize(
    "kwargs",
    [
        {"seed": 3},
        {"n_eval_episodes": 3},
        {"deterministic": False},
        {"reset_num_timesteps": True},
    ],
)
def test_units_that_cannot_be_compared_are_replaced(tmp_path, kwargs):
    before, after = continued(tmp_path, **kwargs)
    assert after != before


def test_nested_callbacks(tmp_path):
    stop = StopTrainingOnRewardThreshold(reward_threshold=-1000.0)
    model = make()
    model.learn(400, callback=evaluation(callback_on_new_best=stop))
    assert model.num_timesteps == 40
    patience = StopTrainingOnNoModelImprovement(max_no_improvement_evals=1)
    model = make(Uneven)
    model.learn(400, callback=evaluation(env=Uneven, callback_after_eval=patience))
    assert model.num_timesteps == 120


def test_nothing_is_evaluated_before_its_time():
    callback = evaluation(eval_freq=0)
    make().learn(60, callback=callback)
    assert callback.evaluations_timesteps == []


def test_one_line_per_evaluation(capsys):
    make(Uneven).learn(80, callback=evaluation(env=Uneven, verbose=1, n_envs=2))
    lines = [line for line in capsys.readouterr().out.splitlines() if "evaluation" in line]
    line = "mean return 11.00, success rate 50%, mean length 11.0"
    assert lines == [
        f"evaluation at step 40: {line} (best so far)",
        f"evaluation at step 80: {line}",
    ]


def test_the_training_environment_is_refused():
    inner = Graded()
    model = make(DummyVecEnv([lambda: inner]))
    for env in (model.get_env(), inner, DummyVecEnv([lambda: inner])):
        with pytest.raises(ValueError, match="eval_env is the training environment"):
            model.learn(10, callback=UnitEvalCallback(env, verbose=0, warn=False))


OTHERS = [
    ({}, None),
    (None, {}),
    ({"norm_obs": False}, {}),
    ({}, {"clip_obs": 5.0}),
    ({}, {"epsilon": 1e-3}),
]


@pytest.mark.parametrize(("training", "evaluated"), OTHERS)
def test_other_observations_are_refused(training, evaluated):
    train_env, eval_env = (
        env if kwargs is None else VecNormalize(env, **kwargs)
        for kwargs in (training, evaluated)
        for env in [make_vec_env(Graded)]
    )
    with pytest.raises(ValueError, match="not wrapped like the training environment"):
        make(train_env).learn(10, callback=UnitEvalCallback(eval_env, verbose=0))


def test_rewards_may_be_normalised_otherwise():
    """The evaluation never does."""
    train_env = VecNormalize(make_vec_env(Graded), norm_obs=False)
    make(train_env).learn(10, callback=UnitEvalCallback(make_vec_env(Graded), verbose=0))


def test_bad_arguments():
    with pytest.raises(ValueError, match="seed=-1 must not be negative"):
        evaluation(seed=-1)
    with pytest.raises(ValueError, match="n_eval_episodes=0 must be at least 1"):
        evaluation(n_eval_episodes=0)


def test_a_missing_monitor_is_warned_of():
    env = DummyVecEnv([Graded])
    with pytest.warns(UserWarning, match="has no Monitor"):
        make().learn(10, callback=UnitEvalCallback(env, verbose=0))


def test_ppo_with_worker_processes_in_training_gives_no_warning(recwarn):
    from stable_baselines3.common.vec_env import SubprocVecEnv

    env = make_vec_env(Graded, 2, vec_env_cls=SubprocVecEnv)
    model = PPO("MlpPolicy", env, n_steps=20, batch_size=20, device="cpu")
    callback = evaluation()
    model.learn(40, callback=callback)
    env.close()
    assert callback.evaluations_timesteps == [40]
    assert not [w for w in recwarn if "not of the same type" in str(w.message)]
