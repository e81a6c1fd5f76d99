"""Signals measured on real models, against the same quantity worked out another way."""

from collections import deque
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3 import A2C, DDPG, PPO, SAC, TD3
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from sb3_ac_ext import DiagnosticsCallback, faults
from sb3_ac_ext.monitoring.canary_env import CannotRebuild, rebuild, synchronise
from sb3_ac_ext.monitoring.parity import Taken, forget
from sb3_ac_ext.monitoring.recorder import Recorder, Window
from sb3_ac_ext.monitoring.signals import (
    CanarySignal,
    QValueSignal,
    TransitionProbe,
    transition_probe,
)
from sb3_ac_ext.monitoring.signals.base import Reading
from sb3_ac_ext.monitoring.signals.q_values import q_values
from sb3_ac_ext.monitoring.transitions import Transitions
from sb3_ac_ext.monitoring.view import Clock, View

EMPTY = Window(np.empty((0, 1)), np.empty((0, 1)), np.empty((0, 1), bool), (), None)


def off_policy() -> dict[str, Any]:
    """Fresh each time: SAC writes into the policy_kwargs that it is given."""
    return {"learning_starts": 50, "buffer_size": 2000, "policy_kwargs": {"net_arch": [16]}}


def watch(**kwargs: Any) -> DiagnosticsCallback:
    return DiagnosticsCallback(**{"every": 100, "canary_freq": 0, "verbose": 0, **kwargs})


def test_gradient_norms_are_those_before_clipping(monkeypatch: pytest.MonkeyPatch) -> None:
    true_norms: list[float] = []
    original = th.nn.utils.clip_grad_norm_

    def recording(parameters: Any, *args: Any, **kwargs: Any) -> Any:
        total = original(parameters, *args, **kwargs)
        true_norms.append(float(total))
        return total

    monkeypatch.setattr(th.nn.utils, "clip_grad_norm_", recording)
    model = PPO("MlpPolicy", "CartPole-v1", n_steps=128, batch_size=64, n_epochs=2, seed=0)
    callback = watch()
    model.learn(128, callback=callback)
    values = callback.history.last.values  # type: ignore[union-attr]
    measured = np.hypot(values["gradients/policy/norm_mean"], values["gradients/value/norm_mean"])
    assert len(true_norms) == 4 and min(true_norms) > model.max_grad_norm
    assert measured == pytest.approx(np.mean(true_norms), rel=0.02)
    assert values["gradients/clipped_share"] == 1.0


def test_unclipped_gradients_are_measured_as_they_are() -> None:
    model = PPO("MlpPolicy", "CartPole-v1", n_steps=128, batch_size=128, max_grad_norm=1e6, seed=0)
    callback = watch()
    model.learn(128, callback=callback)
    values = callback.history.last.values  # type: ignore[union-attr]
    assert values["gradients/clipped_share"] == 0.0 and values["gradients/value/norm_mean"] > 0.5


def test_gradient_histogram_comes_every_hundred_optimizer_steps() -> None:
    model = PPO("MlpPolicy", "CartPole-v1", n_steps=128, batch_size=32, n_epochs=10, seed=0)
    callback = watch()
    model.learn(128 * 6, callback=callback)
    rows = callback.history.rows("gradients/policy/norm_histogram")
    assert [step for step, _ in rows] == [384, 768]
    assert sum(rows[0][1]) > 10


