"""What actions do in training, against the registered environment without wrappers."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import A2C, PPO, TD3
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from sb3_ac_ext import DiagnosticsCallback
from sb3_ac_ext.monitoring.bare import play_bare


class Weak(gym.ActionWrapper[Any, Any, Any]):
    """A twentieth of the action arrives."""

    def action(self, action: Any) -> Any:
        return 0.05 * action


class Repeats(gym.Wrapper[Any, Any, Any, Any]):
    """Executes the first action of every three, three times."""

    def reset(self, **kwargs: Any) -> Any:
        self.n = 0
        return super().reset(**kwargs)

    def step(self, action: Any) -> Any:
        if self.n % 3 == 0:
            self.kept = action
        self.n += 1
        return super().step(self.kept)


def effects(algo: Any, env_id: str, wrap: Any = None, **kwargs: Any) -> np.ndarray:
    def make(**env_kwargs: Any) -> Any:
        env = gym.make(env_id, **env_kwargs)
        return env if wrap is None else wrap(env)

    env = make_vec_env(make, n_envs=kwargs.pop("n_envs", 1), seed=0)
    canary = make_vec_env(env_id, n_envs=10, seed=1)
    if kwargs.pop("normalize", False):
        env, canary = VecNormalize(env), VecNormalize(canary, training=False, norm_reward=False)
    callback = DiagnosticsCallback(verbose=0, canary_env=canary, canary_freq=100, canary_share=1.0)
    model = algo("MlpPolicy", env, seed=0, **kwargs)
    model.learn(2_000 if algo is TD3 else 6_000, callback=callback)
    return np.asarray(callback.history.series("parity/action_effect").values)


@pytest.mark.parametrize(
    ("wrap", "low", "high"),
    [
        (None, 0.7, 1.5),
        (Weak, 0.0, 0.1),
        # other units of observations are taken out by where episodes begin
        (lambda env: gym.wrappers.RescaleObservation(env, np.float32(-7), np.float32(7)), 0.5, 2.0),
    ],
)
def test_effects_of_actions_on_pendulum(wrap: Any, low: float, high: float) -> None:
    found = effects(TD3, "Pendulum-v1", wrap, learning_starts=1_700)
    assert len(found) and low <= np.median(found) <= high, found


def test_repeated_actions_do_less_by_themselves_even_with_short_rollouts() -> None:
    healthy = effects(A2C, "CartPole-v1", n_envs=8)
    sticky = effects(A2C, "CartPole-v1", Repeats, n_envs=8)
    assert 0.8 < np.median(healthy) < 1.4 and np.median(sticky) < 0.7


def test_bounds_of_the_action_space_are_its_units() -> None:
    rescaled = effects(
        PPO,
        "Pendulum-v1",
        lambda env: gym.wrappers.RescaleAction(env, np.float32(-0.01), np.float32(0.01)),
        n_envs=8,
        n_steps=128,
        policy_kwargs={"log_std_init": -5.0},
    )
    assert 0.7 < np.median(rescaled) < 1.5, rescaled


@pytest.mark.parametrize(("wrap", "low", "high"), [(None, 0.7, 1.5), (Weak, 0.0, 0.1)])
def test_what_vec_normalize_did_is_undone(wrap: Any, low: float, high: float) -> None:
    found = effects(PPO, "Pendulum-v1", wrap, n_envs=8, n_steps=128, normalize=True)
    assert len(found) > 3 and low <= np.median(found) <= high, found


def test_what_cannot_be_compared_is_left_out() -> None:
    class NoSpec:
        observation_space = gym.spaces.Box(-1.0, 1.0, (2,))

        def get_attr(self, name: str, index: int) -> list[None]:
            return [None]

    assert play_bare(NoSpec()) is None
    assert play_bare(make_vec_env("FrozenLake-v1", n_envs=1)) is None


def test_foreign_environments_are_not_made_a_second_time() -> None:
    gym.register("Foreign-v0", entry_point="tests.monitoring.test_bare:Refuses")
    env = make_vec_env("Foreign-v0", n_envs=1)
    assert play_bare(env, only_gymnasium=True) is None and Refuses.steps == 0
    assert play_bare(env) is None and Refuses.steps == 1, "an action that it refuses is no error"


class Refuses(gym.Env[Any, Any]):
    """Raises on every action, as with masks."""

    steps = 0
    observation_space = gym.spaces.Box(-1.0, 1.0, (2,))
    action_space = gym.spaces.Discrete(2)

    def reset(self, **kwargs: Any) -> Any:
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> Any:
        Refuses.steps += 1
        raise ValueError("this action is masked")
