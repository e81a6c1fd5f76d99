"""``sb3-ac train`` as people type it: exit code, one sentence, no traceback."""

import json
import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest
import yaml

from sb3_ac_ext.cli import main, make_parser
from sb3_ac_ext.cli.train import make_spec
from sb3_ac_ext.run_spec import RunSpec

PACKAGES = ("--gym-packages", "tests.broken_envs")
QUICK = (
    *("--algo", "a2c", "--env", "Sound-v0", "-n", "64", "--seed", "1", "--device", "cpu"),
    *("--eval-freq", "-1", "--canary-freq", "0", *PACKAGES),
)


@pytest.fixture
def train(tmp_path, capsys):
    """Run ``sb3-ac train`` in this process; later flags win over the quick ones."""

    def train(*flags, quick=QUICK):
        code = main(["train", *quick, "-f", str(tmp_path / "logs"), *flags])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return train


def parse(*flags):
    return make_spec(make_parser().parse_args(["train", *flags]))


def test_defaults_are_those_of_the_spec():
    assert parse() == RunSpec()


def test_short_and_long_flags():
    long = parse(
        *("--n-timesteps", "1e5", "--log-folder", "l", "--conf-file", "c.yml", "--progress"),
        *("--hyperparams", "learning_rate:lin_1e-3", "gamma:0.9", "--tensorboard-log", "t"),
        *("--trained-agent", "m.zip", "--uuid", "--wandb-tags", "a", "b"),
    )
    short = parse(
        *("-n", "100000", "-f", "l", "-conf", "c.yml", "-P", "-tb", "t", "-i", "m.zip", "-uuid"),
        *("-params", "learning_rate:lin_1e-3", "gamma:0.9", "-tags", "a", "b"),
    )
    assert long == short
    assert short.hyperparams == {"learning_rate": "lin_1e-3", "gamma": 0.9}
    assert short.wandb_tags == ("a", "b")


def test_all_other_flags():
    spec = parse(
        *("--algo", "sac", "--env", "E", "--seed", "3", "--env-kwargs", "a:1", "--device", "cpu"),
        *(
            "--eval-env-kwargs",
            "a:2",
            "--eval-freq",
            "-1",
            "--eval-episodes",
            "3",
            "--verbose",
            "0",
        ),
        *("--n-eval-envs", "2", "--save-freq", "9", "--save-replay-buffer", "--vec-env", "subproc"),
        *("--num-threads", "1", "--track", "--wandb-project-name", "p", "--wandb-entity", "e"),
        *(
            "--gym-packages",
            "g",
            "h",
            "--log-interval",
            "-2",
            "--no-report",
            "--webhook",
            "http://x",
        ),
        *("--canary-freq", "7", "--canary-episodes", "4", "--wandb-group", "w"),
        *("--step-timeout", "2.5", "--max-restarts", "3"),
    )
    assert spec == RunSpec(
        algo="sac",
        env="E",
        seed=3,
        env_kwargs={"a": 1},
        eval_env_kwargs={"a": 2},
        eval_freq=-1,
        eval_episodes=3,
        n_eval_envs=2,
        save_freq=9,
        save_replay_buffer=True,
        vec_env="subproc",
        step_timeout=2.5,
        max_restarts=3,
        device="cpu",
        num_threads=1,
        verbose=0,
        track=True,
        wandb_project_name="p",
        wandb_entity="e",
        wandb_group="w",
        gym_packages=("g", "h"),
        log_interval=-2,
        report=False,
        webhook="http://x",
        canary_freq=7,
        canary_episodes=4,
    )