def test_kl_and_entropy_of_an_update() -> None:
    model = PPO("MlpPolicy", "CartPole-v1", n_steps=256, batch_size=64, learning_rate=3e-3, seed=0)
    callback = watch()
    model.learn(512, callback=callback)
    values = callback.history.last.values  # type: ignore[union-attr]
    buffer = model.rollout_buffer  # flattened by the update, and kept
    actions = th.as_tensor(buffer.actions).long().flatten()
    with th.no_grad():
        _, log_prob, entropy = model.policy.evaluate_actions(
            th.as_tensor(buffer.observations), actions
        )
    log_ratio = log_prob.numpy() - buffer.log_probs.flatten()
    assert values["policy/kl"] == pytest.approx(np.mean(np.expm1(log_ratio) - log_ratio), rel=1e-4)
    assert values["policy/entropy"] == pytest.approx(entropy.mean().item(), rel=1e-4)
    assert values["policy/entropy_relative"] == pytest.approx(
        entropy.mean().item() / np.log(2), rel=1e-4
    )
    explained = 1 - np.var(buffer.returns - buffer.values) / np.var(buffer.returns)
    assert values["value/explained_variance"] == pytest.approx(explained, rel=1e-4)
    assert values["train/n_updates"] == model._n_updates


def test_rewards_are_recorded_before_the_time_limit_bootstrap() -> None:
    model = A2C("MlpPolicy", "Pendulum-v1", n_steps=250, seed=0)
    callback = watch()
    model.learn(250, callback=callback)
    first_episode_end = model.rollout_buffer.rewards.flatten()[199]
    values = callback.history.last.values  # type: ignore[union-attr]
    assert values["rewards/max_abs"] <= 16.3
    assert values["episodes/truncated_share"] == 1.0
    assert np.isfinite(first_episode_end)


def test_explained_variance_with_lambda_zero_is_inflated_and_monte_carlo_is_not() -> None:
    env = make_vec_env("Pendulum-v1", n_envs=2, seed=0)
    model = PPO("MlpPolicy", env, n_steps=400, gae_lambda=0.0, learning_rate=1e-9, seed=0)
    model.policy.value_net.weight.data *= 300.0
    callback = watch()
    model.learn(800, callback=callback)
    values = callback.history.last.values  # type: ignore[union-attr]
    assert values["value/explained_variance"] > 0.5
    assert values["value/mc_explained_variance"] < 0.2


@pytest.mark.parametrize("algorithm", [SAC, TD3, DDPG])
def test_q_values_bound_and_gap(algorithm: Any) -> None:
    model = algorithm("MlpPolicy", "Pendulum-v1", seed=0, **off_policy())
    callback = watch(every=300)
    model.learn(900, callback=callback)
    values = callback.history.last.values  # type: ignore[union-attr]
    assert values["q/min"] <= values["q/mean"] <= values["q/max"]
    assert values["q/bound"] >= values["rewards/max_abs"] / (1 - model.gamma) * 0.99
    assert 0.0 < values["q/bound_ratio"] < 1.0 and values["q/target_gap"] > 0.0
    assert ("q/twin_gap" in values) == (algorithm is not DDPG)
    assert abs(values["q/bias"]) < values["q/bound"]
    assert values["replay/fill"] == pytest.approx(900 / 2000)


def test_q_bias_finds_a_critic_that_was_shifted() -> None:
    model = SAC("MlpPolicy", "Pendulum-v1", seed=0, **off_policy())
    callback = watch(every=400)
    model.learn(800, callback=callback)
    before = callback.history.last.values["q/bias"]  # type: ignore[union-attr]
    for network in (model.critic.qf0, model.critic.qf1):
        network[-1].bias.data += 500.0
    batch = model.replay_buffer.sample(8)  # type: ignore[union-attr]
    with th.no_grad():
        assert q_values(model, batch.observations, batch.actions).shape == (8, 2)
    model.learn(1, callback=callback, reset_num_timesteps=False)
    with th.no_grad():
        shifted = QValueSignal().collect(View(model, 801, EMPTY, updated=True))
    assert shifted.values["q/bias"] > before + 100.0


def test_dormant_units_and_dead_networks() -> None:
    kwargs = {"net_arch": [32], "activation_fn": th.nn.ReLU}
    model = PPO("MlpPolicy", "CartPole-v1", n_steps=128, policy_kwargs=kwargs, seed=0)
    for layer in (
        model.policy.mlp_extractor.policy_net[0],
        model.policy.mlp_extractor.value_net[0],
    ):
        layer.bias.data[:16] = -1e3
    for parameter in model.policy.mlp_extractor.value_net.parameters():
        parameter.requires_grad_(False)
    callback = watch()
    model.learn(128, callback=callback)
    values = callback.history.last.values  # type: ignore[union-attr]
    assert 0.5 <= values["weights/dormant_share"] < 0.9
    assert values["weights/policy/update_ratio"] > 0.0
    assert 1 <= values["weights/effective_rank"] <= 16


