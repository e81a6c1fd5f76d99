"""Whole runs, as small as they can be."""

import json
import multiprocessing
import os
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch as th
import yaml
from stable_baselines3 import A2C, PPO, SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecNormalize

from sb3_ac_ext.environments import EnvFactory, find_env
from sb3_ac_ext.experiment import RunSpec, prepare, run
from sb3_ac_ext.models import saved_statistics
from sb3_ac_ext.plain import dump_yaml, plain
from sb3_ac_ext.run_folder import create_run_folder, env_name, latest_run_id

PACKAGES = ("tests.broken_envs",)


class Stop(BaseCallback):
    def __init__(self, at: int):
        super().__init__()
        self.at = at

    def _on_step(self) -> bool:
        return self.num_timesteps < self.at


class Interrupt(BaseCallback):
    def __init__(self, at: int):
        super().__init__()
        self.at = at

    def _on_step(self) -> bool:
        if self.num_timesteps >= self.at:
            raise KeyboardInterrupt
        return True


@pytest.fixture
def small(tmp_path):
    """A run that takes a second; keywords replace fields, ``params`` adds hyperparameters."""

    def small(params=None, **fields):
        base = {
            "algo": "a2c",
            "env": "Sound-v0",
            "n_timesteps": 128,
            "seed": 1,
            "log_folder": str(tmp_path / "logs"),
            "eval_freq": 64,
            "eval_episodes": 2,
            "canary_freq": 64,
            "canary_episodes": 2,
            "device": "cpu",
            "verbose": 0,
            "gym_packages": PACKAGES,
            "hyperparams": {"n_envs": 2, "n_steps": 8, **(params or {})},
        }
        return RunSpec(**{**base, **fields})

    return small


SAC_SMALL = {
    "n_envs": 1,
    "learning_starts": 20,
    "batch_size": 8,
    "buffer_size": 1000,
    "policy_kwargs": {"net_arch": [8]},
    "train_freq": 8,
    "gradient_steps": 2,
}


def small_sac(small, **fields):
    spec = small(algo="sac", env="Pendulum-v1", **fields)
    return replace(spec, hyperparams=SAC_SMALL)


def test_the_folder_holds_what_the_zoo_and_we_promise(small, tmp_path):
    result = run(small({"normalize": True}, save_freq=64, tensorboard_log=str(tmp_path / "tb")))
    assert (result.outcome.status, result.steps) == ("finished", 128)
    assert result.folder == tmp_path / "logs" / "a2c" / "Sound-v0_1"
    names = {path.relative_to(result.folder).as_posix() for path in result.folder.rglob("*")}
    assert names == {
        "0.monitor.csv",
        "1.monitor.csv",
        "Sound-v0",
        "Sound-v0.zip",
        "Sound-v0/args.yml",
        "Sound-v0/command.txt",
        "Sound-v0/config.yml",
        "Sound-v0/vecnormalize.pkl",
        "best_model.json",
        "best_model.zip",
        "best_model_vecnormalize.pkl",
        "bundles",
        "bundles/bundle-128",
        "bundles/bundle-128/arrays.npz",
        "bundles/bundle-128/manifest.json",
        "bundles/bundle-128/state.json",
        "evaluations.npz",
        "findings.jsonl",
        "monitor.jsonl",
        "report.html",
        "rl_model_128_steps.zip",
        "rl_model_64_steps.zip",
        "rl_model_vecnormalize_128_steps.pkl",
        "rl_model_vecnormalize_64_steps.pkl",
        "run.json",
    }
    assert list((tmp_path / "tb" / "Sound-v0" / "A2C_1").glob("events*"))
    evaluations = np.load(result.folder / "evaluations.npz")
    assert evaluations["timesteps"].tolist() == [64, 128]
    assert evaluations["results"].tolist() == [[20.0, 20.0]] * 2


def test_settings_are_plain_yaml(small):
    params = {
        "learning_rate": "lin_1e-3",
        "policy_kwargs": "dict(net_arch=(8,), activation_fn=nn.ReLU)",
        "normalize": {"norm_reward": False},
    }
    folder = run(small(params, env_kwargs={"bonus": 1.0})).folder / "Sound-v0"
    config = yaml.safe_load((folder / "config.yml").read_text())
    assert config["learning_rate"] == "lin_1e-3"
    assert config["env_kwargs"] == {"bonus": 1.0}
    assert config["n_timesteps"] == 1_000_000
    args = yaml.safe_load((folder / "args.yml").read_text())
    assert (args["env"], args["n_timesteps"], args["seed"]) == ("Sound-v0", 128, 1)
    assert args["env_kwargs"] == {"bonus": 1.0}
    assert "!!" not in (folder / "args.yml").read_text() + (folder / "config.yml").read_text()


