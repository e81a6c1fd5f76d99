"""Every file in examples/ runs and does what it says."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
ARGUMENTS = {
    "broken_environments.py": [],
    "broken_worker.py": ["--timesteps", "18000", "--begin", "6000"],
    "custom_algorithm.py": [],
    "flight_recorder.py": [],
    "one_callback.py": ["4096"],
    "resume.py": ["--steps", "400"],
    "roll_back.py": ["--timesteps", "40000"],
    "single_monitors.py": ["6000"],
    "worker_rewards.py": ["--quick"],
    "zoo_callback.yml": [],
    "zoo_drop_in.py": [
        *("--algo", "ppo", "--env", "CartPole-v1", "-n", "4096", "-f", "zoo", "--device", "cpu"),
        *("-params", "ent_coef:'lin_0.01'"),
    ],
}
SAYS = {
    "broken_environments.py": "DeafCart-v0 with sac",
    "broken_worker.py": "worker 3 pays 10 times",
    "custom_algorithm.py": "values are right, discounting is wrong",
    "flight_recorder.py": "advantages = nan, from rewards[87, worker 2] = nan",
    "one_callback.py": "status:",
    "resume.py": "weights are the same",
    "roll_back.py": "with actions the run recovered",
    "single_monitors.py": "KL between old and new policy was above 0.1",
    "worker_rewards.py": "rewards are divided, worker by worker, by",
    "zoo_callback.yml": "Verdict: healthy",
    "zoo_drop_in.py": "ent_coef             | 0.00",  # Stable-Baselines3's PPO logs none
}


def test_every_example_is_run_here() -> None:
    found = {path.name for path in EXAMPLES.iterdir() if path.suffix in {".py", ".yml"}}
    assert found == set(ARGUMENTS) == set(SAYS)


FOUND = {"negative_schedule.py": "learning rate of the last update: -"}


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_in_other_packages_is_still_so(name: str) -> None:
    assert {path.name for path in (EXAMPLES / "found").glob("*.py")} == set(FOUND)
    command = [sys.executable, str(EXAMPLES / "found" / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert FOUND[name] in done.stdout, done.stdout


@pytest.mark.parametrize("name", ARGUMENTS)
def test_example(name: str, tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / name), *ARGUMENTS[name]]
    if name.endswith(".yml"):
        command = [sys.executable, "-m", "rl_zoo3.train", "--algo", "ppo", "--env", "CartPole-v1"]
        command += ["-conf", str(EXAMPLES / name), "-n", "10000", "--seed", "1", "-f", "zoo"]
        command += ["--eval-freq", "5000", "--device", "cpu", "--num-threads", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert SAYS[name] in done.stdout, done.stdout[-2000:]


def test_the_doctor_passes_the_sound_environment_and_names_four_mistakes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    load("broken_environments.py").main()
    sound, stale, limit, seed, deaf = capsys.readouterr().out.split("Cart-v0 with sac")[1:]
    assert "ok: nothing found" in sound
    assert "fail: stale observations" in stale and "warning: time limit: all" in limit
    assert "fail: worker seeds" in seed and "left over from before the reset" in seed
    assert "fail: actions matter" in deaf


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name[:-3], EXAMPLES / name)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_flagship_names_worker_step_and_remedy_within_three_rollouts(tmp_path: Path) -> None:
    """One of eight workers pays 10x from step 10,000 on; a rollout has 2,048 steps."""
    callback = load("broken_worker.py").train(timesteps=18_000, log_dir=tmp_path, verbose=0)
    findings = callback.verdict.findings
    assert [finding.detector for finding in findings] == ["worker_rewards"]
    assert findings[0].worker == 3 and findings[0].value == pytest.approx(10.0)
    assert findings[0].step <= 10_000 + 3 * 2048
    assert 8_192 <= findings[0].since <= 10_240
    cause = callback.verdict.diagnoses[0]
    assert cause.cause == "worker_reward_scale" and "that worker's environment" in cause.advice
    page = (tmp_path / "report.html").read_text()
    assert "worker 3 pays 10 times" in page and "one worker pays rewards" in page


def test_flagship_without_the_fault_is_silent() -> None:
    callback = load("broken_worker.py").train(broken=None, timesteps=18_000, verbose=0)
    assert callback.verdict.findings == () and callback.verdict.status == "healthy"