def test_state_dependence_and_saturation_of_a_constant_policy() -> None:
    model = TD3("MlpPolicy", "Pendulum-v1", seed=0, **off_policy())
    model.actor.mu[-2].weight.data.zero_()
    model.actor.mu[-2].bias.data.fill_(50.0)
    model.actor.requires_grad_(False)
    callback = watch()
    model.learn(300, callback=callback)
    values = callback.history.last.values  # type: ignore[union-attr]
    assert values["policy/state_dependence"] == 0.0
    assert values["actions/saturation"] == 1.0


def test_signals_that_do_not_apply_say_why() -> None:
    callback = watch()
    TD3("MlpPolicy", "Pendulum-v1", **off_policy()).learn(150, callback=callback)
    reasons = callback.history.info.not_observed
    assert reasons["policy"] == "TD3Policy is deterministic: it has no distribution"
    assert reasons["value"] == "TD3 is not an on-policy algorithm"
    assert not callback.history.has("policy/kl")


class Quirky(gym.Env):
    """Dict observations with an image, no spec, no Monitor."""

    observation_space = spaces.Dict(
        {
            "image": spaces.Box(0, 255, (36, 36, 1), np.uint8),
            "vector": spaces.Box(-1, 1, (3,), np.float32),
        }
    )
    action_space = spaces.MultiDiscrete([3, 2])

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.t = 0
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> Any:
        self.t += 1
        return self.observation_space.sample(), float(action[0]), self.t >= 10, False, {}


@pytest.mark.filterwarnings("ignore")
def test_dict_and_image_observations_without_monitor_or_spec() -> None:
    env = DummyVecEnv([Quirky, Quirky])
    model = A2C("MultiInputPolicy", env, n_steps=32, seed=0)
    callback = watch(canary_freq=64)
    model.learn(256, callback=callback)
    values = callback.history.last.values  # type: ignore[union-attr]
    assert values["episodes/length_mean"] == 10.0
    assert 0.0 < values["policy/entropy_relative"] <= 1.0
    assert 0.0 <= values["policy/state_dependence"] <= 1.0
    assert "no spec" in callback.history.info.not_observed["canary"]


def test_recorder_copies_what_the_algorithm_changes_in_place() -> None:
    env = make_vec_env("CartPole-v1", n_envs=2)
    recorder = Recorder(env, SimpleNamespace(_last_obs=None, env=env))
    rewards = np.ones(2)
    step = {
        "rewards": rewards,
        "dones": np.array([False, False]),
        "actions": np.zeros(2),
        "new_obs": np.zeros((2, 4)),
        "infos": [{}, {}],
    }
    assert recorder.add(step)
    rewards += 100.0
    assert recorder.cut().rewards.max() == 1.0
    step["new_obs"] = np.full((2, 4), np.nan)
    assert not recorder.add(step)
    assert recorder.cut().rewards.shape == (1, 2) and recorder.cut().rewards.shape == (0, 2)


def test_canary_environment_is_rebuilt_with_its_normaliser_and_never_trains() -> None:
    train_env = VecNormalize(make_vec_env("Pendulum-v1", n_envs=2, seed=0))
    train_env.reset()
    for _ in range(50):
        train_env.step(np.zeros((2, 1)))
    count, mean = train_env.obs_rms.count, train_env.obs_rms.mean.copy()
    model = PPO("MlpPolicy", train_env, n_steps=64, batch_size=64, seed=0)
    signal = CanarySignal(episodes=2, freq=1, share=1.0)
    assert signal.supports(model) is None
    model._total_timesteps = 100
    signal.attach(model)
    view = View(model, 500, EMPTY, updated=True, clock=Clock(since_start=1e9))
    reading = signal.collect(view)
    assert -2000 < reading.values["canary/return_mean"] < 0 and view.canary_seconds > 0
    env: Any = signal._env
    np.testing.assert_array_equal(env.obs_rms.mean, mean)
    assert not env.training and not env.norm_reward
    assert train_env.obs_rms.count == count
    signal.detach()