def test_run_json_tells_how_the_run_went(small):
    result = run(small())
    facts = json.loads((result.folder / "run.json").read_text())
    assert facts["outcome"] == "finished"
    assert facts["error"] is None
    assert (facts["algo"], facts["env"], facts["seed"], facts["steps"]) == (
        "a2c",
        "Sound-v0",
        1,
        128,
    )
    assert facts["verdict"] == result.verdict.status
    assert facts["wall_time"] > 0
    assert facts["started"] <= facts["finished"]
    assert {"torch", "stable-baselines3", "gymnasium", "python"} <= set(facts["versions"])
    assert facts["command"]


def test_run_json_says_running_until_the_end(small):
    ready = prepare(small())
    assert json.loads(ready.folder.run_json.read_text())["outcome"] == "running"


def test_best_model_comes_with_the_normaliser_it_was_evaluated_with(small):
    """Its statistics are older than the final ones, and give the score that was recorded."""
    spec = replace(small_sac(small, n_timesteps=300, eval_freq=100), canary_freq=0)
    spec = replace(spec, hyperparams={**SAC_SMALL, "normalize": True})
    result = run(spec)
    folder = result.folder
    evaluations = np.load(folder / "evaluations.npz")
    best = int(evaluations["results"].mean(axis=1).argmax())
    factory = EnvFactory(find_env("Pendulum-v1"), prepare(spec).config.environment)
    own = replace(factory, stats_path=folder / "best_model_vecnormalize.pkl")
    final = replace(factory, stats_path=folder / "Pendulum-v1" / "vecnormalize.pkl")
    envs = [f.evaluation(1, seed=0) for f in (own, final)]
    steps = evaluations["timesteps"][best]
    assert envs[0].obs_rms.count == pytest.approx(steps + 1, abs=1)
    assert envs[1].obs_rms.count == pytest.approx(result.steps + 1, abs=1)
    assert not envs[0].training
    assert not envs[0].norm_reward
    evaluate_policy(SAC.load(folder / "best_model.zip"), envs[0], n_eval_episodes=1, warn=False)
    assert envs[0].obs_rms.count == pytest.approx(steps + 1, abs=1)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, 20.0),
        ({"params": {"env_kwargs": {"bonus": 1.0}}}, 40.0),
        ({"env_kwargs": {"bonus": 2.0}}, 60.0),
        ({"params": {"env_kwargs": {"bonus": 1.0}}, "env_kwargs": {"bonus": 2.0}}, 60.0),
        ({"env_kwargs": {"bonus": 2.0}, "eval_env_kwargs": {"bonus": 0.0}}, 20.0),
    ],
)
def test_environment_arguments_reach_evaluation(small, fields, expected):
    result = run(small(**fields, canary_freq=0, report=False))
    assert np.load(result.folder / "evaluations.npz")["results"].max() == expected


def test_same_seed_same_weights(small):
    first, second, other = (
        A2C.load(run(small(seed=seed, canary_freq=0, report=False)).folder / "Sound-v0.zip")
        for seed in (1, 1, 2)
    )
    weights = [list(m.policy.parameters()) for m in (first, second, other)]
    assert all(th.equal(a, b) for a, b in zip(weights[0], weights[1], strict=True))
    assert not all(th.equal(a, b) for a, b in zip(weights[0], weights[2], strict=True))


def test_no_report_no_evaluation_no_canary(small):
    result = run(small(eval_freq=-1, canary_freq=0, report=False))
    assert result.report is None
    names = {path.name for path in result.folder.iterdir()}
    assert not names & {"report.html", "evaluations.npz", "best_model.zip"}
    assert "canary/" not in (result.folder / "monitor.jsonl").read_text().replace("not_obs", "")


