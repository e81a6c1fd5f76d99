"""Workers that are really killed, raise and hang."""

from __future__ import annotations

import csv
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from stable_baselines3 import A2C
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import SubprocVecEnv, VecNormalize

from sb3_ac_ext import SafeSubprocVecEnv, WorkerError, workers
from sb3_ac_ext.vec_envs import safe_subproc
from sb3_ac_ext.vec_envs.limits import restart_seed

from .envs import BadClose, Mischief

FORK = {"start_method": "fork"}
ACTIONS = np.zeros(2, int)
Make = Callable[..., SafeSubprocVecEnv]


@pytest.fixture
def make() -> Iterator[Make]:
    """Two workers, the second of which may be told what to do; all end with the test.

    They are forked unless a test says otherwise: the others take seconds to import.
    """
    made: list[SafeSubprocVecEnv] = []

    def make(deed: str = "", cls: Any = Mischief, seed: int = 5, **kwargs: Any) -> Any:
        names = ("where", "at", "once", "big")
        env_kwargs = {name: kwargs.pop(name) for name in names if name in kwargs}
        bad = partial(cls, deed, **env_kwargs)
        env = SafeSubprocVecEnv([Mischief, bad], **{**FORK, **kwargs})
        made.append(env)
        env.seed(seed)
        return env

    yield make
    for env in made:
        for process in env.processes:
            process.kill()


def kill(env: SubprocVecEnv, worker: int) -> None:
    os.kill(env.processes[worker].pid, signal.SIGKILL)
    env.processes[worker].join()


# without incident: SB3's


@pytest.mark.parametrize("kwargs", [{}, {"step_timeout": 60.0, "max_restarts": 3}])
def test_the_same_steps_as_sb3(kwargs: Any) -> None:
    stock = make_vec_env("CartPole-v1", 2, seed=3, vec_env_cls=SubprocVecEnv, vec_env_kwargs=FORK)
    safe = make_vec_env(
        "CartPole-v1", 2, seed=3, vec_env_cls=SafeSubprocVecEnv, vec_env_kwargs={**FORK, **kwargs}
    )
    rng = np.random.default_rng(0)
    assert np.array_equal(stock.reset(), safe.reset())
    for _ in range(100):
        actions = rng.integers(0, 2, 2)
        theirs, ours = stock.step(actions), safe.step(actions)
        for one, other in zip(theirs[:3], ours[:3], strict=True):
            assert np.array_equal(one, other) and one.dtype == other.dtype
        for one, other in zip(theirs[3], ours[3], strict=True):
            assert one.keys() == other.keys()
            assert np.array_equal(
                one.get("terminal_observation"), other.get("terminal_observation")
            )
        assert list(stock.reset_infos) == list(safe.reset_infos)
    assert safe.worker_restarts == []
    stock.close()
    safe.close()


def test_the_same_weights_as_sb3() -> None:
    models = []
    for cls in (SubprocVecEnv, SafeSubprocVecEnv):
        env = make_vec_env("CartPole-v1", 2, seed=1, vec_env_cls=cls, vec_env_kwargs=FORK)
        models.append(A2C("MlpPolicy", VecNormalize(env), seed=1, device="cpu").learn(120))
        env.close()
    for one, other in zip(*(m.policy.parameters() for m in models), strict=True):
        assert th.equal(one, other)


def test_everything_else_that_can_be_asked(make: Make) -> None:
    env = make()
    env.set_options({"level": 2})
    env.reset()
    assert [info["options"] for info in env.reset_infos] == [{"level": 2}] * 2
    assert env.get_attr("seeds") == [[5], [6]]
    env.set_attr("gain", 3.0, indices=1)
    assert env.get_attr("gain") == [1.0, 3.0] and env.get_attr("gain", [1]) == [3.0]
    assert list(env.step(ACTIONS)[1]) == [1.0, 3.0]
    assert env.env_is_wrapped(Monitor) == [False, False]
    assert env.has_attr("gain") and not env.has_attr("loss")
    assert env.env_method("has_wrapper_attr", "gain", indices=0) == [True]
    env.close()
    env.close()
    assert [process.exitcode for process in env.processes] == [0, 0]