def test_canary_waits_when_it_would_take_more_than_its_share() -> None:
    model = PPO("MlpPolicy", "CartPole-v1", n_steps=64, batch_size=64)
    many = watch(canary_freq=64, canary_episodes=5, canary_share=1.0)
    model.learn(1280, callback=many)
    few = watch(canary_freq=64, canary_episodes=5, canary_share=1e-9)
    PPO("MlpPolicy", "CartPole-v1", n_steps=64, batch_size=64).learn(1280, callback=few)
    assert len(many.history.series("canary/return_mean")) > 5
    assert len(few.history.series("canary/return_mean")) <= 1


def test_a_deterministic_policy_has_no_stochastic_twin() -> None:
    callback = watch(canary_freq=100, canary_episodes=2, canary_share=1.0)
    TD3("MlpPolicy", "Pendulum-v1", **off_policy()).learn(300, callback=callback)
    assert callback.history.has("canary/return_mean")
    assert not callback.history.has("canary/stochastic_mean")


def test_an_environment_that_cannot_be_rebuilt_says_which_wrapper() -> None:
    class Odd(gym.Wrapper):
        pass

    env = DummyVecEnv([lambda: Odd(gym.make("CartPole-v1"))])
    with pytest.raises(CannotRebuild, match="Odd"):
        rebuild(env, 1)
    wrapped = DummyVecEnv([lambda: gym.wrappers.RescaleAction(gym.make("Pendulum-v1"), -0.5, 0.5)])
    rebuilt = rebuild(wrapped, 2)
    assert rebuilt.num_envs == 2 and rebuilt.action_space.high[0] == 0.5  # type: ignore[attr-defined]
    synchronise(wrapped, rebuilt)


def test_a_canary_keeps_monitors_place_and_opens_no_window() -> None:
    plain = DummyVecEnv([lambda: Monitor(gym.make("Pendulum-v1", render_mode="rgb_array"))])
    assert rebuild(plain, 1).get_attr("render_mode") == [None]
    clipped = DummyVecEnv(
        [lambda: gym.wrappers.ClipReward(Monitor(gym.make("Pendulum-v1")), -0.1, 0.1)]
    )
    rebuilt = rebuild(clipped, 1)
    assert type(rebuilt.envs[0]).__name__ == "ClipReward"  # type: ignore[attr-defined]
    assert isinstance(rebuilt.envs[0].env, Monitor)  # type: ignore[attr-defined]


def test_a_wrapper_with_running_statistics_has_no_canary() -> None:
    env = DummyVecEnv([lambda: gym.wrappers.NormalizeObservation(gym.make("Pendulum-v1"))])
    with pytest.raises(CannotRebuild, match="running statistics"):
        rebuild(env, 1)


def test_the_training_environment_is_refused_as_canary() -> None:
    env = make_vec_env("CartPole-v1", n_envs=2)
    model = PPO("MlpPolicy", env, n_steps=32, batch_size=32)
    with pytest.raises(ValueError, match="canary_env is the training environment"):
        model.learn(64, callback=watch(canary_env=env, canary_freq=10))


def test_returns_without_monitor_are_those_of_the_environment() -> None:
    env = VecNormalize(DummyVecEnv([lambda: gym.make("Pendulum-v1")]))
    callback = watch()
    PPO("MlpPolicy", env, n_steps=400, batch_size=100, seed=0).learn(400, callback=callback)
    assert callback.history.series("episodes/return_mean").values[-1] < -500.0