def test_callbacks_and_wrappers_of_the_settings(small):
    params = {
        "callback": [{"tests.test_experiment.Stop": {"at": 48}}],
        "env_wrapper": [{"gymnasium.wrappers.RescaleObservation": {"min_obs": 0, "max_obs": 2}}],
        "vec_env_wrapper": "stable_baselines3.common.vec_env.VecCheckNan",
        "frame_stack": 3,
    }
    result = run(small(params))
    assert result.outcome.status == "stopped"
    assert result.steps == 48
    space = A2C.load(result.folder / "Sound-v0.zip").observation_space
    assert space.shape == (6,)
    assert space.high.max() == 2.0


def test_the_monitor_may_be_set_in_the_settings(small):
    params = {"callback": {"sb3_ac_ext.DiagnosticsCallback": {"every": 32, "canary_freq": 0}}}
    ready = prepare(small(params))
    monitors = [c for c in ready.callbacks if type(c).__name__ == "DiagnosticsCallback"]
    assert [monitor.every for monitor in monitors] == [32]


def test_ent_coef_schedule_from_the_settings(small):
    model = prepare(small({"ent_coef": "lin_0.1"}))
    assert type(model.callbacks[0]).__name__ == "EntCoefScheduleCallback"
    result = run(small({"ent_coef": "lin_0.1"}))
    assert A2C.load(result.folder / "Sound-v0.zip").ent_coef == pytest.approx(0.0)


def test_own_algorithm_by_path(small):
    result = run(small(algo="stable_baselines3.A2C"))
    assert result.folder.parent.name == "stable_baselines3.A2C"


def test_interrupted_run_is_complete(small):
    result = run(small({"callback": {"tests.test_experiment.Interrupt": {"at": 64}}}))
    assert (result.outcome.status, result.steps) == ("interrupted", 64)
    assert result.report.is_file()
    assert A2C.load(result.folder / "Sound-v0.zip").num_timesteps == 64
    assert json.loads((result.folder / "run.json").read_text())["outcome"] == "interrupted"


@pytest.mark.parametrize(
    ("env", "algo", "status", "reason"),
    [
        (
            "Raises-v0",
            "a2c",
            "failed",
            "RuntimeError: the simulator exploded (broken_envs.py, line",
        ),
        ("Raises-v0", "dqn", "failed", "the simulator exploded"),
        ("NanObservation-v0", "ppo", "failed", "observations that are NaN or infinite"),
        ("NanReward-v0", "a2c", "diverged", "weights are no longer finite"),
        ("NanReward-v0", "dqn", "diverged", "weights are no longer finite"),
    ],
)
def test_what_was_seen_is_kept_when_training_fails(small, env, algo, status, reason):
    params = (
        {"learning_starts": 10, "train_freq": 4} if algo == "dqn" else {"n_envs": 2, "n_steps": 8}
    )
    spec = small(env=env, algo=algo, n_timesteps=400, eval_freq=-1, canary_freq=0)
    result = run(replace(spec, hyperparams=params))
    assert result.outcome.status == status
    assert reason in result.outcome.error
    assert "\n" not in result.outcome.error
    assert result.report.is_file()
    assert (result.folder / f"{env}.zip").is_file()
    facts = json.loads((result.folder / "run.json").read_text())
    assert facts["error"] == result.outcome.error
    assert facts["steps"] == result.steps > 0
    assert len((result.folder / "monitor.jsonl").read_text().splitlines()) > 1


def test_worker_processes(small):
    result = run(small(vec_env="subproc", n_timesteps=32, eval_freq=-1))
    assert result.outcome.status == "finished"
    failed = run(small(env="Raises-v0", vec_env="subproc", n_timesteps=400, eval_freq=-1))
    assert failed.outcome.error.startswith("training failed at step 200: worker 0 raised Runtime")
    assert "in step\n    raise RuntimeError" in failed.outcome.traceback
    with pytest.raises(ValueError, match="sac does not fit"):
        run(replace(small(algo="sac", vec_env="subproc"), hyperparams={"n_envs": 2}))
    assert not multiprocessing.active_children()


def test_native_libraries_are_muted_while_environments_are_made(small, capfd):
    class Loud(BaseCallback):
        def __init__(self):
            super().__init__()
            os.write(2, b"made")

        def _on_step(self) -> bool:
            os.write(2, b"s")
            return self.num_timesteps < 3

    for verbose, expected in ((1, "ss"), (2, "madess")):
        run(small({"callback": Loud, "n_steps": 4}, verbose=verbose, eval_freq=-1, canary_freq=0))
        assert capfd.readouterr().err == expected