def test_images() -> None:
    env = make_vec_env(
        "CartPole-v1",
        2,
        env_kwargs={"render_mode": "rgb_array"},
        vec_env_cls=SafeSubprocVecEnv,
        vec_env_kwargs=FORK,
    )
    env.reset()
    assert [image.shape for image in env.get_images()] == [(400, 600, 3)] * 2
    assert env.env_is_wrapped(Monitor) == [True, True]
    env.close()


# without restarts: one error that says all

RAISED = r"^worker 1 raised ValueError: the arm is stuck \(envs.py, line \d+\) in {}$"
FAILURES = {
    "raises": ("raise", RAISED.format("step"), "raised"),
    "ends its pipe": ("eof", "^worker 1 raised EOFError: the simulator closed its pipe ", "raised"),
    "exits": ("exit", "^worker 1 raised SystemExit: licence expired ", "raised"),
    "dies": ("die", "^worker 1 died in step: its process ended with exit code 7$", "died"),
    "hangs": ("hang", r"^worker 1 hung: no answer to step within 0.5 s; it was killed$", "hung"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_failure_in_step(make: Make, case: str) -> None:
    deed, message, kind = FAILURES[case]
    env = make(deed, at=3, step_timeout=0.5)
    env.reset()
    for _ in range(3):
        env.step(ACTIONS)
    with pytest.raises(WorkerError, match=message) as caught:
        env.step(ACTIONS)
    failure = caught.value.failure
    assert (failure.worker, failure.kind) == (1, kind)
    printed = "".join(traceback.format_exception(caught.value))
    assert ("in step\n    self._maybe" in printed) is (kind == "raised")
    started = time.monotonic()
    env.close()
    assert time.monotonic() - started < 5.0
    assert not any(process.is_alive() for process in env.processes)


@pytest.mark.parametrize(
    ("worker", "start_method"), [(0, "fork"), (1, "fork"), (0, "forkserver"), (1, "spawn")]
)
def test_a_killed_worker(make: Make, start_method: str, worker: int) -> None:
    env = make(start_method=start_method)
    env.reset()
    kill(env, worker)
    with pytest.raises(WorkerError, match=rf"^worker {worker} died in step: .* killed by SIGKILL"):
        env.step(ACTIONS)
    env.close()


def test_a_failure_in_reset(make: Make) -> None:
    with pytest.raises(WorkerError, match=RAISED.format("reset")):
        make("raise", where="reset").reset()
    with pytest.raises(WorkerError, match=r"worker 1 hung: no answer to reset within 0\.5 s"):
        make("hang", where="reset", step_timeout=0.5).reset()
    env = make("raise", where="reset", at=1)
    env.reset()
    with pytest.raises(WorkerError, match=RAISED.format("step")):
        [env.step(ACTIONS) for _ in range(10)]


@pytest.mark.parametrize(
    ("deed", "message"),
    [("raise", RAISED.format("get_spaces")), ("die", "worker 1 died in get_spaces: .* code 7")],
)
def test_a_failure_while_it_is_made(make: Make, deed: str, message: str) -> None:
    with pytest.raises(WorkerError, match=message) as caught:
        make(deed, where="make", max_restarts=3)
    assert ("in __init__" in caught.value.failure.traceback) is (deed == "raise")


def test_no_process_is_left_by_a_failure_while_it_is_made(make: Make) -> None:
    import multiprocessing

    before = set(multiprocessing.active_children())
    with pytest.raises(WorkerError):
        make("raise", where="make")
    assert set(multiprocessing.active_children()) <= before


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda env: env.env_method("fail"), "worker 0 raised KeyError: 'no such joint' "),
        (lambda env: env.get_attr("nothing"), "worker 0 raised AttributeError: .* in get_attr"),
        (lambda env: env.get_attr("secret"), "worker 0 raised .*[Pp]ickle.* in get_attr"),
    ],
)
def test_a_question_that_fails_harms_nobody(make: Make, ask: Any, message: str) -> None:
    """Both workers answer with an error; the second's is not taken for a later answer."""
    env = make()
    env.reset()
    with pytest.raises(WorkerError, match=message):
        ask(env)
    assert env.get_attr("gain") == [1.0, 1.0]
    obs = env.step(ACTIONS)[0]
    assert obs.shape == (2, 2) and list(obs[:, 1]) == [1.0, 1.0]


