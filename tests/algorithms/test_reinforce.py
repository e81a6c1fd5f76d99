"""REINFORCE: returns of whole episodes, the gradient of Williams, a critic that may be absent."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

from sb3_ac_ext import REINFORCE, DiagnosticsCallback
from sb3_ac_ext.buffers import DictEpisodeRolloutBuffer, EpisodeRolloutBuffer
from tests.algorithms.environments import POLICIES, Random


def made(observation: str = "box", action: str = "box", **settings: Any) -> REINFORCE:
    kwargs = {"observation": observation, "action": action}
    env = make_vec_env(Random, 2, seed=3, env_kwargs=kwargs)
    settings = {"n_steps": 40, "policy_kwargs": {"net_arch": [8]}, **settings}
    policy = POLICIES.get(observation, "MultiInputPolicy")
    return REINFORCE(policy, env, seed=1, device="cpu", **settings)


def rollout(model: REINFORCE) -> Any:
    _, callback = model._setup_learn(1000, None)
    buffer = model.rollout_buffer
    model.collect_rollouts(model.env, callback, buffer, model.n_steps)
    return buffer


@pytest.mark.parametrize("baseline", [True, False])
def test_returns_are_sums_to_the_end_of_the_episode(baseline: bool) -> None:
    model = made(baseline=baseline, gamma=0.9)
    buffer = rollout(model)
    ends = np.vstack([buffer.episode_starts[1:] > 0, model._last_episode_starts[None]])
    for worker in range(2):
        total, known = 0.0, False
        for t in reversed(range(40)):
            if ends[t, worker]:
                total, known = 0.0, True
            total = float(buffer.rewards[t, worker]) + 0.9 * total
            assert buffer.finished[t, worker] == known
            if known:
                assert buffer.returns[t, worker] == pytest.approx(total, rel=1e-4, abs=1e-4)
    assert 0 < buffer.finished.sum() < 80
    if not baseline:
        np.testing.assert_array_equal(buffer.values, 0.0)
        np.testing.assert_allclose(buffer.advantages, buffer.returns)


@pytest.mark.parametrize("observation", ["box", "dict"])
@pytest.mark.parametrize("batch_size", [None, 7])
def test_batches_hold_finished_steps_once_each(observation: str, batch_size: int | None) -> None:
    buffer = rollout(made(observation))
    wanted = np.sort(buffer.returns[buffer.finished])
    batches = list(buffer.get(batch_size))
    found = np.sort(th.cat([batch.returns for batch in batches]).numpy())
    np.testing.assert_array_equal(found, wanted)
    assert max(len(batch.returns) for batch in batches) == (batch_size or len(wanted))
    cls = DictEpisodeRolloutBuffer if observation == "dict" else EpisodeRolloutBuffer
    assert type(buffer) is cls


def test_the_step_is_the_likelihood_weighted_by_returns() -> None:
    sgd = {"net_arch": [8], "optimizer_class": th.optim.SGD}
    settings = {"normalize_advantage": False, "max_grad_norm": 1e9, "learning_rate": 0.1}
    model = made(baseline=False, policy_kwargs=sgd, **settings)
    buffer = rollout(model)
    finished = buffer.finished
    obs = th.as_tensor(buffer.observations[finished])
    actions = th.as_tensor(buffer.actions[finished])
    returns = th.as_tensor(buffer.returns[finished])
    trained = model.policy.optimizer.param_groups[0]["params"]
    before = [p.detach().clone() for p in trained]
    _, log_prob, _ = model.policy.evaluate_actions(obs, actions)
    gradient = th.autograd.grad((log_prob * returns).mean(), trained)
    model.train()
    for old, new, up in zip(before, trained, gradient, strict=True):
        th.testing.assert_close(new, old + 0.1 * up, rtol=1e-4, atol=1e-6)


class Clocked(Random):
    """Every episode is ended by the clock."""

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = super().step(action)
        return observation, reward, False, terminated or truncated, info


@pytest.mark.parametrize("baseline", [True, False])
def test_the_clock_is_an_end_only_without_a_baseline(baseline: bool) -> None:
    paid: list[float] = []

    class Noted(gym.Wrapper[Any, Any, Any, Any]):
        def step(self, action: Any) -> Any:
            step = self.env.step(action)
            paid.append(float(step[1]))
            return step

    env = make_vec_env(lambda: Noted(Clocked()), 1, seed=0)
    model = REINFORCE("MlpPolicy", env, n_steps=40, baseline=baseline, seed=0, device="cpu")
    buffer = rollout(model)
    same = np.isclose(buffer.rewards[:, 0], paid, atol=1e-6)
    assert same.all() != baseline


def test_without_a_baseline_there_is_no_critic(tmp_path: Path) -> None:
    model = made(baseline=False)
    names = {name for name, _ in model.policy.named_parameters()}
    assert not any("value" in name for name in names)
    assert len(model.policy.optimizer.param_groups[0]["params"]) == len(names)
    model.learn(160)
    assert "train/value_loss" not in model.logger.name_to_value
    model.save(tmp_path / "model")
    loaded = REINFORCE.load(tmp_path / "model", env=model.get_env())
    assert loaded.baseline is False
    for a, b in zip(loaded.policy.parameters(), model.policy.parameters(), strict=True):
        assert th.equal(a, b)
    loaded.learn(80)


def test_without_an_end_there_is_nothing_to_learn() -> None:
    model = made(n_steps=2)
    before = [p.detach().clone() for p in model.policy.parameters()]
    with pytest.warns(UserWarning, match="no episode ended in n_steps=2"):
        model.learn(4)
    assert all(th.equal(a, b) for a, b in zip(before, model.policy.parameters(), strict=True))


@pytest.mark.parametrize("action", ["discrete", "multi_discrete", "multi_binary", "box"])
@pytest.mark.parametrize("observation", ["box", "dict", "image"])
def test_all_spaces_and_knobs(observation: str, action: str) -> None:
    model = made(observation, action, policy_kwargs=None, ent_coef="lin_0.01", advantage_clip=3.0)
    model.learn(160)
    assert model._n_updates == 2


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"gae_lambda": 0.9}, "has no gae_lambda"),
        ({"baseline": False, "critic_learning_rate": 0.1}, "needs baseline=True"),
    ],
)
def test_nonsense_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        made(**settings)


@pytest.mark.parametrize("baseline", [True, False])
def test_it_learns_and_the_monitor_is_content(baseline: bool) -> None:
    env = make_vec_env("CartPole-v1", 8, seed=0)
    watch = DiagnosticsCallback(verbose=0, canary_freq=0)
    model = REINFORCE("MlpPolicy", env, n_steps=250, learning_rate=5e-3, baseline=baseline, seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.learn(60_000, callback=watch)
    score, _ = evaluate_policy(model, make_vec_env("CartPole-v1", 8, seed=9), 20)
    # without a baseline 144 to over 150, as processors round: how much is no matter of this test
    assert score > 100.0, "a random policy reaches 22"
    assert watch.verdict.status == "healthy", watch.verdict.findings