def test_the_bound_knows_the_rewards_that_the_buffer_already_holds() -> None:
    model = SAC("MlpPolicy", "Pendulum-v1", seed=0, **off_policy())
    model.learn(300)
    model.replay_buffer.rewards[5] = -1000.0  # type: ignore[union-attr]
    callback = watch(every=100)
    model.learn(300, callback=callback, reset_num_timesteps=False)
    assert callback.history.series("q/bound").values.min() >= 1000.0 / (1 - model.gamma) * 0.99


def test_q_bias_is_measured_on_long_episodes_and_with_n_step_replay() -> None:
    env = gym.make("Pendulum-v1", max_episode_steps=800)
    model = SAC("MlpPolicy", env, seed=0, n_steps=3, **{**off_policy(), "buffer_size": 5000})
    callback = watch(every=500)
    model.learn(3000, callback=callback)
    assert callback.history.has("q/bias_relative")


def test_at_most_eight_steps_of_an_update_are_measured() -> None:
    model = SAC(
        "MlpPolicy", "Pendulum-v1", train_freq=(1, "episode"), gradient_steps=-1, **off_policy()
    )
    callback = watch(every=200)
    signal = next(s for s in callback._all_signals if s.name == "gradients")
    measured: list[int] = []
    original = signal._add  # type: ignore[attr-defined]
    signal._add = lambda *a: (measured.append(1), original(*a))  # type: ignore[attr-defined]
    model.learn(400, callback=callback)
    assert 0 < len(measured) <= 3 * 8 * 2


@pytest.mark.filterwarnings("ignore")
def test_a_space_with_one_action_is_no_fault() -> None:
    class OneAction(Quirky):
        action_space = spaces.Discrete(1)

        def step(self, action: Any) -> Any:
            obs, _, terminated, truncated, info = super().step([0])
            return obs, 1.0, terminated, truncated, info

    callback = watch(every=32)
    A2C("MultiInputPolicy", DummyVecEnv([OneAction]), n_steps=32).learn(400, callback=callback)
    assert {f.detector for f in callback.verdict.findings} <= {"observation_scale"}


@pytest.mark.parametrize(("steps", "oldest"), [(0.0, 2.0), (15.0, 1.0), (1000.0, 0.0)])
def test_of_training_no_more_is_kept_than_what_is_compared(steps: float, oldest: float) -> None:
    shape = (10, 2)
    parts = deque(
        Taken(np.full(shape, value), np.zeros((*shape, 1)), np.zeros(shape, dtype=bool))
        for value in (0.0, 1.0, 2.0)
    )
    forget(parts, steps)
    joined = Taken.joined(parts)
    assert joined.rewards[0, 0] == oldest and joined.rewards[-1, 0] == 2.0
    assert len(joined.dones) == 10 * len(parts)


@pytest.mark.parametrize(
    ("rewards", "told"),
    [
        (np.random.default_rng(0).normal(size=400), True),
        (np.where(np.arange(400) % 2, 1.0, -1.0), True),
        (-1.0 + 1e-4 * np.linspace(0.0, 1.0, 400), False),  # a normaliser that drifts
        (np.where(np.arange(400) % 100 == 50, 1.0, 0.0), False),  # rare events
    ],
)
def test_rewards_are_modelled_where_they_vary(rewards: np.ndarray, told: bool) -> None:
    rng = np.random.default_rng(1)
    n = len(rewards)
    known = Transitions(
        rng.normal(size=(n, 1, 3)),
        rng.normal(size=(n, 1, 1)),
        rng.normal(size=(n, 1, 3)),
        rewards[:, None],
        np.ones((n, 1), dtype=bool),
    )
    window = SimpleNamespace(rewards=rewards)
    view = SimpleNamespace(transitions=known, window=window, model=None)
    reading = TransitionProbe().collect(view)
    assert ("probe/late_reward_r2" in reading.values) is told


