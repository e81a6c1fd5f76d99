"""What becomes of numbers that are not finite, as scripts of environments that deliver some."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch as th
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    VecEnv,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
)

from sb3_ac_ext import SafeSubprocVecEnv, VecFiniteGuard
from sb3_ac_ext.vec_envs.finite import first_entry, nonfinite
from sb3_ac_ext.vec_envs.finite_guard import NonFiniteError

from .envs import Broken

NAN, INF = float("nan"), float("inf")
ACTIONS = np.zeros((2, 1), np.float32)


def pair(kind: str = "dummy", **broken: Any) -> VecEnv:
    """Two workers, of which the second is broken as told."""
    quiet = {k: v for k, v in broken.items() if k in ("length", "dict_obs")}
    env_fns: Any = [
        lambda: Monitor(Broken(**quiet)),
        lambda: Monitor(Broken(**broken)),
    ]
    return DummyVecEnv(env_fns) if kind == "dummy" else SafeSubprocVecEnv(env_fns, "fork")


def steps(env: VecEnv, n: int) -> list[Any]:
    return [env.step(ACTIONS) for _ in range(n)]


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        ([1.0, 2.0], None),
        (np.array([1, 2]), None),
        (np.array([255], np.uint8), None),
        ([1.0, NAN], "x[1] is nan"),
        ([[1.0, INF], [-INF, 0.0]], "x[0, 1] is inf (and 1 more)"),
        (NAN, "x is nan"),
    ],
)
def test_entries(array: Any, expected: str | None) -> None:
    mask = nonfinite(array)
    assert (None if mask is None else first_entry("x", array, mask)) == expected


# raise


@pytest.mark.parametrize(
    ("broken", "n", "message"),
    [
        ({"obs_at": (3,)}, 3, r"^step 3, worker 1: observation\[1\] is nan$"),
        ({"obs_at": (3,), "value": INF}, 3, r"^step 3, worker 1: observation\[1\] is inf$"),
        ({"reward_at": (2,)}, 2, "^step 2, worker 1: reward is nan$"),
        (
            {"obs_at": (1,), "dict_obs": True},
            1,
            r"^step 1, worker 1: observation\['pos'\]\[1\] is nan$",
        ),
        ({"obs_at": (10,)}, 10, r"^step 10, worker 1: terminal observation\[1\] is nan$"),
        ({"resets_at": (0,)}, 0, r"^reset, worker 1: observation\[1\] is nan$"),
        ({"resets_at": (1,)}, 10, r"^step 10, worker 1: observation\[1\] is nan$"),
    ],
)
@pytest.mark.parametrize("kind", ["dummy", "subproc"])
def test_raise_names_worker_step_and_entry(kind: str, broken: Any, n: int, message: str) -> None:
    env = VecFiniteGuard(pair(kind, **broken))
    with pytest.raises(NonFiniteError, match=message):
        env.reset()
        steps(env, n)
    counts = env.nonfinite_observations + env.nonfinite_rewards
    assert list(counts) == [0, 1]
    env.close()


@pytest.mark.parametrize("mode", ["raise", "replace", "end_episode"])
def test_actions_that_are_not_finite_always_raise(mode: str) -> None:
    env = VecFiniteGuard(pair(), mode)
    env.reset()
    steps(env, 1)
    actions = ACTIONS.copy()
    actions[1] = NAN
    with pytest.raises(NonFiniteError, match=r"step 2, worker 1: action\[0\] is nan; it comes"):
        env.step(actions)


# replace


def test_replace_takes_the_last_finite_value() -> None:
    env = VecFiniteGuard(pair(obs_at=(3, 4), reward_at=(4,), resets_at=(0,)), "replace")
    obs = env.reset()
    assert obs.dtype == np.float32 and list(obs[1]) == [0.0, 0.0]
    seen = steps(env, 5)
    assert [list(o[1]) for o, *_ in seen] == [[1, 10], [2, 20], [3, 20], [4, 20], [5, 50]]
    assert [list(o[0]) for o, *_ in seen] == [[1, 10], [2, 20], [3, 30], [4, 40], [5, 50]]
    assert [float(r[1]) for _, r, *_ in seen] == [1, 1, 1, 0, 1]
    assert seen[3][3][1]["nonfinite"] == "observation[1] is nan; reward is nan"
    assert "nonfinite" not in seen[4][3][1] and "nonfinite" not in seen[3][3][0]
    assert list(env.nonfinite_observations) == [0, 3]
    assert list(env.nonfinite_rewards) == [0, 1]


def test_replace_in_dict_and_terminal_observations() -> None:
    env = VecFiniteGuard(pair(obs_at=(10,), dict_obs=True, reward_at=(2,)), "replace")
    env.reset()
    obs, _, dones, infos = steps(env, 10)[-1]
    assert dones.all() and infos[1]["nonfinite"] == "terminal observation['pos'][1] is nan"
    terminal = infos[1]["terminal_observation"]
    assert list(terminal["pos"]) == [10.0, 90.0] and terminal["pos"].dtype == np.float32
    assert list(terminal["image"]) == [10] * 3
    assert list(obs["pos"][1]) == [0.0, 0.0]
    # the return that Monitor summed is nan, and nothing could be evaluated by it
    assert infos[1]["episode"]["r"] == 9.0 and infos[0]["episode"]["r"] == 10.0


# end_episode


@pytest.mark.parametrize("kind", ["dummy", "subproc"])
@pytest.mark.parametrize("dict_obs", [False, True])
def test_an_episode_is_ended(kind: str, dict_obs: bool) -> None:
    env = VecFiniteGuard(pair(kind, obs_at=(3,), reward_at=(5,), dict_obs=dict_obs), "end_episode")
    env.reset()
    seen, reset_infos = [], []
    for _ in range(10):
        seen += steps(env, 1)
        reset_infos.append(env.unwrapped.reset_infos[1])

    def pos(obs: Any) -> Any:
        return obs["pos"] if dict_obs else obs

    assert [list(np.flatnonzero(d)) for _, _, d, _ in seen] == [
        *([], [], [1], [], [1], [], [], [], [], [0])
    ]
    first, second = seen[2][3][1], seen[4][3][1]
    assert first["TimeLimit.truncated"] and second["TimeLimit.truncated"]
    assert list(pos(first["terminal_observation"])) == [3.0, 20.0]
    assert list(pos(second["terminal_observation"])) == [2.0, 20.0]
    assert second["nonfinite"] == "reward is nan" and float(seen[4][1][1]) == 0.0
    assert "episode" not in first
    assert [list(pos(o)[1]) for o, *_ in seen[2:6]] == [[0, 0], [1, 10], [0, 0], [1, 10]]
    assert [pos(o)[0, 0] for o, *_ in seen] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    assert (reset_infos[2], reset_infos[4]) == ({"n": 1}, {"n": 2})
    env.close()


def test_an_episode_that_begins_badly_is_begun_again() -> None:
    env = VecFiniteGuard(pair(resets_at=(0, 2, 3)), "end_episode")
    assert list(env.reset()[1]) == [0.0, 0.0]
    assert env.get_attr("n_resets") == [0, 1]
    obs, _, dones, infos = steps(env, 10)[-1]
    assert dones.all() and not infos[1]["TimeLimit.truncated"]
    assert list(infos[1]["terminal_observation"]) == [10.0, 100.0]
    assert list(obs[1]) == [0.0, 0.0] and env.get_attr("n_resets") == [1, 4]
    hopeless = VecFiniteGuard(pair(resets_at=tuple(range(99))), "end_episode")
    with pytest.raises(NonFiniteError, match=r"worker 1: .* not finite after each of 10 resets"):
        hopeless.reset()


def test_a_worker_that_dies_after_its_episode_was_ended() -> None:
    """Its last observation is that of the reset which the guard made."""
    base = pair("subproc", obs_at=(3,))
    assert isinstance(base, SafeSubprocVecEnv)
    base.max_restarts = 1
    env = VecFiniteGuard(base, "end_episode")
    env.reset()
    steps(env, 3)
    base.processes[1].kill()
    base.processes[1].join()
    with pytest.warns(RuntimeWarning, match="worker 1 died"):
        infos = steps(env, 1)[0][3]
    assert list(infos[1]["terminal_observation"]) == [0.0, 0.0]
    env.close()


# where it belongs


@pytest.mark.parametrize("guarded", [True, False])
def test_below_vecnormalize_is_right(guarded: bool) -> None:
    """Above it one NaN is in the statistics for ever, and every later observation is NaN."""
    env: VecEnv = pair(obs_at=(3,), reward_at=(4,))
    env = VecNormalize(VecFiniteGuard(env, "replace") if guarded else env)
    env.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        obs, rewards, *_ = steps(env, 9)[-1]
    assert bool(np.isfinite(env.obs_rms.mean).all()) is guarded  # type: ignore[union-attr]
    assert bool(np.isfinite(obs).all()) is guarded
    assert bool(np.isfinite(rewards).all()) is guarded


@pytest.mark.parametrize(
    ("wrap", "mode", "message"),
    [
        (lambda env: env, "ignore", "unknown on_nonfinite 'ignore'; accepted are end_episode, "),
        (VecNormalize, "replace", "above VecNormalize comes too late"),
        (lambda env: VecMonitor(VecNormalize(env)), "replace", "put VecFiniteGuard below it"),
        (VecNormalize, "end_episode", "below VecNormalize, which would not notice"),
        (partial(VecFrameStack, n_stack=2), "end_episode", "below VecFrameStack"),
    ],
)
def test_what_is_refused(wrap: Any, mode: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VecFiniteGuard(wrap(pair()), mode)


def test_raise_above_vecnormalize_is_allowed() -> None:
    VecFiniteGuard(VecNormalize(pair()), "raise").reset()


# in training


@pytest.mark.parametrize("mode", ["raise", "replace", "end_episode"])
def test_without_incident_nothing_changes(mode: str) -> None:
    models = []
    for guarded in (False, True):
        env: VecEnv = make_vec_env("Pendulum-v1", 2, seed=1)
        env = VecNormalize(VecFiniteGuard(env, mode) if guarded else env)
        models.append(A2C("MlpPolicy", env, seed=1, device="cpu").learn(450))
    for one, other in zip(*(m.policy.parameters() for m in models), strict=True):
        assert th.equal(one, other)


@pytest.mark.parametrize("mode", ["replace", "end_episode"])
def test_training_survives(mode: str) -> None:
    env = VecFiniteGuard(pair(obs_at=(20, 40), reward_at=(30,)), mode)
    model = PPO("MlpPolicy", env, n_steps=32, batch_size=32, seed=0, device="cpu").learn(128)
    assert all(bool(th.isfinite(p).all()) for p in model.policy.parameters())
    assert np.isfinite([episode["r"] for episode in model.ep_info_buffer or ()]).all()


def test_the_zoo_builds_it_from_yaml() -> None:
    from rl_zoo3.utils import get_wrapper_class

    settings = {"vec_env_wrapper": [{"sb3_ac_ext.VecFiniteGuard": {"on_nonfinite": "replace"}}]}
    wrap = get_wrapper_class(settings, "vec_env_wrapper")
    assert wrap is not None
    env = wrap(pair())
    assert isinstance(env, VecFiniteGuard) and env.on_nonfinite == "replace"