def test_parser_is_built_without_torch():
    code = (
        "import sys; from sb3_ac_ext.cli import make_parser; make_parser(); "
        "assert not {'torch', 'stable_baselines3', 'gymnasium'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_good_run(train, tmp_path):
    code, out, err = train()
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("a2c on Sound-v0 (not in a2c.yml: its 'default' is used): 64 steps")
    assert any(line.startswith("Verdict:") for line in lines)
    assert lines[-3].startswith("finished: ")
    assert lines[-1] == f"report: {tmp_path / 'logs' / 'a2c' / 'Sound-v0_1' / 'report.html'}"


def test_verbose_0_prints_nothing(train):
    assert train("--verbose", "0") == (0, "", "")


def test_verbose_2_prints_what_sb3_prints(train):
    _, out, _ = train("--verbose", "2", "--log-interval", "1")
    assert "Using cpu device" in out
    assert "total_timesteps" in out


BAD_INPUT = {
    "algorithm": (("--algo", "pppo"), "unknown algorithm 'pppo', did you mean 'ppo'?"),
    "environment": (("--env", "CartPole-v7"), "'CartPole-v7', did you mean 'CartPole-v1'?"),
    "package": (("--gym-packages", "no_such"), "there is no module 'no_such'"),
    "key": (("-params", "lerning_rate:1"), "'lerning_rate', did you mean 'learning_rate'?"),
    "schedule": (("-params", "learning_rate:foo_3e-4"), "learning_rate: 'foo_3e-4' is not a sched"),
    "pair": (("-params", "gamma"), "--hyperparams: 'gamma' is not of the form key:value"),
    "env pair": (("--env-kwargs", "x"), "--env-kwargs: 'x' is not of the form key:value"),
    "env kwargs": (("--env-kwargs", "foo:1"), "unexpected keyword argument 'foo'"),
    "flag": (("--nonsense",), "unrecognized arguments: --nonsense"),
    "flag value": (("--seed", "x"), "argument --seed: 'x' is not a whole number"),
    "choice": (("--vec-env", "threads"), "argument --vec-env: invalid choice: 'threads'"),
    "long seed": (("--seed", "1e99"), "--seed: '1e99' is not between"),
    "longer seed": (("--seed", "1" * 400), "--seed: '111111111111...1111111111111' is not between"),
    "infinite seed": (("--seed", "inf"), "--seed: 'inf' is not a whole number"),
    "no steps": (("-n", "0"), "n_timesteps=0 must be positive, or negative for that of the"),
    "threads": (("--num-threads", "100000"), "num_threads=100000 must be at most"),
    "episodes": (("--eval-episodes", "0"), "eval_episodes=0 must be at least 1"),
    "timeout": (("--step-timeout", "x"), "argument --step-timeout: invalid float value: 'x'"),
    "no timeout": (
        ("--vec-env", "subproc", "--step-timeout", "0"),
        "step_timeout=0.0 is not accepted: give a positive number of seconds",
    ),
    "restarts": (
        ("--vec-env", "subproc", "--max-restarts", "-1"),
        "max_restarts=-1 is not accepted: give 0 or more",
    ),
    "no processes": (
        ("--max-restarts", "1"),
        "step_timeout and max_restarts need vec_env='subproc', not 'dummy'",
    ),
    "guard": (
        ("-params", "vec_env_wrapper:{sb3_ac_ext.VecFiniteGuard: {on_nonfinite: ignore}}"),
        "unknown on_nonfinite 'ignore'; accepted are end_episode, raise, replace",
    ),
    "device": (("--device", "gpu9"), "unknown device 'gpu9'"),
    "action space": (("--algo", "td3"), "td3 does not fit Sound-v0: it needs Box actions"),
    "no model": (("-i", "absent.zip"), "trained agent 'absent.zip' does not exist"),
    "no zip": (("-i", "model.pkl"), "trained agent 'model.pkl' must be a .zip file"),
    "no file": (("-conf", "absent.yml"), "configuration 'absent.yml' cannot be read: No such file"),
    "wrapper": (("-params", "env_wrapper:a.B"), "env_wrapper: there is no module 'a'"),
    "wrapper kwargs": (
        ("-params", "env_wrapper:{gymnasium.wrappers.ClipReward: {low: 1}}"),
        "ClipReward refuses {'low': 1}",
    ),
    "callback": (
        ("-params", "callback:collections.OrderedDict"),
        "callback: 'collections.OrderedDict' is no subclass of BaseCallback",
    ),
    "function": (
        ("-params", "callback:os.system"),
        "callback: 'os.system' is no subclass of BaseCallback",
    ),
    "callback kwargs": (
        ("-params", "callback:{sb3_ac_ext.KLMonitorCallback: {warning: abc}}"),
        "KLMonitorCallback refuses warning='abc': it is not of type float",
    ),
    "policy kwargs": (
        ("-params", "policy_kwargs:dict(net_arc=[8])"),
        "unknown policy_kwargs key of MlpPolicy 'net_arc', did you mean 'net_arch'?",
    ),
    "setting": (("-params", "n_steps:0"), "n_steps: 0 is not between 1 and inf"),
    "combination": (
        ("--algo", "ppo", "-params", "n_steps:1", "n_envs:1"),
        "ppo refuses its settings: `n_steps * n_envs` must be greater than 1",
    ),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_one_sentence(train, tmp_path, case):
    flags, sentence = BAD_INPUT[case]
    code, out, err = train(*flags)
    assert (code, out) == (2, "")
    assert sentence in err
    assert err.startswith("sb3-ac: error: ")
    assert err.count("\n") == 1
    assert not list((tmp_path / "logs").rglob("*"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("- 1", "must map environments to settings, not list"),
        ("Sound-v0: [", "is not valid YAML, line 1"),
        ("Other-v0: {}", "has no entry for 'Sound-v0' and no 'default'"),
        ("Sound-v0: {policy: MlpPolicy}", "'n_timesteps' is missing"),
        ("Sound-v0:\n  gamma: 1\n  gamma: 1", "line 3: the key 'gamma' is given twice"),
    ],
)
def test_bad_configuration(train, tmp_path, text, sentence):
    path = tmp_path / "conf.yml"
    path.write_text(text)
    code, _, err = train("-conf", str(path), "-n", "-1")
    assert code == 2
    assert sentence in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x05\x06" + b"\0" * 18])
def test_corrupt_model(train, tmp_path, content):
    path = tmp_path / "model.zip"
    path.write_bytes(content)
    code, _, err = train("-i", str(path))
    assert code == 2
    assert f"trained agent '{path}' cannot be loaded: " in err
    assert err.count("\n") == 1


def test_corrupt_normaliser(train, tmp_path):
    train("-params", "normalize:true")
    folder = tmp_path / "logs" / "a2c" / "Sound-v0_1"
    (folder / "Sound-v0" / "vecnormalize.pkl").write_bytes(b"junk")
    code, _, err = train("-i", str(folder / "Sound-v0.zip"))
    assert code == 2
    assert "vecnormalize.pkl' cannot be loaded" in err
    assert err.count("\n") == 1


def test_model_of_another_environment(train, tmp_path):
    train()
    model = tmp_path / "logs" / "a2c" / "Sound-v0_1" / "Sound-v0.zip"
    code, _, err = train("-i", str(model), "--env", "CartPole-v1")
    assert code == 2
    assert "cannot be loaded: Observation spaces do not match" in err


def test_log_folder_that_cannot_be_written(train, tmp_path):
    (tmp_path / "file").write_text("")
    code, out, err = train("-f", str(tmp_path / "file"))
    assert (code, out) == (2, "")
    assert f"log folder '{tmp_path / 'file'}' cannot be written: " in err
    assert err.count("\n") == 1


def test_tensorboard_folder_that_cannot_be_written(train, tmp_path):
    (tmp_path / "file").write_text("")
    code, out, err = train("-tb", str(tmp_path / "file"))
    assert (code, out) == (2, "")
    assert f"TensorBoard folder '{tmp_path / 'file'}' cannot be written: " in err
    assert err.count("\n") == 1
    assert not list((tmp_path / "logs").rglob("*"))


@pytest.mark.parametrize("extra", ["box2d", "mujoco"])
def test_missing_package_names_the_extra(train, monkeypatch, extra):
    blocked = {"box2d": "Box2D", "mujoco": "mujoco"}[extra]
    for name in [
        name for name in sys.modules if name.startswith((blocked, "gymnasium.envs." + extra))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, blocked, None)
    env = {"box2d": "LunarLander-v3", "mujoco": "Hopper-v5"}[extra]
    code, _, err = train("--env", env)
    assert code == 2
    assert f'pip install "sb3-ac-ext[{extra}]"' in err
    assert err.count("\n") == 1


def test_tracking_without_wandb(train, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    code, _, err = train("--track")
    assert code == 2
    assert 'pip install "sb3-ac-ext[wandb]"' in err


def test_tracking(train, tmp_path, monkeypatch):
    """What wandb is told; a stand-in, because starting the real one takes longer than training."""
    calls = []

    class Run:
        def finish(self, exit_code):
            calls.append(exit_code)

    def init(**kwargs):
        calls.append(kwargs)
        return Run()

    fake = types.ModuleType("wandb")
    fake.init, fake.run, fake.Error = init, None, RuntimeError
    monkeypatch.setitem(sys.modules, "wandb", fake)
    monkeypatch.chdir(tmp_path)
    flags = ("--wandb-project-name", "p", "--wandb-entity", "e", "-tags", "t")
    assert train("--track", *flags)[0] == 0
    told, exit_code = calls
    assert (told["project"], told["entity"], told["tags"][0], exit_code) == ("p", "e", "t", 0)
    assert told["sync_tensorboard"]
    assert told["config"]["seed"] == 1
    assert list((tmp_path / "runs" / told["name"] / "Sound-v0" / "A2C_1").glob("events*"))
    assert train("--track", "-params", "n_steps:0")[0] == 2
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        ("Raises-v0", "training failed at step 100: RuntimeError: the simulator exploded"),
        ("NanObservation-v0", "observations that are NaN or infinite"),
        ("NanReward-v0", "the policy's weights are no longer finite"),
    ],
)
def test_failure_in_training_is_one_sentence(train, tmp_path, env, sentence):
    code, out, err = train("--env", env, "-n", "400", "--algo", "ppo", "-params", "n_steps:64")
    assert code == 1
    assert sentence in err
    assert err.count("\n") == 1
    assert "Traceback" not in out
    folder = tmp_path / "logs" / "ppo" / f"{env}_1"
    assert f"report: {folder / 'report.html'}" in out
    assert {"monitor.jsonl", "report.html", f"{env}.zip"} <= {p.name for p in folder.iterdir()}


PROCESSES = ("--vec-env", "subproc", "-n", "400", "-params", "n_envs:2")


@pytest.mark.parametrize(
    ("env", "flags", "sentence"),
    [
        ("Raises-v0", (), "worker 0 raised RuntimeError: the simulator exploded (broken_envs.py, "),
        ("Dies-v0", (), "worker 0 died in step: its process was killed by SIGKILL"),
        ("Hangs-v0", ("--step-timeout", "1"), "worker 0 hung: no answer to step within 1 s"),
    ],
)
def test_a_worker_that_fails_is_one_sentence(train, tmp_path, env, flags, sentence):
    code, out, err = train("--env", env, *PROCESSES, *flags)
    assert code == 1
    assert err.startswith(f"sb3-ac: error: training failed at step 200: {sentence}")
    assert err.count("\n") == 1
    folder = tmp_path / "logs" / "a2c" / f"{env}_1"
    assert f"report: {folder / 'report.html'}" in out
    assert {"monitor.jsonl", "report.html", f"{env}.zip"} <= {p.name for p in folder.iterdir()}
    assert json.loads((folder / "run.json").read_text())["outcome"] == "failed"


def test_the_traceback_of_a_worker(train):
    code, _, err = train("--env", "Raises-v0", *PROCESSES, "--verbose", "2")
    assert code == 1
    assert 'broken_envs.py", line' in err
    assert err.splitlines()[-1].startswith("sb3-ac: error: training failed at step 200: worker 0 ")


@pytest.mark.filterwarnings("ignore:worker")
def test_workers_that_are_restarted(train, tmp_path):
    code, out, err = train("--env", "Dies-v0", *PROCESSES, "--max-restarts", "2")
    assert (code, err) == (0, "")
    assert "worker 0 was restarted: it died once; restarted, too: 1" in out
    folder = tmp_path / "logs" / "a2c" / "Dies-v0_1"
    facts = json.loads((folder / "run.json").read_text())
    assert (facts["outcome"], facts["verdict"]) == ("finished", "warning")
    assert [(f["worker"], f["kind"]) for f in facts["worker_restarts"]] == [
        (0, "died"),
        (1, "died"),
    ]
    rows = (folder / "0.monitor.csv").read_text().splitlines()[2:]
    # 100 steps in five episodes before the restart, whose own step is lost, and 99 after it
    assert len(rows) == 5 + 4


def test_a_guard_in_the_settings(train):
    """What ends training otherwise is replaced, or named with worker, step and entry."""
    flags = ("--env", "NanObservation-v0", "-n", "400", "-params", "n_envs:2")
    guard = "vec_env_wrapper:{sb3_ac_ext.VecFiniteGuard: {on_nonfinite: %s}}"
    code, _, err = train(*flags, guard % "raise")
    assert code == 1
    assert err == (
        "sb3-ac: error: training failed at step 200: step 101, worker 0: observation[0] is nan "
        "(and 1 more)\n"
    )
    code, out, err = train(*flags, guard % "replace")
    assert (code, err) == (0, "")
    assert "worker 0 delivered numbers that are not finite" in out


def test_the_zoo_runs_the_trained_model(train, tmp_path):
    """Its enjoy reads our plain YAML, finds the normaliser and the environment's arguments."""
    flags = ("--algo", "ppo", "--env", "CartPole-v1", "--eval-freq", "64")
    code, _, _ = train(*flags, "-params", "normalize:true", "n_steps:16", "n_envs:2")
    assert code == 0
    command = [sys.executable, "-m", "rl_zoo3.enjoy", "--algo", "ppo", "--env", "CartPole-v1"]
    command += ["-f", str(tmp_path / "logs"), "-n", "100", "--no-render", "--device", "cpu"]
    for flag in ([], ["--load-best"]):
        done = subprocess.run([*command, *flag], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "Mean reward" in done.stdout
        assert "Loading running average" in done.stdout


def test_same_weights_as_the_zoo(train, tmp_path):
    """The same seed and settings train to the same weights under the stock command."""
    import torch as th
    from stable_baselines3 import PPO

    flags = ("--algo", "ppo", "--env", "CartPole-v1", "-n", "512", "--seed", "4", "--device", "cpu")
    entry = yaml.safe_load((Path(__file__).parents[1] / "hyperparams" / "ppo.yml").read_text())
    conf = tmp_path / "conf.yml"
    conf.write_text(yaml.safe_dump({"CartPole-v1": {**entry["CartPole-v1"], "normalize": True}}))
    flags += ("-conf", str(conf), "--eval-freq", "256")
    assert train(*flags, quick=())[0] == 0
    zoo = [sys.executable, "-m", "rl_zoo3.train", *flags, "-f", str(tmp_path / "zoo")]
    subprocess.run(zoo, check=True, capture_output=True)
    path = Path("ppo", "CartPole-v1_1", "CartPole-v1.zip")
    ours, theirs = (PPO.load(tmp_path / root / path) for root in ("logs", "zoo"))
    for mine, other in zip(ours.policy.parameters(), theirs.policy.parameters(), strict=True):
        assert th.equal(mine, other)


@pytest.mark.parametrize("vec_env", ["dummy", "subproc"])
def test_ctrl_c(tmp_path, vec_env):
    """The signal reaches the whole process group, as from a terminal."""
    command = [sys.executable, "-m", "sb3_ac_ext", "train", *QUICK, "-f", str(tmp_path)]
    command += ["--env", "Slow-v0", "-n", "1000000", "--vec-env", vec_env, "-params", "n_envs:2"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        cwd=Path(__file__).parents[1],
    )
    folder = tmp_path / "a2c" / "Slow-v0_1"
    wait_for(lambda: (folder / "monitor.jsonl").exists(), process)
    time.sleep(1.0)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == ""
    assert "interrupted: " in out
    facts = json.loads((folder / "run.json").read_text())
    assert facts["outcome"] == "interrupted"
    assert facts["steps"] > 0
    assert {"Slow-v0.zip", "report.html"} <= {path.name for path in folder.iterdir()}


def wait_for(condition, process, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.1)