def test_continue_training(small):
    first = run(small_sac(small, n_timesteps=64, save_freq=32, save_replay_buffer=True))
    assert (first.folder / "replay_buffer.pkl").is_file()
    spec = small_sac(small, n_timesteps=40, trained_agent=str(first.folder / "Pendulum-v1.zip"))
    ready = prepare(spec)
    trained = SAC.load(first.folder / "Pendulum-v1.zip")
    for old, new in zip(trained.policy.parameters(), ready.model.policy.parameters(), strict=True):
        assert th.equal(old, new)
    assert ready.model.replay_buffer.size() == 64
    assert ready.model.learning_starts == 0
    assert run(spec).steps == 40


def test_statistics_that_belong_to_each_model(small):
    folder = run(small({"normalize": True}, save_freq=64)).folder
    own = {
        "Sound-v0.zip": "Sound-v0/vecnormalize.pkl",
        "best_model.zip": "best_model_vecnormalize.pkl",
        "rl_model_64_steps.zip": "rl_model_vecnormalize_64_steps.pkl",
    }
    for model, statistics in own.items():
        assert saved_statistics(str(folder / model), "Sound-v0") == folder / statistics
    ready = prepare(small({"normalize": True}, trained_agent=str(folder / "rl_model_64_steps.zip")))
    loaded = ready.model.get_vec_normalize_env()
    with (folder / "rl_model_vecnormalize_64_steps.pkl").open("rb") as stream:
        saved = pickle.load(stream)
    assert isinstance(loaded, VecNormalize)
    assert loaded.obs_rms.count == saved.obs_rms.count


def test_bad_input_leaves_no_folder(small, tmp_path):
    with pytest.raises(ValueError, match="sac does not fit Sound-v0: it needs Box actions"):
        run(replace(small(algo="sac"), hyperparams={}))
    assert not list((tmp_path / "logs").rglob("*"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"vec_env": "threads"}, "unknown vec_env 'threads'"),
        ({"eval_episodes": 0}, "eval_episodes=0"),
        ({"canary_episodes": 1}, "canary_episodes=1"),
        ({"seed": 2**32}, "seed=4294967296"),
        ({"seed": 10**99}, r"seed=1\S{,50} must be at most"),
        ({"n_timesteps": 0}, "n_timesteps=0 must be positive, or negative for that of the conf"),
        ({"num_threads": 100_000}, "num_threads=100000 must be at most .* four per CPU"),
        ({"verbose": 3}, "verbose=3"),
        ({"webhook": "ftp://x"}, "webhook='ftp://x'"),
    ],
)
def test_spec_refuses_what_cannot_be(fields, message):
    with pytest.raises(ValueError, match=message):
        RunSpec(**fields)


def test_random_seed_is_chosen_and_kept(small):
    spec = RunSpec().seeded()
    assert 0 <= spec.seed < 2**31
    assert spec.seeded() is spec


def make_folder(root):
    return create_run_folder(root, "ppo", "My/Env-v0").path.name


def test_run_numbers_are_taken_once(tmp_path):
    with multiprocessing.get_context("fork").Pool(4) as pool:
        names = pool.map(make_folder, [str(tmp_path)] * 24)
    assert sorted(names) == sorted(f"My-Env-v0_{k}" for k in range(1, 25))


def test_unique_folders_take_no_number(tmp_path):
    unique = create_run_folder(str(tmp_path), "ppo", "A-v0", unique=True)
    assert unique.path.name.startswith("A-v0_1_")
    assert latest_run_id(unique.path.parent, "A-v0") == 0
    assert env_name("my_module:ALE/Pong-v5") == "ALE-Pong-v5"


def test_plain_values(tmp_path):
    values = {
        "class": PPO,
        "tuple": (1, np.float32(0.5)),
        "array": np.arange(2),
        "path": tmp_path,
        "lambda": lambda: 0,
        1: None,
    }
    text = dump_yaml(values)
    read = yaml.safe_load(text)
    assert read["class"] == "stable_baselines3.ppo.ppo.PPO"
    assert read["tuple"] == [1, 0.5]
    assert read["array"] == [0, 1]
    assert read["path"] == str(tmp_path)
    assert "lambda" in read["lambda"]
    shared = [1]
    assert "&" not in dump_yaml([shared, shared])
    assert plain(True) is True
