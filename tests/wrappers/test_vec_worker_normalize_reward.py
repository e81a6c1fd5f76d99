"""The wrapper in its place: what is above, what is below, who trains, who evaluates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import sb3_contrib
import stable_baselines3 as sb3
from gymnasium.wrappers import NormalizeReward
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    VecCheckNan,
    VecEnv,
    VecEnvWrapper,
    VecExtractDictObs,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
    VecTransposeImage,
)

import sb3_ac_ext
from sb3_ac_ext import DiagnosticsCallback, VecWorkerNormalizeReward
from sb3_ac_ext.clip_reward import VecClipReward
from sb3_ac_ext.wrappers.once import check_reward_normalization
from tests.wrappers.environments import Paying, workers

SMALL: dict[str, Any] = {
    "n_steps": 16,
    "device": "cpu",
    "seed": 0,
    "policy_kwargs": {"net_arch": [8]},
}
ACT = np.zeros(2, dtype=int)


def wrapped(**kwargs: Any) -> VecWorkerNormalizeReward:
    return VecWorkerNormalizeReward(workers(Paying(1.0), Paying(10.0)), **kwargs)


def stepped(env: VecEnv, n: int = 200) -> np.ndarray:
    """Rewards, shape (n, n_envs)."""
    env.reset()
    return np.array([env.step(ACT)[1] for _ in range(n)])


def ppo(env: VecEnv, cls: Any = sb3.PPO, **kwargs: Any) -> Any:
    return cls("MlpPolicy", env, **{**SMALL, "batch_size": 16, **kwargs})


def test_rewards_are_at_one_scale_and_episodes_are_reported_as_paid() -> None:
    env = wrapped()
    found = stepped(env, 1_000)[200:]
    assert found.dtype == np.float32
    assert found.std(axis=0)[1] == pytest.approx(found.std(axis=0)[0], rel=0.2)
    _, _, _, infos = [env.step(ACT) for _ in range(10)][-1]
    returns = [info["episode"]["r"] for info in infos]
    assert returns[1] > 4.0 * abs(returns[0])
    paid = env.get_original_worker_reward()
    assert [info["original_reward"] for info in infos] == pytest.approx(paid.tolist())


def test_a_reset_begins_new_returns() -> None:
    env = wrapped()
    stepped(env, 5)
    assert env.worker_rewards.returns.all()
    env.reset()
    assert not env.worker_rewards.returns.any()


@pytest.mark.parametrize("dictionary", [False, True])
@pytest.mark.parametrize("above", [False, True])
def test_below_and_above_vec_normalize(above: bool, dictionary: bool) -> None:
    env: VecEnv = workers(Paying(1.0, dictionary), Paying(10.0, dictionary))
    if above:
        env = VecWorkerNormalizeReward(VecNormalize(env, norm_reward=False))
    else:
        env = VecNormalize(VecWorkerNormalizeReward(env), norm_reward=False)
    policy = "MultiInputPolicy" if dictionary else "MlpPolicy"
    sb3.A2C(policy, env, **SMALL).learn(320)
    found = stepped(env)
    assert found.std(axis=0)[1] == pytest.approx(found.std(axis=0)[0], rel=0.2)


def test_rewards_are_not_normalised_twice() -> None:
    inner = workers(Paying(), Paying())
    with pytest.raises(ValueError, match=r"normalised twice, by .* and by VecNormalize"):
        VecWorkerNormalizeReward(VecNormalize(inner))
    with pytest.raises(ValueError, match=r"by VecNormalize: use VecNormalize.norm_reward=False"):
        VecFrameStack(VecNormalize(wrapped()), 2).reset()
    with pytest.raises(ValueError, match=r"twice, by Vec.* and by VecWorkerNormalizeReward"):
        VecWorkerNormalizeReward(wrapped())
    own = DummyVecEnv([lambda: NormalizeReward(gym.make("CartPole-v1"))])
    with pytest.raises(ValueError, match="without gymnasium's NormalizeReward"):
        VecWorkerNormalizeReward(own)
    with pytest.raises(ValueError, match="normalised twice"):
        ppo(VecNormalize(wrapped())).learn(32)
    with pytest.raises(ValueError, match="normalised twice"):
        check_reward_normalization(ppo(VecNormalize(wrapped())))
    VecWorkerNormalizeReward(VecNormalize(inner), norm_reward=False).reset()
    VecNormalize(wrapped(norm_reward=False)).reset()


def test_what_would_report_normalised_rewards_is_refused() -> None:
    with pytest.raises(ValueError, match=r"VecMonitor around .* put it below"):
        VecMonitor(wrapped()).reset()
    VecWorkerNormalizeReward(VecMonitor(workers(Paying(), Paying()))).reset()


@pytest.mark.parametrize("cls", [sb3.PPO, sb3_ac_ext.PPO, sb3_contrib.TRPO])
def test_gamma_is_the_algorithms(cls: Any) -> None:
    message = "has gamma=0.99 and (PPO|TRPO) has gamma=0.9: give both the same"
    model = ppo(wrapped(), cls, gamma=0.9)
    with pytest.raises(ValueError, match=message):
        model.learn(32)
    with pytest.raises(ValueError, match=message):
        check_reward_normalization(model)
    model = ppo(VecNormalize(wrapped(gamma=0.9), norm_reward=False), cls, gamma=0.9)
    model.learn(32)
    check_reward_normalization(model)
    ppo(wrapped(norm_reward=False), cls, gamma=0.9).learn(32)


def test_evaluation_during_training_is_raw_and_teaches_nothing(tmp_path: Path) -> None:
    """RL Zoo wraps both environments alike, and tells neither what it is for."""
    training, evaluation = wrapped(), wrapped(warmup=0)
    rewards: list[Any] = []
    evaluation.venv = _Noting(evaluation.venv, rewards)
    before = evaluation.worker_rewards.get_state()
    callback = EvalCallback(
        evaluation, eval_freq=32, n_eval_episodes=4, log_path=str(tmp_path), verbose=0, warn=False
    )
    ppo(training).learn(128, callback=callback)
    assert rewards, "it was evaluated"
    assert _equal(evaluation.worker_rewards.get_state(), before)
    assert training.worker_rewards.returns.any()
    assert _equal_returns(np.load(tmp_path / "evaluations.npz")["results"], np.array(rewards))


class _Noting(VecEnvWrapper):
    def __init__(self, venv: VecEnv, rewards: list[Any]) -> None:
        super().__init__(venv)
        self.noted = rewards

    def reset(self) -> Any:
        return self.venv.reset()

    def step_wait(self) -> Any:
        found = self.venv.step_wait()
        self.noted.append(found[1])
        return found


def _equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(np.array_equal(part, other[name]) for name, part in one.items())


def _equal_returns(reported: np.ndarray, paid: np.ndarray) -> bool:
    """Both environments play two episodes of ten steps in each evaluation."""
    sums = paid.reshape(len(reported), 2, 10, 2).sum(axis=2).reshape(len(reported), -1)
    return np.allclose(np.sort(reported, axis=1), np.sort(sums, axis=1), atol=1e-3)


def test_rewards_are_raw_for_those_who_evaluate_without_a_monitor() -> None:
    env = VecWorkerNormalizeReward(DummyVecEnv([lambda: Paying(10.0)]), warmup=0)
    twin = DummyVecEnv([lambda: Paying(10.0)])
    env.seed(5), twin.seed(5)
    model = sb3.PPO("MlpPolicy", workers(Paying()), **SMALL, batch_size=16)
    before = env.worker_rewards.get_state()
    found = [evaluate_policy(model, one, 3, warn=False) for one in (env, twin)]
    assert found[0] == found[1] and _equal(env.worker_rewards.get_state(), before)


def test_training_after_an_evaluation_in_the_same_environment_learns_again() -> None:
    env = wrapped(warmup=0)
    model = ppo(env)
    model.learn(32)
    evaluate_policy(model, env, 2)
    before = env.worker_rewards.get_state()
    model.learn(64, reset_num_timesteps=False)
    assert (env.worker_rewards.get_state()["count"] == before["count"] + 32).all()


def test_frozen_normalises_and_does_not_learn() -> None:
    env = wrapped()
    stepped(env)
    env.worker_rewards.training = False
    scales = env.worker_rewards.scales
    found = stepped(env, 20)
    assert (env.worker_rewards.scales == scales).all()
    last = env.get_original_worker_reward() / scales
    assert found[-1] == pytest.approx(np.clip(last, -10, 10), rel=1e-5)


def test_a_saved_state_is_loaded_with_the_running_return(tmp_path: Path) -> None:
    env, other = wrapped(warmup=3), wrapped()
    stepped(env, 25)
    env.save_worker_rewards(tmp_path / "rewards.npz")
    other.load_worker_rewards(str(tmp_path / "rewards.npz"))
    assert (
        _equal(env.worker_rewards.get_state(), other.worker_rewards.get_state())
        and env.worker_rewards.get_state()["returns"].any()
    )
    other = wrapped()
    other.worker_rewards.set_state(env.worker_rewards.get_state())
    assert _equal(env.worker_rewards.get_state(), other.worker_rewards.get_state())
    single = VecWorkerNormalizeReward(workers(Paying()))
    with pytest.raises(ValueError, match=r"rewards\.npz.*n_envs=2, this is n_envs=1"):
        single.load_worker_rewards(tmp_path / "rewards.npz")
    with pytest.raises(ValueError, match="gamma"):
        wrapped(gamma=0.9).load_worker_rewards(tmp_path / "rewards.npz")
    with pytest.raises(ValueError, match="does not exist"):
        env.load_worker_rewards(tmp_path / "no.npz")


def test_no_name_is_that_of_another_wrapper() -> None:
    """SB3 refuses to read an attribute that two wrappers have."""
    env = wrapped()
    own = {n for n in {*vars(env), *dir(VecWorkerNormalizeReward)} if not n.startswith("__")}
    own -= {*dir(VecEnvWrapper), *vars(VecCheckNan(env))} - {"worker_rewards"}
    kinds = (VecNormalize, VecMonitor, VecFrameStack, VecTransposeImage, VecExtractDictObs)
    for kind in (*kinds, VecCheckNan, VecClipReward):
        assert not own & set(dir(kind)), kind
    stack = VecFrameStack(VecWorkerNormalizeReward(VecNormalize(env.venv, norm_reward=False)), 2)
    assert stack.norm_reward is False and stack.gamma == 0.99
    assert stack.get_original_reward is not None and stack.obs_rms is not None
    assert not own & set(vars(stack.venv.venv))


def test_the_monitor_sees_what_was_paid_and_finds_nothing_amiss() -> None:
    env = VecNormalize(wrapped(), norm_reward=False)
    callback = DiagnosticsCallback(canary_freq=0, verbose=0)
    ppo(env).learn(512, callback=callback)
    values = callback.history.last.values
    assert values["probe/reward_normalisers"] == 1 and values["probe/normaliser_gamma_gap"] == 0