def test_a_step_that_was_interrupted_is_forgotten(make: Make) -> None:
    env = make()
    env.reset()
    env.step_async(ACTIONS)
    env.remotes[0].recv()
    env.step_async(ACTIONS)
    assert list(env.step_wait()[0][:, 1]) == [2.0, 2.0]


# restarts


def test_a_restart_truncates_the_episode(make: Make) -> None:
    env = make(max_restarts=1)
    obs = env.reset()
    for _ in range(3):
        obs = env.step(ACTIONS)[0]
    kill(env, 1)
    with pytest.warns(RuntimeWarning, match=r"worker 1 died .* \(1 of at most 1 restarts\)"):
        new_obs, rewards, dones, infos = env.step(ACTIONS)
    assert list(dones) == [False, True] and list(rewards) == [1.0, 0.0]
    info = infos[1]
    assert info["TimeLimit.truncated"] is True
    assert np.array_equal(info["terminal_observation"], obs[1])
    assert info["worker_restart"].startswith("worker 1 died in step")
    assert env.reset_infos[1]["worker_restart"] == info["worker_restart"]
    assert infos[0] == {"TimeLimit.truncated": False}
    assert list(new_obs[:, 1]) == [4.0, 0.0]
    assert list(env.step(ACTIONS)[0][:, 1]) == [5.0, 1.0]
    assert [(f.worker, f.kind) for f in env.worker_restarts] == [(1, "died")]


@pytest.mark.filterwarnings("ignore:worker 1")
@pytest.mark.parametrize("deed", ["raise", "hang", "die"])
@pytest.mark.parametrize(("where", "at"), [("step", 2), ("reset", 0), ("reset", 1)])
def test_whatever_fails_is_restarted(
    make: Make, tmp_path: Any, deed: str, where: str, at: int
) -> None:
    settings = {"where": where, "at": at, "once": str(tmp_path / "done")}
    env = make(deed, max_restarts=1, step_timeout=0.5, **settings)
    env.reset()
    ends = sum(env.step(ACTIONS)[2] for _ in range(15))
    kinds = {"raise": "raised", "hang": "hung", "die": "died"}
    assert [f.kind for f in env.worker_restarts] == [kinds[deed]]
    # ten steps an episode, and one that was cut short where it failed amid it
    assert list(ends) == [1, 2 if where == "step" else 1]
    env.close()


@pytest.mark.filterwarnings("ignore:worker 1")
def test_the_seed_after_a_restart_is_another_and_always_the_same(make: Make) -> None:
    first, again = [], []
    for seeds in (first, again):
        env = make(max_restarts=2)
        start = env.reset()[1]
        for _ in range(2):
            kill(env, 1)
            obs = env.step(ACTIONS)[0]
            assert obs[1, 0] != start[0]
            seeds.append(env.get_attr("seeds", 1)[0][0])
        assert len({*seeds, 5, 6}) == 4
        env.close()
    assert first == again == [restart_seed(6, 1), restart_seed(6, 2)]


@pytest.mark.filterwarnings("ignore:worker 1")
def test_without_a_seed_there_is_none_after_a_restart() -> None:
    env = SafeSubprocVecEnv([Mischief, Mischief], "fork", max_restarts=1)
    env.reset()
    kill(env, 1)
    env.step(ACTIONS)
    assert env.get_attr("seeds") == [[None], [None]]
    env.close()


@pytest.mark.filterwarnings("ignore:worker")
def test_the_others_go_on_as_if_nothing_had_happened(make: Make) -> None:
    calm, troubled = make(), make(max_restarts=2)
    expected, seen = [calm.reset()], [troubled.reset()]
    for step in range(15):
        if step in (4, 9):
            kill(troubled, 1)
        expected.append(calm.step(ACTIONS)[0])
        seen.append(troubled.step(ACTIONS)[0])
    assert np.array_equal(np.array(expected)[:, 0], np.array(seen)[:, 0])
    assert not np.array_equal(np.array(expected)[:, 1], np.array(seen)[:, 1])


@pytest.mark.filterwarnings("ignore:worker")
def test_before_the_first_reset_there_is_no_episode_to_truncate(make: Make) -> None:
    env = make(max_restarts=1)
    kill(env, 1)
    with pytest.raises(WorkerError, match="worker 1 died"):
        env.step(ACTIONS)