def workers(factors: list[float], still: int | None = None, constant: bool = False) -> Reading:
    """Observations that actions move, by a factor in each worker; one may stand nearly still, and
    actions may all be the same."""
    rng = np.random.default_rng(0)
    shape = (200, len(factors), 2)
    observations, actions = rng.normal(size=shape), rng.normal(size=(*shape[:2], 1))
    if constant:
        actions[:] = 0.0
    change = np.array(factors)[:, None] * actions + 0.5 * rng.normal(size=shape)
    if still is not None:
        observations[:, still], change[:, still] = 0.0, 1e-3  # a normaliser drifts
    inside = np.ones(shape[:2], dtype=bool)
    known = Transitions(observations, actions, observations + change, np.zeros(shape[:2]), inside)
    window = SimpleNamespace(rewards=np.zeros(shape[:2]))
    return TransitionProbe().collect(SimpleNamespace(transitions=known, window=window, model=None))


def test_how_far_each_worker_answers_to_actions() -> None:
    found = np.array(workers([1.0, 1.0, 1.0, 1.0]).arrays["probe/worker_response"])
    assert found == pytest.approx(1.0, abs=0.15)
    one, two, nothing, opposite = workers([1.0, 1.0, 0.0, -1.0]).arrays["probe/worker_response"]
    assert abs(nothing) < 0.3 * one and opposite < -0.5 * one and two > 0.7 * one
    assert "probe/worker_response" not in workers([1.0, 0.0]).arrays, "no majority of two"


def test_actions_that_are_all_the_same_tell_nothing_of_workers() -> None:
    reading = workers([1.0, 1.0, 1.0], constant=True)
    assert "probe/worker_response" not in reading.arrays
    assert "probe/worker_moving" in reading.arrays and "probe/transition_r2" in reading.values


def test_a_worker_stands_still_though_a_normaliser_drifts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert workers([1.0, 1.0, 1.0], still=1).arrays["probe/worker_moving"] == (1.0, 1.0, 1.0)
    monkeypatch.setattr(transition_probe, "normaliser_of", lambda model: model or True)
    moving = workers([1.0, 1.0, 1.0], still=1).arrays["probe/worker_moving"]
    assert moving[1] == 0.0 and min(moving[0], moving[2]) > 0.95


class Turned(gym.ActionWrapper):
    """Actions act the other way round."""

    def action(self, action: Any) -> Any:
        return 1 - action if isinstance(self.action_space, spaces.Discrete) else -action


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("algo", ["ppo", "a2c", "td3"])
def test_effects_of_actions_in_training_and_evaluation(algo: str, turned: bool) -> None:
    env_id = "Pendulum-v1" if algo == "td3" else "CartPole-v1"

    def make() -> gym.Env[Any, Any]:
        env = gym.make(env_id, max_episode_steps=60)
        return Monitor(Turned(env) if turned else env)

    canary = make_vec_env(env_id, n_envs=10, seed=7, env_kwargs={"max_episode_steps": 60})
    watch = watched_canary(canary)
    settings = {"device": "cpu", "seed": 0}
    if algo == "td3":
        noise = NormalActionNoise(np.zeros(1), 0.5 * np.ones(1))
        model: Any = TD3("MlpPolicy", make(), action_noise=noise, **settings, **off_policy())
    else:
        env = DummyVecEnv([make] * 2)
        model = {"ppo": PPO, "a2c": A2C}[algo]("MlpPolicy", env, n_steps=64, **settings)
    model.learn(1200 if algo == "td3" else 2000, callback=watch)
    found = watch.history.series("parity/action_agreement").values
    assert len(found) >= 2
    assert (found < -0.5).all() if turned else (found > 0.5).all()


def watched_canary(env: Any) -> DiagnosticsCallback:
    return DiagnosticsCallback(canary_env=env, canary_freq=300, canary_share=1.0, verbose=0)


def test_a_policy_is_seen_though_the_first_worker_has_no_episode_to_play() -> None:
    canary = make_vec_env("CartPole-v1", n_envs=12, seed=7)
    watch = watched_canary(canary)
    PPO("MlpPolicy", "CartPole-v1", n_steps=128, device="cpu").learn(1000, callback=watch)
    assert watch.history.has("parity/reward_scale")


