"""With and without the monitor, training gives bit-identical weights, and nothing stays behind."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from sb3_contrib import ARS, TQC, TRPO, CrossQ, MaskablePPO, RecurrentPPO
from stable_baselines3 import A2C, DDPG, DQN, PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from sb3_ac_ext import DiagnosticsCallback, GradientMonitorCallback, QValueMonitorCallback

SMALL = {"net_arch": [16, 16]}
OFF_POLICY = {"learning_starts": 60, "batch_size": 32, "buffer_size": 1000}
CASES: dict[str, tuple[Any, str, str, dict[str, Any], int]] = {
    "ppo": (PPO, "MlpPolicy", "CartPole-v1", {"n_steps": 64, "batch_size": 32}, 260),
    "ppo-gsde": (PPO, "MlpPolicy", "Pendulum-v1", {"n_steps": 64, "use_sde": True}, 260),
    "a2c": (A2C, "MlpPolicy", "CartPole-v1", {}, 300),
    "sac": (SAC, "MlpPolicy", "Pendulum-v1", OFF_POLICY, 260),
    "sac-gsde": (SAC, "MlpPolicy", "Pendulum-v1", {**OFF_POLICY, "use_sde": True}, 260),
    "td3": (TD3, "MlpPolicy", "Pendulum-v1", OFF_POLICY, 260),
    "ddpg": (DDPG, "MlpPolicy", "Pendulum-v1", OFF_POLICY, 260),
    "dqn": (DQN, "MlpPolicy", "CartPole-v1", OFF_POLICY, 400),
    "trpo": (TRPO, "MlpPolicy", "CartPole-v1", {"n_steps": 64}, 260),
    "tqc": (TQC, "MlpPolicy", "Pendulum-v1", OFF_POLICY, 260),
    "crossq": (CrossQ, "MlpPolicy", "Pendulum-v1", OFF_POLICY, 260),
    "ppo_lstm": (RecurrentPPO, "MlpLstmPolicy", "CartPole-v1", {"n_steps": 32}, 200),
}


def callback(**kwargs: Any) -> DiagnosticsCallback:
    settings = {"every": 50, "canary_freq": 100, "canary_episodes": 2, "canary_share": 1.0}
    return DiagnosticsCallback(**{**settings, "verbose": 0, **kwargs})


def train(case: str, watch: DiagnosticsCallback | None) -> BaseAlgorithm:
    cls, policy, env_id, kwargs, steps = CASES[case]
    model = cls(policy, env_id, seed=3, device="cpu", policy_kwargs=dict(SMALL), **kwargs)
    return model.learn(steps, callback=watch)


def hooks(model: BaseAlgorithm) -> int:
    """Every hook on any optimizer, parameter or module of the model."""
    found = 0
    for value in [*vars(model.policy).values(), *model.policy.modules(), *vars(model).values()]:
        optimizer = getattr(value, "optimizer", value)
        if isinstance(optimizer, th.optim.Optimizer):
            found += len(optimizer._optimizer_step_pre_hooks)
    for parameter in model.policy.parameters():
        found += len(parameter._post_accumulate_grad_hooks or {})
    for module in model.policy.modules():
        found += len(module._forward_hooks)
    return found


@pytest.mark.parametrize("case", CASES)
def test_training_is_bit_identical(case: str) -> None:
    watch = callback()
    watched, plain = train(case, watch), train(case, None)
    assert len(watch.history) >= 2
    assert watch.history.has("canary/return_mean"), "the canary must have run for this to count"
    expected = plain.policy.state_dict()
    for name, weights in watched.policy.state_dict().items():
        assert th.equal(weights, expected[name]), name
    assert hooks(watched) == 0 and "train" not in vars(watched)


def test_normalised_training_is_bit_identical_and_so_are_the_statistics() -> None:
    def run(watch: DiagnosticsCallback | None) -> tuple[BaseAlgorithm, VecNormalize]:
        env = VecNormalize(make_vec_env("Pendulum-v1", n_envs=2, seed=1))
        model = SAC("MlpPolicy", env, seed=1, policy_kwargs=dict(SMALL), **OFF_POLICY)
        return model.learn(400, callback=watch), env

    watch = callback()
    (watched, env), (plain, plain_env) = run(watch), run(None)
    assert watch.history.has("canary/return_mean")
    for mine, expected in zip(watched.policy.parameters(), plain.policy.parameters(), strict=True):
        assert th.equal(mine, expected)
    np.testing.assert_array_equal(env.obs_rms.mean, plain_env.obs_rms.mean)
    assert env.obs_rms.count == plain_env.obs_rms.count


class Failing(gym.Wrapper):
    """Raises in its step number ``at``."""

    def __init__(self, env: gym.Env, at: int) -> None:
        super().__init__(env)
        self.left = at

    def step(self, action: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise RuntimeError("the simulator died")
        return super().step(action)


@pytest.mark.parametrize("algorithm", [PPO, SAC])
def test_no_hook_stays_after_an_exception_in_the_environment(algorithm: Any) -> None:
    env = Failing(gym.make("Pendulum-v1"), at=215)
    kwargs = OFF_POLICY if algorithm is SAC else {"n_steps": 64, "batch_size": 32}
    model = algorithm("MlpPolicy", env, policy_kwargs=dict(SMALL), **kwargs)
    watch = callback(canary_freq=0)
    with pytest.raises(RuntimeError, match="simulator died"):
        model.learn(1000, callback=watch)
    assert hooks(model) == 0 and "train" not in vars(model)
    seen = len(watch.history)
    watch.close(RuntimeError("the simulator died"))
    assert len(watch.history) == seen + 1 and watch.history.step == model.num_timesteps
    assert "simulator died" in watch.history.notes[-1]


def test_no_hook_stays_after_an_exception_in_the_update() -> None:
    model = PPO("MlpPolicy", "CartPole-v1", n_steps=32, batch_size=32)

    def broken() -> None:
        raise KeyboardInterrupt

    step = model.policy.optimizer.step
    model.policy.optimizer.step = lambda *_: broken()  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        model.learn(200, callback=callback(canary_freq=0))
    model.policy.optimizer.step = step  # type: ignore[method-assign]
    assert hooks(model) == 0 and "train" not in vars(model)


def test_a_train_of_the_users_own_on_the_instance_comes_back() -> None:
    model = PPO("MlpPolicy", "CartPole-v1", n_steps=32, batch_size=32)
    calls = []
    original = model.train

    def mine() -> None:
        calls.append(1)
        original()

    model.train = mine  # type: ignore[method-assign]
    model.learn(128, callback=callback(canary_freq=0))
    assert len(calls) == 4 and model.train is mine


def test_learning_twice_continues_the_history() -> None:
    model = A2C("MlpPolicy", "CartPole-v1")
    watch = callback(canary_freq=0)
    model.learn(200, callback=watch)
    first = watch.history
    model.learn(200, callback=watch, reset_num_timesteps=False)
    assert watch.history is first and first.step == model.num_timesteps
    model.learn(200, callback=watch)
    assert watch.history is not first and watch.history.step == model.num_timesteps


def test_maskable_policies_are_measured_with_their_masks() -> None:
    class Masked(gym.Wrapper):
        def action_masks(self) -> np.ndarray:
            return np.array([True, False])

    env = DummyVecEnv([lambda: Masked(gym.make("CartPole-v1"))])
    canary = DummyVecEnv([lambda: Masked(gym.make("CartPole-v1"))])
    model = MaskablePPO("MlpPolicy", env, n_steps=64, batch_size=64, seed=0)
    watch = callback(canary_env=canary)
    model.learn(512, callback=watch)
    assert watch.history.has("policy/kl") and watch.history.has("policy/state_dependence")
    assert watch.history.last.values["actions/top_share"] == 1.0  # type: ignore[union-attr]
    # always pushing left ends an episode within eleven steps, with noise or without
    assert watch.history.series("canary/stochastic_mean").values.max() < 12.0


class Later(BaseCallback):
    """Acts between the end of a rollout and the update, after the monitor was asked."""

    def __init__(self, act: Any) -> None:
        super().__init__()
        self.act = act

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        self.act(self.model)


def test_a_model_saved_while_an_update_is_awaited_is_sound(tmp_path: Path) -> None:
    def save(model: BaseAlgorithm) -> None:
        assert "train" in vars(model), "the monitor must be waiting for this to count"
        model.save(tmp_path / "model")

    model = PPO("MlpPolicy", "CartPole-v1", n_steps=64, batch_size=64)
    model.learn(128, callback=[callback(canary_freq=0), Later(save)])
    loaded = PPO.load(tmp_path / "model", env=gym.make("CartPole-v1"))
    assert "train" not in vars(loaded) and "_excluded_save_params" not in vars(loaded)
    before = [parameter.clone() for parameter in loaded.policy.parameters()]
    loaded.learn(128)
    after = list(loaded.policy.parameters())
    assert any(not th.equal(a, b) for a, b in zip(before, after, strict=True))


def test_what_an_exception_between_rollout_and_update_leaves_does_no_harm() -> None:
    def fail(_: BaseAlgorithm) -> None:
        raise RuntimeError("another callback failed")

    model = PPO("MlpPolicy", "CartPole-v1", n_steps=64, batch_size=64)
    watch = callback(canary_freq=0)
    with pytest.raises(RuntimeError, match="another callback"):
        model.learn(256, callback=[watch, Later(fail)])
    assert hooks(model) == 0
    seen = len(watch.history)
    model.learn(64)
    assert len(watch.history) == seen and "train" not in vars(model)
    watch.close()
    model.learn(128, callback=watch)
    assert "train" not in vars(model) and watch.history.step == 128


def test_several_monitors_share_one_model() -> None:
    quiet: dict[str, Any] = {"every": 50, "verbose": 0}
    monitors = [QValueMonitorCallback(**quiet), GradientMonitorCallback(**quiet)]
    model = SAC(
        "MlpPolicy",
        "Pendulum-v1",
        policy_kwargs=dict(SMALL),
        **{**OFF_POLICY, "learning_starts": 150},
    )
    model.learn(400, callback=monitors)
    assert "train" not in vars(model) and hooks(model) == 0
    assert monitors[0].history.has("q/mean")
    assert monitors[1].history.has("gradients/critic/norm_mean")


def test_an_algorithm_that_steps_out_of_sight_is_not_disturbed() -> None:
    watch = callback(canary_freq=0)
    ARS("LinearPolicy", "CartPole-v1", n_delta=2, seed=0).learn(600, callback=watch)
    assert watch.verdict.status in {"healthy", "not enough evidence"}
    assert "gradients" in watch.history.info.not_observed
