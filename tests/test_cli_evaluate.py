"""``sb3-ac evaluate`` as people type it: numbers, or one sentence and exit code 2."""

import json
import shutil
import subprocess
import sys
from collections import OrderedDict

import pytest
import yaml

from sb3_ac_ext import RunSpec, read_unit
from sb3_ac_ext.cli import main
from sb3_ac_ext.experiment import run


@pytest.fixture
def evaluate(capsys):
    def evaluate(*arguments):
        code = main(["evaluate", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return evaluate


def train(root, env="Graded-v0", **params):
    spec = RunSpec(
        algo="a2c",
        env=env,
        n_timesteps=120,
        seed=1,
        log_folder=str(root),
        eval_freq=40,
        eval_episodes=3,
        save_freq=40,
        canary_freq=0,
        device="cpu",
        verbose=0,
        report=False,
        gym_packages=("tests.evaluation.envs",),
        hyperparams={"n_envs": 2, "n_steps": 8, "normalize": True, **params},
    )
    return run(spec).folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return train(tmp_path_factory.mktemp("logs"))


@pytest.fixture
def folder(trained, tmp_path):
    """A copy that a test may spoil."""
    return shutil.copytree(trained, tmp_path / "a2c" / "Graded-v0_1")


def test_both_modes_side_by_side(evaluate, trained):
    code, out, err = evaluate(trained, "--episodes", 30, "--seeds", 0, 1, 2)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    step = read_unit(trained).unit.num_timesteps
    assert lines[0] == (
        f"best model of A2C at step {step} on Graded-v0: {trained / 'best_model.zip'}"
    )
    assert lines[1] == "seeds 0 1 2, 3 workers, cpu"
    assert lines[3].split() == ["deterministic", "stochastic"]
    assert lines[4].split() == ["episodes", "30", "30"]
    rows = {line[:14].strip() for line in lines}
    assert {"mean return", "95 % interval", "median", "std", "success rate", "mean length"} <= rows
    assert lines[6].count("(BCa bootstrap)") == 2
    assert any(line.startswith("deterministic - stochastic: ") for line in lines)
    assert any(line.startswith("when saved: deterministic mean return ") for line in lines)


def test_the_same_seeds_print_the_same_numbers(evaluate, trained):
    first, second, other = (
        evaluate(trained, "--episodes", 20, "--seeds", *seeds)[1]
        for seeds in ((3, 4), (3, 4), (5, 6))
    )
    assert first == second
    assert first.splitlines()[5] != other.splitlines()[5]


def test_with_the_seeds_of_the_unit_it_gives_what_the_unit_says(evaluate, trained):
    unit = read_unit(trained).unit
    arguments = ("--seeds", *unit.seeds, "--episodes", len(unit.episodes), "--json")
    _, out, _ = evaluate(trained, *arguments, "--mode", "deterministic")
    told = json.loads(out)["modes"]["deterministic"]
    assert told["played"] == list(unit.episodes)
    assert told["mean"]["value"] == unit.mean.value
    assert told["mean"]["interval_95"] == [unit.mean.low, unit.mean.high]


def test_the_number_of_workers_changes_no_greedy_episode(evaluate, trained):
    played = []
    for n_envs in (1, 2, 9):
        flags = ("--episodes", 9, "--n-envs", n_envs, "--mode", "deterministic", "--json")
        document = json.loads(evaluate(trained, *flags, "--seeds", 7, 8, 9)[1])
        assert document["n_envs"] == min(n_envs, 3)
        played.append(document["modes"]["deterministic"]["played"])
    assert played[0] == played[1] == played[2]


def test_json_document(evaluate, trained):
    code, out, _ = evaluate(trained, "--episodes", 4, "--json", "--device", "cpu")
    told = json.loads(out)
    assert code == 0
    assert told["seeds"] == [50000, 50001, 50002, 50003]
    assert (told["algorithm"], told["env"], told["which"]) == ("A2C", "Graded-v0", "best model")
    assert set(told["modes"]) == {"deterministic", "stochastic"}
    assert told["modes"]["stochastic"]["success"] == {
        "rate": 1.0,
        "episodes": 4,
        "interval_95": pytest.approx([0.025**0.25, 1.0]),
        "method": "Clopper-Pearson",
    }
    assert told["difference"]["method"] == "t"
    assert told["saved"]["num_timesteps"] == told["num_timesteps"]
    assert told["vecnormalize"] == str(trained / "best_model_vecnormalize.pkl")


@pytest.mark.parametrize(
    ("flags", "title", "normaliser"),
    [
        (("--best",), "best model", "best_model_vecnormalize.pkl"),
        (("--last",), "last model", "Graded-v0/vecnormalize.pkl"),
        (("--checkpoint", "80"), "rl_model_80_steps.zip", "rl_model_vecnormalize_80_steps.pkl"),
    ],
)
def test_each_model_has_its_own_normaliser(evaluate, trained, flags, title, normaliser):
    flags = ("--episodes", 2, "--mode", "deterministic", "--json", *flags)
    told = json.loads(evaluate(trained, *flags)[1])
    assert told["which"] == title
    assert told["vecnormalize"] == str(trained / normaliser)
    assert json.loads(evaluate(told["model"], *flags[:5])[1]) == told, "the file names the model"
    assert (told["saved"] is None) == (title != "best model")


def test_checkpoints_in_a_folder_of_their_own(evaluate, folder):
    (folder / "kept").mkdir()
    for path in folder.glob("rl_model*_80_steps.*"):
        path.rename(folder / "kept" / path.name)
    flags = ("--episodes", 2, "--json")
    told = json.loads(evaluate(folder, "--checkpoint", 80, *flags)[1])
    assert told["model"] == str(folder / "kept" / "rl_model_80_steps.zip")
    assert told["vecnormalize"] == str(folder / "kept" / "rl_model_vecnormalize_80_steps.pkl")
    assert json.loads(evaluate(told["model"], *flags)[1]) == told


def test_the_environment_is_that_of_the_run(evaluate, tmp_path):
    """Wrappers and arguments of the settings, and those of the evaluation where they differ."""
    wrapper = {"gymnasium.wrappers.RescaleObservation": {"min_obs": 0, "max_obs": 2}}
    params = {"env_wrapper": [wrapper], "frame_stack": 2, "eval_env_kwargs": {"tells_success": 0}}
    folder = train(tmp_path, **params)
    told = json.loads(evaluate(folder, "--episodes", 2, "--json")[1])
    assert told["modes"]["deterministic"]["success"] is None


def test_a_run_of_the_zoo(evaluate, folder):
    """Its settings say more than plain YAML does, and its best model has no record."""
    for name in ("best_model.json", "best_model_vecnormalize.pkl", "best_model.zip"):
        (folder / name).unlink()
    args = folder / "Graded-v0" / "args.yml"
    plain = yaml.safe_load(args.read_text())
    plain["env_kwargs"] = {"tells_success": False}
    args.write_text(yaml.dump(OrderedDict(plain)))
    assert "!!python" in args.read_text()
    code, out, err = evaluate(folder, "--last", "--episodes", 2, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["modes"]["deterministic"]["success"] is None
    code, _, err = evaluate(folder, "--episodes", 2)
    assert code == 2
    assert "best_model.zip' does not exist; there are --last, --checkpoint 40 or 80 or 120" in err


def test_a_model_by_itself(evaluate, trained, tmp_path):
    shutil.copy(trained / "Graded-v0.zip", tmp_path / "alone.zip")
    env = ("--env", "tests.evaluation.envs:Graded-v0", "--episodes", 2)
    code, out, err = evaluate(tmp_path / "alone.zip", *env, "--algo", "a2c")
    assert (code, err) == (0, "")
    assert out.startswith("alone.zip of A2C at step 128 on Graded-v0: ")
    assert evaluate(tmp_path / "alone.zip", "--algo", "a2c")[2] == (
        f"sb3-ac: error: --env is needed: no run folder is around '{tmp_path / 'alone.zip'}'\n"
    )
    assert "--algo is needed: nothing beside" in evaluate(tmp_path / "alone.zip", *env)[2]


def test_a_unit_by_itself(evaluate, trained, tmp_path):
    for path in trained.glob("best_model*"):
        shutil.copy(path, tmp_path)
    flags = ("--env", "tests.evaluation.envs:Graded-v0", "--episodes", 2, "--json")
    told = json.loads(evaluate(tmp_path, *flags)[1])
    assert told["vecnormalize"] == str(tmp_path / "best_model_vecnormalize.pkl")
    assert "--env is needed" in evaluate(tmp_path)[2]
    assert "(it was evaluated in 'Graded-v0')" in evaluate(tmp_path / "best_model.zip")[2]


def test_an_interval_beside_the_saved_one_is_told(evaluate, folder):
    path = folder / "best_model.json"
    told = json.loads(path.read_text())
    for mean, side in ((1e6, "below"), (-1e6, "above")):
        path.write_text(json.dumps({**told, "mean": mean, "interval_95": [mean, mean + 1]}))
        out = evaluate(folder, "--episodes", 4, "--mode", "deterministic")[1]
        note = f"note: The deterministic interval lies {side} that of the saved evaluation"
        assert note in out
        assert ("is lucky, too" in out) == (side == "below")
        assert "note:" not in evaluate(folder, "--episodes", 4, "--mode", "stochastic")[1]
    path.write_text(json.dumps({**told, "interval_95": [-1e6, 1e6]}))
    assert "note:" not in evaluate(folder, "--episodes", 4)[1]


def test_a_policy_that_does_not_sample_is_played_once(evaluate, tmp_path):
    from stable_baselines3 import TD3

    model = TD3("MlpPolicy", "Pendulum-v1", buffer_size=10, device="cpu", seed=0)
    model.save(tmp_path / "td3.zip")
    flags = ("--env", "Pendulum-v1", "--algo", "td3", "--episodes", 1)
    code, out, _ = evaluate(tmp_path / "td3.zip", *flags)
    assert code == 0
    assert "stochastic  " not in out
    assert "note: TD3's policy does not sample: both modes are the same." in out


def spoil(folder, name, content=b"junk"):
    (folder / name).write_bytes(content)


def spoil_and_forget(folder, name):
    """A corrupt file without a record that would tell."""
    (folder / "best_model.json").unlink()
    spoil(folder, name)


def drop(*names):
    return lambda folder: [(folder / name).unlink() for name in names]


BAD = {
    "missing run": (lambda f: shutil.rmtree(f), (), "a2c/Graded-v0_1' does not exist"),
    "no run": (drop("Graded-v0/args.yml", "best_model.zip", "best_model.json"), (), "no run fol"),
    "no settings": (drop("Graded-v0/config.yml"), (), "cannot read "),
    "no best": (drop("best_model.zip", "best_model.json"), (), "best_model.zip' does not exist; "),
    "no last": (drop("Graded-v0.zip"), ("--last",), "there are --best, --checkpoint 40 or 80"),
    "no checkpoint": (None, ("--checkpoint", "9"), "rl_model_9_steps.zip' does not exist; there"),
    "lost model": (drop("best_model.zip"), (), "best_model.zip' is missing, which best_model.json"),
    "lost normaliser": (
        drop("best_model_vecnormalize.pkl"),
        (),
        "normalize.pkl' is missing, which",
    ),
    "no normaliser": (
        drop("Graded-v0/vecnormalize.pkl"),
        ("--last",),
        "vecnormalize.pkl' is missing: the run was normalised, and with other statistics",
    ),
    "no own normaliser": (
        drop("best_model_vecnormalize.pkl", "best_model.json"),
        (),
        "best_model_vecnormalize.pkl' is missing: the run was normalised",
    ),
    "mixture": (
        lambda f: shutil.copy(f / "Graded-v0.zip", f / "best_model.zip"),
        (),
        "is not the file that best_model.json beside it was written for: its SHA-256 begins with",
    ),
    "corrupt record": (
        lambda f: spoil(f, "best_model.json"),
        (),
        "best_model.json' cannot be read: it is no record of an evaluation",
    ),
    "corrupt zip": (
        lambda f: spoil_and_forget(f, "best_model.zip"),
        (),
        "best_model.zip' cannot be loaded as A2C: ",
    ),
    "corrupt normaliser": (
        lambda f: spoil_and_forget(f, "best_model_vecnormalize.pkl"),
        (),
        "best_model_vecnormalize.pkl' cannot be loaded: ",
    ),
    "corrupt settings": (lambda f: spoil(f, "Graded-v0/args.yml", b"- ["), (), "not valid YAML"),
    "settings that cannot be": (
        lambda f: spoil(f, "Graded-v0/config.yml", b"normalize: {nrm: 1}"),
        (),
        "unknown normalize keyword 'nrm'",
    ),
    "other observations": (
        None,
        ("--env", "CartPole-v1", "--last"),
        "spaces must have the same sh",
    ),
    "no environment": (None, ("--env", "CartPole-v9"), "'CartPole-v9', did you mean 'CartPole-v1'"),
    "no algorithm": (None, ("--algo", "pppo"), "unknown algorithm 'pppo', did you mean 'ppo'?"),
    "other algorithm": (None, ("--algo", "sac"), "cannot be loaded as SAC: "),
    "device": (None, ("--device", "gpu9"), "unknown device 'gpu9'"),
    "no episodes": (None, ("--episodes", "0"), "episodes=0 must be at least 1"),
    "few episodes": (None, ("--episodes", "1", "--seeds", "1", "2"), "at least one per seed, 2"),
    "word as a seed": (None, ("--seeds", "one"), "argument --seeds: 'one' is not a whole number"),
    "negative seed": (None, ("--seeds", "-1"), "seed -1 is not between 0 and 4294967295"),
    "large seed": (None, ("--seeds", "4294967296"), "seed 4294967296 is not between 0 and"),
    "seed twice": (None, ("--seeds", "1", "1"), "seed 1 is given twice: its episodes would be"),
    "no seed": (None, ("--seeds",), "argument --seeds: expected at least one argument"),
    "no workers": (None, ("--n-envs", "0"), "n_envs=0 must be at least 1"),
    "mode": (None, ("--mode", "random"), "argument --mode: invalid choice: 'random'"),
    "two models": (None, ("--last", "--best"), "argument --best: not allowed with argument --last"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence(evaluate, folder, case):
    prepare, flags, sentence = BAD[case]
    if prepare is not None:
        prepare(folder)
    code, out, err = evaluate(folder, *flags)
    assert (code, out) == (2, "")
    assert sentence in err
    assert err.startswith("sb3-ac: error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_a_file_that_is_no_model(evaluate, folder):
    code, _, err = evaluate(folder / "evaluations.npz")
    assert code == 2
    assert "is neither a run folder nor a model's .zip" in err


def test_the_run_below_is_named(evaluate, folder):
    code, _, err = evaluate(folder.parent.parent)
    assert code == 2
    assert f"no <env>/args.yml lies in it, did you mean '{folder}'?" in err


def test_actions_that_do_not_fit(evaluate, tmp_path):
    from stable_baselines3 import A2C

    A2C("MlpPolicy", "Pendulum-v1", device="cpu").save(tmp_path / "model.zip")
    flags = ("--env", "MountainCar-v0", "--algo", "a2c")
    code, _, err = evaluate(tmp_path / "model.zip", *flags)
    assert code == 2
    assert "does not fit the environment: Observation spaces do not match" in err
    assert err.count("\n") == 1


def test_an_environment_that_fails(evaluate, tmp_path):
    from stable_baselines3 import A2C
    from stable_baselines3.common.env_util import make_vec_env

    from tests.broken_envs import Raises

    A2C("MlpPolicy", make_vec_env(Raises), device="cpu").save(tmp_path / "model.zip")
    flags = ("--env", "tests.broken_envs:Raises-v0", "--algo", "a2c", "--seeds", "1")
    code, _, err = evaluate(tmp_path / "model.zip", *flags)
    assert code == 2
    assert "the deterministic evaluation failed: RuntimeError: the simulator exploded" in err


def test_evaluating_writes_nothing(evaluate, folder):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert evaluate(folder, "--episodes", 2)[0] == 0
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_help_warns_of_models_of_others():
    command = [sys.executable, "-m", "sb3_ac_ext", "evaluate", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "only evaluate models that you trust" in done.stdout