class Whole(gym.Wrapper[Any, Any, Any, Any]):
    """Pays whole numbers first, then a fraction, as goals of grids do."""

    steps = 0

    def step(self, action: Any) -> Any:
        observation, _, terminated, truncated, info = self.env.step(action)
        self.steps += 1
        return observation, 0 if self.steps % 7 else 0.9, terminated, truncated, info


def test_fractions_are_kept_where_whole_numbers_were_paid_first() -> None:
    class Stacks(DummyVecEnv):
        """Gives rewards as they come, as processes do."""

        def step_wait(self) -> Any:
            observations, rewards, dones, infos = super().step_wait()
            whole = (rewards == np.round(rewards)).all()
            return observations, rewards.astype(np.int64) if whole else rewards, dones, infos

    env = Stacks([lambda: Whole(gym.make("CartPole-v1"))])
    watch_all = watch(every=64)
    PPO("MlpPolicy", env, n_steps=64, batch_size=64, seed=0).learn(256, callback=watch_all)
    assert watch_all.history.last.values["rewards/max_abs"] == pytest.approx(0.9)  # type: ignore[union-attr]
    assert watch_all.history.series("probe/stored_reward_error").values.max() < 1e-4


def test_what_resets_return_is_compared_where_it_is_known() -> None:
    def trend(env: Any, **learn: Any) -> bool:
        model = PPO("MlpPolicy", env, n_steps=128, batch_size=128, seed=0)
        model.learn(256)
        watching = watch(every=128)
        model.learn(2000, callback=watching, **learn)
        assert watching.history.has("probe/finished")
        return watching.history.has("probe/reset_trend_p")

    assert trend(make_vec_env("CartPole-v1", n_envs=2, seed=0))
    normalised = make_vec_env(
        "CartPole-v1", n_envs=2, seed=0, wrapper_class=gym.wrappers.NormalizeObservation
    )
    assert not trend(normalised)


def test_training_that_goes_on_does_not_begin_with_a_reset() -> None:
    env = make_vec_env("Pendulum-v1", n_envs=4, seed=0)
    model = PPO("MlpPolicy", env, n_steps=50, batch_size=50, seed=0).learn(200)
    watching = watch(every=200)
    model.learn(1000, callback=watching, reset_num_timesteps=False)
    assert watching._recorder._boundaries.counts().first_starts.shape[0] == 4


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("normalised", [False, True])
def test_time_limits_without_what_follows_are_counted(bare: bool, normalised: bool) -> None:
    def make() -> gym.Env[Any, Any]:
        return Monitor(gym.make("Pendulum-v1", max_episode_steps=25))

    env: Any = DummyVecEnv([make] * 2)
    env = VecNormalize(env) if normalised else env
    model = A2C("MlpPolicy", env, n_steps=10, seed=0, device="cpu")
    watching = watch(every=100)
    with faults.inject("no_timeout_bootstrap", model) if bare else nullcontext():
        model.learn(1000, callback=watching)
    values = watching.history.last.values  # type: ignore[union-attr]
    assert values["probe/timeouts"] >= 30
    assert values["probe/bare_timeouts"] == (values["probe/timeouts"] if bare else 0.0)


@pytest.mark.parametrize("late", [False, True])
def test_what_the_first_steps_of_episodes_pay(late: bool) -> None:
    env = make_vec_env("CartPole-v1", n_envs=2, seed=0)
    env = faults.wrap("reward_delay", env) if late else env
    canary = make_vec_env("CartPole-v1", n_envs=5, seed=9)
    watching = watch(canary_env=canary, canary_freq=500, canary_share=1.0)
    PPO("MlpPolicy", env, n_steps=256, seed=0, device="cpu").learn(2500, callback=watching)
    values = watching.history.series("parity/first_reward_zeros").values
    assert len(values) >= 2 and (values == float(late)).all()