@pytest.mark.filterwarnings("ignore:worker")
def test_all_at_once(make: Make) -> None:
    env = make(max_restarts=2)
    env.reset()
    kill(env, 0)
    kill(env, 1)
    assert env.step(ACTIONS)[2].all()
    kill(env, 0)
    with pytest.raises(
        WorkerError, match=r"worker 0 died .*, and no restart is left of max_restarts=2$"
    ):
        env.step(ACTIONS)


@pytest.mark.filterwarnings("ignore:worker")
def test_a_new_worker_that_fails_again_uses_up_the_restarts(make: Make) -> None:
    env = make("raise", max_restarts=2)
    env.reset()
    for _ in range(2):
        env.step(ACTIONS)
    with pytest.raises(
        WorkerError, match=r"raised ValueError.* and no restart is left of max_restarts=2"
    ):
        env.step(ACTIONS)
    env = make("raise", where="reset", max_restarts=2)
    with pytest.raises(
        WorkerError, match=r"raised ValueError.* and no restart is left of max_restarts=2"
    ):
        env.reset()
    assert len(env.worker_restarts) == 2


@pytest.mark.filterwarnings("ignore:worker")
def test_attributes_are_set_again(make: Make) -> None:
    env = make(max_restarts=1)
    env.reset()
    env.set_attr("gain", 3.0)
    kill(env, 1)
    env.step(ACTIONS)
    assert list(env.step(ACTIONS)[1]) == [3.0, 3.0]


@pytest.mark.filterwarnings("ignore:worker")
def test_action_spaces_are_seeded_anew() -> None:
    kwargs = {**FORK, "max_restarts": 1}
    env = make_vec_env(
        "CartPole-v1", 2, seed=0, vec_env_cls=SafeSubprocVecEnv, vec_env_kwargs=kwargs
    )
    env.reset()
    spaces = env.get_attr("action_space", 1)
    kill(env, 1)
    env.step(ACTIONS)
    spaces += env.get_attr("action_space", 1)
    before, after = ([int(space.sample()) for _ in range(30)] for space in spaces)
    assert before != after
    env.close()


@pytest.mark.filterwarnings("ignore:worker")
def test_the_file_of_the_monitor_goes_on(tmp_path: Any) -> None:
    env = make_vec_env(
        Mischief,
        2,
        seed=0,
        monitor_dir=str(tmp_path),
        vec_env_cls=SafeSubprocVecEnv,
        vec_env_kwargs={**FORK, "max_restarts": 1},
    )
    env.reset()
    for step in range(25):
        if step == 12:
            kill(env, 1)
        env.step(ACTIONS)
    env.close()
    lengths = []
    for file in sorted(tmp_path.glob("*.monitor.csv")):
        lines = file.read_text().splitlines()[1:]  # without the comment
        lengths += [int(row["l"]) for row in csv.DictReader(lines)]
    assert lengths == [10] * 4
    assert (tmp_path / "1.monitor.csv").read_text().count("#") == 1


# the end


@pytest.mark.parametrize("deed", ["hang", "raise"])
def test_an_environment_that_does_not_close(
    make: Make, monkeypatch: Any, capfd: Any, deed: str
) -> None:
    monkeypatch.setattr(safe_subproc, "PATIENCE", 0.5)
    env = make(deed, cls=BadClose)
    env.reset()
    started = time.monotonic()
    env.close()
    assert time.monotonic() - started < 3.0
    assert not any(process.is_alive() for process in env.processes)
    assert "Traceback" not in capfd.readouterr().err


def test_closing_amid_a_step(make: Make, monkeypatch: Any) -> None:
    env = make(big=True)
    env.reset()
    env.step_async(ACTIONS)
    workers.close(env, patience=30.0)
    assert [process.exitcode for process in env.processes] == [0, 0]
    monkeypatch.setattr(safe_subproc, "PATIENCE", 0.5)
    env = make("hang")
    env.reset()
    env.step_async(ACTIONS)
    env.close()
    assert not any(process.is_alive() for process in env.processes)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"max_restarts": -1}, "max_restarts=-1 is not accepted: give 0 or more"),
        ({"step_timeout": 0.0}, "step_timeout=0.0 is not accepted: give a positive number"),
        ({"step_timeout": float("nan")}, "step_timeout=nan is not accepted"),
    ],
)
def test_what_is_refused(kwargs: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SafeSubprocVecEnv([lambda: gym.make("CartPole-v1")], **kwargs)
